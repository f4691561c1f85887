"""How long a member lately took to answer.

The peak-sensitive moving average of Finagle's load balancer: a slow answer is believed at once, a
quick one by and by, and what was long ago fades, so that a member that was slow gets another try.
"""

from __future__ import annotations

from math import exp, inf

__all__ = ["LatencyEwma"]

MEMORY = 10.0  # seconds in which what was known fades to a third
FAILURE = 1.0  # seconds that a failure is taken to last at least, or failing fast would look quick


class LatencyEwma:
    """The latency of one member in seconds. Guarded by the pool's lock; read without."""

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at = -inf

    def observe(self, seconds: float, failed: bool, now: float) -> None:
        """Take note of an attempt that ended now."""
        known = self.at(now)
        if failed:
            seconds = max(seconds, self._seconds, FAILURE)
        if seconds < known:
            kept = self._kept(now)
            seconds = self._seconds * kept + seconds * (1 - kept)
        self._seconds, self._at = seconds, now

    def at(self, now: float) -> float:
        """Return what is known at this time; 0 is unknown."""
        return self._seconds * self._kept(now)

    def _kept(self, now: float) -> float:
        return exp(min(0.0, (self._at - now) / MEMORY))
