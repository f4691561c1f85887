"""Exports the numbers of pools; each file imports its own metrics library."""
