"""Clients shared by config: equal configs get the same client, counted and closed when idle."""
