"""Gathers the latencies of a short while into one sample."""

from __future__ import annotations

__all__ = ["Window"]


class Window:
    """Samples until enough of them came and enough time passed; then their mean is worth looking at.

    A single latency says little: with a queue in front, the ones after a slow call are slow as well.
    """

    def __init__(self, least_seconds: float, least_samples: int) -> None:
        self._least_seconds = least_seconds
        self._least_samples = least_samples
        self._ends_at: float | None = None
        self._count = 0
        self._total = 0.0
        self._most_in_flight = 0

    def add(self, now: float, seconds: float, in_flight: int) -> tuple[float, int] | None:
        """Note a call; return the mean latency and the most calls in flight if this ends a window."""
        if self._ends_at is None:
            self._ends_at = now + self._least_seconds
        self._count += 1
        self._total += seconds
        self._most_in_flight = max(self._most_in_flight, in_flight)
        if now < self._ends_at or self._count < self._least_samples:
            return None
        ended = self._total / self._count, self._most_in_flight
        self._ends_at, self._count, self._total, self._most_in_flight = None, 0, 0.0, 0
        return ended
