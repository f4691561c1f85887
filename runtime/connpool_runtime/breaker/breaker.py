"""The circuit breaker: opens when a member fails, and lets a few probes through to find out whether it has recovered.

The states are those of the classic circuit breaker (Nygard, "Release It!"). Each stay in a state is a
generation; the result of a call that was admitted in an earlier generation changes nothing, so late answers
neither close an open breaker nor extend its cooldown.
"""

from __future__ import annotations

import math
from enum import Enum

from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.breaker.settings import BreakerSettings
from connpool_runtime.breaker.sliding_window import Window

__all__ = ["Breaker", "BreakerSettings", "BreakerState", "Generation"]


class BreakerState(Enum):
    """The state of a breaker: closed lets all calls through, open none, half-open a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


# Looking up a member of an enumeration costs as much as a call.
_CLOSED, _OPEN, _HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
_FAILURE, _NEUTRAL = Outcome.FAILURE, Outcome.NEUTRAL


class Generation:
    """One stay of a breaker in one state; compared by identity."""

    __slots__ = ()


class Breaker:
    """The breaker of one member. The time is an argument; the owner's lock must be held."""

    __slots__ = (
        *(
            "_pause",
            "_probes",
            "_settings",
            "forced_open",
            "cause",
            "closed_at",
            "generation",
            "failures",
        ),
        *("opened_at", "spared", "state", "trips", "until", "window"),
    )

    def __init__(self, rules: BreakerSettings) -> None:
        self._settings = rules
        self._probes: dict[object, float] = {}  # probes in flight, and when each is given up
        self._pause = rules.cooldown  # seconds that the next opening lasts, before jitter
        self.closed_at = -math.inf  # when the member joined, or when the breaker closed last
        self.opened_at = -math.inf  # when a failure opened it last
        self.state = _CLOSED
        self.forced_open = False
        self.generation = Generation()
        self.failures = 0
        # counts the calls since the last failure or slow call; None if there was none lately
        self.window: Window | None = None
        self.until = math.inf
        self.cause: BaseException | None = None  # a copy without frames
        self.trips = 0
        self.spared = 0

    @property
    def is_steady(self) -> bool:
        """Whether calls may pass without asking and a quick success would change nothing."""
        return self.state is _CLOSED and self.failures == 0 and self.window is None

    @property
    def enforced(self) -> bool:
        """Whether the state has consequences: with `metrics_only`, only a breaker opened by hand refuses calls."""
        return self.forced_open or not self._settings.metrics_only

    @property
    def admits(self) -> bool:
        """Whether one more call would be let through."""
        return self._has_room or not self.enforced

    @property
    def _has_room(self) -> bool:
        if self.state is _HALF_OPEN:
            return len(self._probes) < self._settings.half_open_calls
        return self.state is _CLOSED

    @property
    def wake_at(self) -> float:
        """The time at which the state changes without any call; `inf` if it does not."""
        if self.state is _OPEN:
            return self.until
        if self.state is _HALF_OPEN and not self._has_room:
            return min(self._probes.values())
        return math.inf

    def wake(self, now: float) -> None:
        """Change state if it is time: half-open after the cooldown; give up probes that hang."""
        if self.state is _OPEN and now >= self.until:
            self._enter(_HALF_OPEN)
        self._probes = {probe: end for probe, end in self._probes.items() if end > now}

    def admit(self, caller: object, now: float) -> bool:
        """Let a call through, as a probe when half-open; return False if it is refused."""
        if self.state is _HALF_OPEN and self._has_room:
            self._probes[caller] = now + self._settings.probe_timeout
            return True
        return self.admits

    def settle(
        self,
        caller: object,
        generation: object,
        outcome: Outcome,
        now: float,
        cause: BaseException | None = None,
        *,
        seconds: float = 0.0,
        spare: bool = False,
    ) -> None:
        """Record the result of an admitted call. A second result of the same probe is harmless.

        The call began in `generation` and took `seconds`; `spare` keeps a closed breaker from opening.
        """
        if self._probes:
            self._probes.pop(caller, None)
        if generation is not self.generation or outcome is _NEUTRAL:
            return
        # When open, only a call let through by `metrics_only` or a panic can end.
        state, settings = self.state, self._settings
        if state is _OPEN or (state is _CLOSED and settings.off):
            return
        failed, slow = outcome is _FAILURE, seconds > settings.slow_call_duration
        if self.window is not None or failed or slow:
            self._note(failed, slow, now)
        if failed:
            self.failures += 1
        enough = self._is_enough(failed)
        # With a sliding window, a slow call may open the breaker after a failure, which is then the cause.
        if failed and (enough or self.window is not None):
            self._blame(cause)
        if enough:
            self._trip(now, spare)
        elif not failed:
            self._succeeded(now)

    def eject_outlier(
        self, generation: object, now: float, cause: BaseException, *, spare: bool = False
    ) -> None:
        """Open because the member gives an error that others do not give; see `relative.py`.

        The call began in `generation`; `spare` keeps a closed breaker from opening.
        """
        if generation is self.generation and self.state is _CLOSED:
            self.failures += 1
            self._blame(cause)
            self._trip(now, spare)

    def eject(self, now: float, seconds: float, cause: BaseException) -> bool:
        """Open for a time because the member is an outlier; see `outliers.py`.

        Returns whether the breaker was closed. When the time is over, probes are let through as after any
        cooldown.
        """
        if self.state is not _CLOSED:
            return False
        self._enter(_OPEN)
        self._blame(cause)
        self.opened_at = now
        self.until = now + seconds
        self.trips += 1
        return True

    def open(self, until: float = math.inf) -> None:
        """Open by hand, until a time or until `reset`."""
        self._enter(_OPEN)
        self.forced_open = True
        self.cause = None
        self.until = until
        self.trips += 1

    def reset(self) -> None:
        """Close by hand and forget all failures."""
        self._pause = self._settings.cooldown
        self._enter(_CLOSED)

    def follow_settings(self, rules: BreakerSettings) -> None:
        """Use other settings; the state is kept, and so is a cooldown that has begun or has grown."""
        before, self._settings = self._settings, rules
        if self._pause == before.cooldown:
            self._pause = rules.cooldown
        windows = ("sliding_window_seconds", "sliding_window_calls", "minimum_calls")
        same = all(getattr(before, name) == getattr(rules, name) for name in windows)
        if not (same and rules.has_rates):
            self.window = None

    def begin_anew(self) -> Breaker:
        """Ignore the results of all calls in flight; return a new breaker for them."""
        self.generation, self._probes = Generation(), {}
        return Breaker(self._settings)

    def recover(self, now: float) -> None:
        """Close after a successful check or probe; a grown cooldown is reset once the member has stayed healthy."""
        self.closed_at = now
        self._enter(_CLOSED)

    def _blame(self, cause: BaseException | None) -> None:
        self.cause = None if cause is None else without_traceback(cause)

    def _note(self, failed: bool, slow: bool, now: float) -> None:
        """Record a call in the sliding window, which exists only while it holds a failure or a slow call.

        Called for a failure or a slow call, and for each call while there is a window.
        """
        if self.window is None:
            if not self._settings.has_rates:
                return
            self.window = self._settings.new_window()
        self.window.record(now, failed, slow)
        if self.window.is_clean:
            self.window = None

    def _is_enough(self, failed: bool) -> bool:
        if self.state is _HALF_OPEN:
            return failed
        if failed and 0 < self._settings.max_fails <= self.failures:
            return True
        return self.window is not None and self._settings.is_over(self.window)

    def _succeeded(self, now: float) -> None:
        if self.state is _HALF_OPEN:
            self.recover(now)
        self.failures = 0
        if self.window is None:
            self.cause = None

    def _trip(self, now: float, spare: bool) -> None:
        if self.state is _CLOSED:
            if spare:
                self.spared += 1
                return
            # it stayed healthy for longer than the pause, so the grown cooldown is reset
            if now - self.closed_at >= self._pause:
                self._pause = self._settings.cooldown
        self._enter(_OPEN)
        self.opened_at = now
        self.until = now + self._settings.lasts(self._pause)
        self._pause = self._settings.after(self._pause)
        self.trips += 1

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self.forced_open = False
        self.generation = Generation()
        self.window = None
        self._probes = {}
        if state is _CLOSED:
            self.failures = 0
            self.cause = None
