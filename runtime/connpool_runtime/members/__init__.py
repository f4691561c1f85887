"""The members of a pool: their state, and who of them may be picked."""
