"""The records of a call: method, call, lease, place in the wait queue, middleware chain."""
