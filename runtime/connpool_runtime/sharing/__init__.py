"""Clients shared by config: equal configs get the same client, which is counted, and closed when idle."""
