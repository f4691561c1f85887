"""Reads the client twice: as Python sees it at run time, and as a type checker sees it."""
