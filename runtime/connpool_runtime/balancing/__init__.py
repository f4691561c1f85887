"""The balancers, which pick one of the members that may be picked."""
