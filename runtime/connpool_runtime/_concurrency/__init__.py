"""Threads and tasks behind equal names: locks, gates, signals, queues, background workers."""
