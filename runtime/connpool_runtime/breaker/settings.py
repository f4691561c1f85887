"""The numbers of a breaker."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from connpool_runtime.breaker.sliding_window import CallWindow, TimeWindow, Window

__all__ = ["BreakerRules"]


def _never() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When to open, for how long, and how to close again; all durations in seconds.

    `PoolSettings` explains each of them and has the defaults of a pool. Here they are those of
    the plain breaker, which counts failures in a row and waits the same time after each trip.
    """

    max_fails: int = 5
    cooldown: float = 5.0
    half_open_max: int = 1
    probe_timeout: float = 30.0
    cooldown_max: float = math.inf
    cooldown_factor: float = 1.0
    cooldown_jitter: float = 0.0
    failure_rate: float = 0.0
    slow_call: float = math.inf
    slow_rate: float = 0.0
    min_calls: int = 20
    window: float = 10.0
    window_calls: int = 0
    dry_run: bool = False
    random: Callable[[], float] = _never

    @property
    def off(self) -> bool:
        """Whether no evidence at all opens the breaker."""
        return self.max_fails == 0 and not self.has_rates

    @property
    def has_rates(self) -> bool:
        """Whether shares of the latest calls are looked at."""
        return self.failure_rate > 0 or self.slow_rate > 0

    def new_window(self) -> Window:
        """Return an empty window of the kind asked for."""
        return CallWindow(self.window_calls) if self.window_calls else TimeWindow(self.window)

    def is_over(self, window: Window) -> bool:
        """Whether too many of the latest calls failed, or were slow."""
        if window.calls < self.min_calls:
            return False
        failing = self.failure_rate > 0 and window.failures >= self.failure_rate * window.calls
        return failing or (self.slow_rate > 0 and window.slow >= self.slow_rate * window.calls)

    def lasts(self, pause: float) -> float:
        """Return how long a pause really is: up to `cooldown_jitter` of it is left out."""
        return pause * (1 - self.cooldown_jitter * self.random())

    def after(self, pause: float) -> float:
        """Return the pause that follows a pause: longer, up to `cooldown_max`."""
        # A cooldown that is longer than the maximum is meant so.
        return min(pause * self.cooldown_factor, max(self.cooldown_max, self.cooldown))
