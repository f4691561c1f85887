"""The events of a pool, and their delivery to listeners."""
