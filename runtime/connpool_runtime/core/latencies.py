"""The last durations of something, and how long most of them were."""

from __future__ import annotations

import math

__all__ = ["Latencies"]


class Latencies:
    """A ring of the last samples; the quantile is worked out anew every few of them."""

    KEPT = 200
    EVERY = 20

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._samples: list[float] = []
        self._next = 0
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """The quantile in seconds, None as long as too little is known."""
        return self._value

    def add(self, seconds: float) -> None:
        """Note a duration."""
        if len(self._samples) < self.KEPT:
            self._samples.append(seconds)
        else:
            self._samples[self._next % self.KEPT] = seconds
        self._next += 1
        if self._next % self.EVERY == 0:
            ranked = sorted(self._samples)
            self._value = ranked[math.ceil(self._quantile * len(ranked)) - 1]
