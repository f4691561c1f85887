"""The pools that generated wrappers run on, for threads and for tasks."""
