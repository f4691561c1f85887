"""The members of a pool: their state, and which of them may be picked."""
