"""The circuit breaker of a member: what counts as a failure, the window, the states."""
