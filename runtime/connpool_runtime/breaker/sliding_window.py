"""Sliding windows: how many of a member's latest calls failed or were slow."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

__all__ = ["CountBasedWindow", "TimeBasedWindow", "Window"]

SLICES = 10  # slices of a time-based window: calls are forgotten one slice at a time


class _Counts:
    """Running sums of calls."""

    __slots__ = ("calls", "failures", "slow")

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.slow = 0

    @property
    def is_clean(self) -> bool:
        """Whether the window holds no failure and no slow call."""
        return self.failures == 0 and self.slow == 0

    def add(self, calls: int, failures: int, slow: int) -> None:
        """Add to the sums; negative numbers remove calls."""
        self.calls += calls
        self.failures += failures
        self.slow += slow


class _Slice(_Counts):
    """The calls that ended within one slice of time."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class TimeBasedWindow(_Counts):
    """The calls of the last so many seconds, to within one slice."""

    __slots__ = ("_seconds", "_slices")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._slices: deque[_Slice] = deque()

    def record(self, now: float, failed: bool, slow: bool) -> None:
        """Record a call that ended now, and forget slices that are too old."""
        number = int(now / self._seconds * SLICES)
        slices = self._slices
        # If the clock goes backwards, the call is added to the latest slice and nothing is forgotten.
        if not slices or number > slices[-1].number:
            slices.append(_Slice(number))
        while slices[0].number <= number - SLICES:
            old = slices.popleft()
            self.add(-old.calls, -old.failures, -old.slow)
        slices[-1].add(1, failed, slow)
        self.add(1, failed, slow)


class CountBasedWindow(_Counts):
    """The last so many calls."""

    __slots__ = ("_latest", "_size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._latest: deque[tuple[bool, bool]] = deque()

    def record(self, _now: float, failed: bool, slow: bool) -> None:
        """Record a call, and forget the oldest one if the window is full."""
        self._latest.append((failed, slow))
        self.add(1, failed, slow)
        if self.calls > self._size:
            failed, slow = self._latest.popleft()
            self.add(-1, -failed, -slow)


Window: TypeAlias = TimeBasedWindow | CountBasedWindow
