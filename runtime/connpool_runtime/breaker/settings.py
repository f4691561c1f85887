"""The numbers of a breaker."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from connpool_runtime.breaker.sliding_window import CountBasedWindow, TimeBasedWindow, Window

__all__ = ["BreakerSettings"]


def _never() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When to open, for how long, and how to close again; all durations in seconds.

    `PoolSettings` explains each of them and has the defaults of a pool. Here they are those of
    the plain breaker, which counts failures in a row and waits the same time after each trip.
    """

    max_fails: int = 5
    cooldown: float = 5.0
    half_open_calls: int = 1
    probe_timeout: float = 30.0
    cooldown_max: float = math.inf
    cooldown_factor: float = 1.0
    cooldown_jitter: float = 0.0
    failure_rate_threshold: float = 0.0
    slow_call_duration: float = math.inf
    slow_call_rate_threshold: float = 0.0
    minimum_calls: int = 20
    sliding_window_seconds: float = 10.0
    sliding_window_calls: int = 0
    metrics_only: bool = False
    random: Callable[[], float] = _never

    @property
    def off(self) -> bool:
        """Whether no evidence at all opens the breaker."""
        return self.max_fails == 0 and not self.has_rates

    @property
    def has_rates(self) -> bool:
        """Whether shares of the latest calls are looked at."""
        return self.failure_rate_threshold > 0 or self.slow_call_rate_threshold > 0

    def new_window(self) -> Window:
        """Return an empty window of the kind asked for."""
        return (
            CountBasedWindow(self.sliding_window_calls)
            if self.sliding_window_calls
            else TimeBasedWindow(self.sliding_window_seconds)
        )

    def is_over(self, window: Window) -> bool:
        """Whether too many of the latest calls failed, or were slow."""
        if window.calls < self.minimum_calls:
            return False
        failing = (
            self.failure_rate_threshold > 0
            and window.failures >= self.failure_rate_threshold * window.calls
        )
        return failing or (
            self.slow_call_rate_threshold > 0
            and window.slow >= self.slow_call_rate_threshold * window.calls
        )

    def lasts(self, pause: float) -> float:
        """Return how long a pause really is: up to `cooldown_jitter` of it is left out."""
        return pause * (1 - self.cooldown_jitter * self.random())

    def after(self, pause: float) -> float:
        """Return the pause that follows a pause: longer, up to `cooldown_max`."""
        # A cooldown that is longer than the maximum is meant so.
        return min(pause * self.cooldown_factor, max(self.cooldown_max, self.cooldown))
