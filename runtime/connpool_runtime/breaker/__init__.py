"""The circuit breaker of a member: what counts as a failure, the sliding window, the states."""
