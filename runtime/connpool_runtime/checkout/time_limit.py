"""A time limit for several steps together."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["TimeLimit"]


class TimeLimit:
    """One end for several steps: a call's way to its client, or the closing of a pool.

    Real waits use the real clock, and the pool may use another one: the limit ends when either clock has
    reached it.

    Arguments:
        seconds: from now on; may be infinite.
        clock: of the pool.
    """

    __slots__ = ("_clock", "_end", "_real_end", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self._real_end = monotonic() + seconds

    @property
    def left(self) -> float:
        """Return the seconds left; 0.0 when the time is over."""
        return max(0.0, min(self._end - self._clock(), self._real_end - monotonic()))
