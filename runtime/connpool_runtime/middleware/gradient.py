"""Estimates how many calls at once a service can take, from how long they take."""

from __future__ import annotations

__all__ = ["GradientLimit", "Window"]


class Window:
    """Collects latencies until there are enough of them over enough time, then gives their mean.

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
        """Note a call; return the mean latency and the most calls in flight if this ends a window.

        Under the interpreter lock no other thread runs in between, as nothing is called here.
        """
        if self._ends_at is None:
            self._ends_at = now + self._least_seconds
        self._count += 1
        self._total += seconds
        if in_flight > self._most_in_flight:
            self._most_in_flight = in_flight
        if now < self._ends_at or self._count < self._least_samples:
            return None
        ended = self._total / self._count, self._most_in_flight
        self._ends_at, self._count, self._total, self._most_in_flight = None, 0, 0.0, 0
        return ended


LONG_WINDOW = 600  # samples; as in Netflix's concurrency-limits
WARM_UP = 10
QUEUE = 4  # calls that may wait in the service, so that the limit can grow
LEAST_GRADIENT = 0.5


class GradientLimit:
    """Estimates a limit by the Gradient2 algorithm of Netflix's concurrency-limits.

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
        """How many calls may run at once."""
        return int(self._estimate)

    def sample(self, seconds: float, in_flight: int) -> None:
        """Adapt the limit to the mean latency of a window and the most calls that ran in it."""
        usual = self._learn_usual(seconds)
        if in_flight < self._estimate / 2:
            return  # the limit was not what bounded the calls, so nothing is known about it
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
            self._usual *= 0.95  # after a long overload, forget it sooner than the window does
        return self._usual
