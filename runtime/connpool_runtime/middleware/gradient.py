"""Estimates from latencies how many concurrent calls a service can take."""

from __future__ import annotations

import math

__all__ = ["GradientLimit", "Window"]


class Window:
    """Collects latencies until there are enough of them over enough time, then returns their mean.

    A single latency says little: with a queue in front, the ones after a slow call are slow as well.

    Attributes:
        count: latencies in it.
        total: their sum, in seconds.
        most_in_flight: the most calls that were in flight with one of them.
        ends_at: when it may end; `-inf` while the first latency of a window is awaited.
    """

    __slots__ = ("_least_samples", "_least_seconds", "count", "ends_at", "most_in_flight", "total")

    def __init__(self, least_seconds: float, least_samples: int) -> None:
        self._least_seconds = least_seconds
        self._least_samples = least_samples
        self._begin()

    def _begin(self) -> None:
        self.ends_at, self.count, self.total, self.most_in_flight = -math.inf, 0, 0.0, 0

    def add(self, now: float, seconds: float, in_flight: int) -> tuple[float, int] | None:
        """Add a call; if that completes the window, return the mean latency and the most calls in flight."""
        self.count, self.total = self.count + 1, self.total + seconds
        if in_flight > self.most_in_flight:
            self.most_in_flight = in_flight
        return self.end(now) if now >= self.ends_at else None

    def end(self, now: float) -> tuple[float, int] | None:
        """End a window whose time is over; return what `add` returns, if it has enough calls."""
        if self.ends_at == -math.inf:
            self.ends_at = now + self._least_seconds
        if now < self.ends_at or self.count < self._least_samples:
            return None
        ended = self.total / self.count, self.most_in_flight
        self._begin()
        return ended


LONG_WINDOW = 600  # samples; as in Netflix's concurrency-limits
WARM_UP = 10
QUEUE = 4  # calls that may queue in the service, so that the limit can grow
LEAST_GRADIENT = 0.5


class GradientLimit:
    """Estimates a concurrency limit by the Gradient2 algorithm of Netflix's concurrency-limits.

    It compares the latency of a short while with that of a long one: when calls take longer than
    usual, they queue up somewhere, and the limit shrinks in proportion; else it grows by the
    length of a short queue. One sample stands for a window of calls.
    """

    def __init__(
        self, initial: int, least: int, most: int, smoothing: float, tolerance: float
    ) -> None:
        self._least = least
        self._most = most
        self._smoothing = smoothing
        self._tolerance = tolerance
        self._estimate = float(initial)
        self._usual = 0.0
        self._samples = 0

    @property
    def limit(self) -> int:
        """The current limit."""
        return int(self._estimate)

    def sample(self, seconds: float, in_flight: int) -> None:
        """Adapt the limit to the mean latency of a window and the most calls that ran in it."""
        usual = self._learn_usual(seconds)
        if in_flight < self._estimate / 2:
            return  # fewer calls than half the limit ran, so the limit was not tested
        gradient = max(LEAST_GRADIENT, min(1.0, self._tolerance * usual / max(seconds, 1e-9)))
        wanted = self._estimate * gradient + QUEUE
        estimate = self._estimate * (1 - self._smoothing) + wanted * self._smoothing
        self._estimate = max(float(self._least), min(float(self._most), estimate))

    def _learn_usual(self, seconds: float) -> float:
        if self._samples < WARM_UP:
            self._samples += 1
            self._usual += (seconds - self._usual) / self._samples
        else:
            self._usual += (seconds - self._usual) * 2.0 / (LONG_WINDOW + 1)
        if self._usual > 2.0 * seconds:
            # after a long overload, forget the long-term latency faster than the window does
            self._usual *= 0.95
        return self._usual
