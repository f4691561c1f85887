"""Threads and tasks behind the same names: locks, gates, signals, queues, background workers."""
