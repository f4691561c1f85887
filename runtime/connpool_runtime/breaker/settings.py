"""The settings of breakers, and what is derived from them."""

from __future__ import annotations

from collections.abc import Callable

from connpool_runtime.breaker.sliding_window import CountBasedWindow, TimeBasedWindow, Window
from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule, refused

__all__ = ["BreakerSettings"]


def _never() -> float:
    return 0.0


class BreakerSettings(Settings):
    """When to open, for how long, and how to close again. `PoolSettings` has all of these options too.

    Raises:
        TypeError: there is no such option.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    max_fails: int = option(
        default=5,
        rule=Rule.whole_number(0, "calls"),
        does="consecutive failures that open a member's breaker; 0 for no such rule.",
        why="5 is more than bad luck and is reached at low traffic too.",
        reloadable=True,
    )
    cooldown: float = option(
        default=5.0,
        rule=Rule.seconds(),
        does="how long an open breaker lets no call through; the first time.",
        why="5.0 spares a server that is gone, and notices soon that it is back.",
        reloadable=True,
    )
    half_open_calls: int = option(
        default=1,
        rule=Rule.whole_number(1, "calls"),
        does="calls let through at a time after the cooldown, until one of them succeeds.",
        why="1: a server that is not healthy yet harms one call.",
        reloadable=True,
    )
    probe_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="after how long a probe that hangs no longer keeps other probes from starting.",
        why="30.0 is longer than the timeouts of most clients.",
        reloadable=True,
    )
    cooldown_factor: float = option(
        default=2.0,
        rule=Rule.amount(1.0),
        does="the factor by which the cooldown grows each time a breaker opens again. It is reset "
        "once the member has stayed healthy for as long as the next cooldown would last; 1.0 "
        "for no growth.",
        why="2.0: a server that is gone costs ever fewer calls.",
        reloadable=True,
    )
    cooldown_max: float = option(
        default=60.0,
        rule=Rule.seconds(),
        does="the longest cooldown that repeated openings lead to; a longer `cooldown` stays as it"
        " is.",
        why="60.0: a member that is back should not idle for much longer.",
        reloadable=True,
    )
    cooldown_jitter: float = option(
        default=0.2,
        rule=Rule.share(),
        does="the largest share by which a cooldown is shortened at random, so that not all "
        "clients try a server at the same moment; 0 for none.",
        why="0.2 spreads them over a second.",
        reloadable=True,
    )
    failure_rate_threshold: float = option(
        default=0.0,
        rule=Rule.share(),
        does="the share of failures in the sliding window that opens a breaker; 0 for no such "
        "rule. Use it with a larger `max_fails`, or with shares below one half.",
        why="0: what fails every other time soon fails `max_fails` times in a row.",
        reloadable=True,
    )
    slow_call_duration: float = option(
        default=5.0,
        rule=Rule.seconds(),
        does="after how long a call is a slow one, for `slow_call_rate_threshold`. Streams, leases"
        " and pinned results are never slow.",
        why="5.0 is longer than most callers wait.",
        reloadable=True,
    )
    slow_call_rate_threshold: float = option(
        default=0.0,
        rule=Rule.share(),
        does="the share of slow calls in the sliding window that opens a breaker; 0 for no such "
        "rule.",
        why="0: only its owner knows what is slow for a service.",
        reloadable=True,
    )
    minimum_calls: int = option(
        default=20,
        rule=Rule.whole_number(1, "calls"),
        does="the least number of calls in the sliding window for which the two thresholds apply.",
        why="20: a share of 50 % is then known to within 20 %.",
        reloadable=True,
    )
    sliding_window_seconds: float = option(
        default=10.0,
        rule=Rule.seconds_above_zero(),
        does="the length of the sliding window, which moves on in tenths. Calls are counted from "
        "the first one that failed or was slow; until then the window costs nothing.",
        why="10.0 is soon enough to notice, and long enough for `minimum_calls` at two calls a second.",
        reloadable=True,
    )
    sliding_window_calls: int = option(
        default=0,
        rule=Rule.whole_number(0, "calls"),
        does="the number of calls in the sliding window, however old they are, at least "
        "`minimum_calls`; 0 uses `sliding_window_seconds` instead.",
        why="0: at low traffic a number of calls goes back for hours.",
        reloadable=True,
    )
    metrics_only: bool = option(
        default=False,
        rule=Rule.switch(),
        does="breakers open and close and tell their listeners, but eject no member: to try"
        " settings on real traffic. Members opened by hand are ejected all the same.",
        reloadable=True,
    )
    random: Callable[[], float] = option(
        default=_never, rule=Rule.function(), does="floats in [0, 1), for `cooldown_jitter`."
    )

    def check_together(self) -> None:
        """Refuse a sliding window that cannot hold `minimum_calls` calls."""
        if 0 < self.sliding_window_calls < self.minimum_calls:
            rule = f"0 or at least minimum_calls, which is {self.minimum_calls}"
            raise refused("sliding_window_calls", self.sliding_window_calls, rule)

    @property
    def off(self) -> bool:
        """Whether no setting allows the breaker to open by itself."""
        return self.max_fails == 0 and not self.has_rates

    @property
    def has_rates(self) -> bool:
        """Whether a failure rate or a slow call rate is configured."""
        return self.failure_rate_threshold > 0 or self.slow_call_rate_threshold > 0

    def new_window(self) -> Window:
        """Return an empty sliding window of the configured kind."""
        return (
            CountBasedWindow(self.sliding_window_calls)
            if self.sliding_window_calls
            else TimeBasedWindow(self.sliding_window_seconds)
        )

    def is_over(self, window: Window) -> bool:
        """Return whether too many of the latest calls failed or were slow."""
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
        """Return the real length of a pause: shortened by up to `cooldown_jitter` of it."""
        return pause * (1 - self.cooldown_jitter * self.random())

    def after(self, pause: float) -> float:
        """Return the length of the next pause: longer, up to `cooldown_max`."""
        # A cooldown longer than `cooldown_max` is taken as intended.
        return min(pause * self.cooldown_factor, max(self.cooldown_max, self.cooldown))
