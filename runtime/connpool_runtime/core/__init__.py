"""Decisions only: no I/O, no lock, no clock, no randomness of its own, no logging."""
