"""Turns facts into a plan: what each member of the client becomes, and why."""
