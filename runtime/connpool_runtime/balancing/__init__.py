"""Load balancers: each picks one of the members that may be picked."""
