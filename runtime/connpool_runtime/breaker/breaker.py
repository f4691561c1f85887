"""Cuts a failing member off, and lets a bounded number of probes find out whether it is back.

The states are those of the classic circuit breaker (Nygard, "Release It!"). Each stay in a state
is an generation; the result of a call that was admitted in an earlier one changes nothing, so late
answers neither close an open breaker nor extend its cooldown.
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
    """Closed lets calls through, open none, half-open a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Generation:
    """One stay in one state; compared by identity."""

    __slots__ = ()


class Breaker:
    """The breaker of one member. Time is an argument; the owner's lock must be held."""

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
        self._probes: dict[object, float] = {}  # who probes, and until when it is believed in
        self._pause = rules.cooldown  # how long the next trip lasts, before jitter
        self.closed_at = -math.inf  # when its member joined, or came back
        self.opened_at = -math.inf  # when a failure opened it last
        self.state = BreakerState.CLOSED
        self.forced_open = False
        self.generation = Generation()
        self.failures = 0
        self.window: Window | None = None  # of the calls since something bad happened
        self.until = math.inf
        self.cause: BaseException | None = None  # a copy without frames
        self.trips = 0
        self.spared = 0

    @property
    def is_steady(self) -> bool:
        """Whether calls may pass without asking, and a quick success would change nothing."""
        return self.state is BreakerState.CLOSED and self.failures == 0 and self.window is None

    @property
    def enforced(self) -> bool:
        """Whether the state has consequences: in a dry run only a hand cuts members off."""
        return self.forced_open or not self._settings.metrics_only

    @property
    def admits(self) -> bool:
        """Whether one more call would be let through."""
        return self._has_room or not self.enforced

    @property
    def _has_room(self) -> bool:
        if self.state is BreakerState.HALF_OPEN:
            return len(self._probes) < self._settings.half_open_calls
        return self.state is BreakerState.CLOSED

    @property
    def wake_at(self) -> float:
        """When time alone will change something; `inf` if it will not."""
        if self.state is BreakerState.OPEN:
            return self.until
        if self.state is BreakerState.HALF_OPEN and not self._has_room:
            return min(self._probes.values())
        return math.inf

    def wake(self, now: float) -> None:
        """Do what is due: let probes in after the cooldown, give up on probes that hang."""
        if self.state is BreakerState.OPEN and now >= self.until:
            self._enter(BreakerState.HALF_OPEN)
        self._probes = {probe: end for probe, end in self._probes.items() if end > now}

    def admit(self, caller: object, now: float) -> bool:
        """Let a caller through, as a probe when half-open."""
        if self.state is BreakerState.HALF_OPEN and self._has_room:
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
        """Take the result of an admitted call. A second result of the same probe is harmless.

        The call began in `generation` and took `seconds`; `spare` keeps a closed breaker from opening.
        """
        self._probes.pop(caller, None)
        if generation is not self.generation or outcome is Outcome.NEUTRAL:
            return
        # Open, a call can only be one that was let pass in a dry run or a panic.
        if self.state is BreakerState.OPEN:
            return
        if self.state is BreakerState.CLOSED and self._settings.off:
            return
        failed, slow = outcome is Outcome.FAILURE, seconds > self._settings.slow_call_duration
        self._note(failed, slow, now)
        if failed:
            self.failures += 1
        enough = self._is_enough(failed)
        # With a window a slow call may be the last straw after a failure, which is then the cause.
        if failed and (enough or self.window is not None):
            self._blame(cause)
        if enough:
            self._trip(now, spare)
        elif not failed:
            self._succeeded(now)

    def eject_outlier(
        self, generation: object, now: float, cause: BaseException, *, spare: bool = False
    ) -> None:
        """Open because the member gives an error that others do not, see `relative.py`.

        The call began in `generation`; `spare` keeps a closed breaker from opening.
        """
        if generation is self.generation and self.state is BreakerState.CLOSED:
            self.failures += 1
            self._blame(cause)
            self._trip(now, spare)

    def open(self, until: float = math.inf) -> None:
        """Open by hand, until a time or until `reset`."""
        self._enter(BreakerState.OPEN)
        self.forced_open = True
        self.cause = None
        self.until = until
        self.trips += 1

    def reset(self) -> None:
        """Close by hand and forget all failures."""
        self._pause = self._settings.cooldown
        self._enter(BreakerState.CLOSED)

    def begin_anew(self) -> Breaker:
        """Hear nothing of the calls that run now; return one that may hear of them instead."""
        self.generation, self._probes = Generation(), {}
        return Breaker(self._settings)

    def recover(self, now: float) -> None:
        """Close on good news from elsewhere, as after a probe: only staying well ends the growth."""
        self.closed_at = now
        self._enter(BreakerState.CLOSED)

    def _blame(self, cause: BaseException | None) -> None:
        self.cause = None if cause is None else without_traceback(cause)

    def _note(self, failed: bool, slow: bool, now: float) -> None:
        """Count a call for the rates. Nothing is counted while nothing bad is among the latest."""
        if self.window is None:
            if not (failed or slow) or not self._settings.has_rates:
                return
            self.window = self._settings.new_window()
        self.window.record(now, failed, slow)
        if self.window.is_clean:
            self.window = None

    def _is_enough(self, failed: bool) -> bool:
        if self.state is BreakerState.HALF_OPEN:
            return failed
        if failed and 0 < self._settings.max_fails <= self.failures:
            return True
        return self.window is not None and self._settings.is_over(self.window)

    def _succeeded(self, now: float) -> None:
        if self.state is BreakerState.HALF_OPEN:
            self.recover(now)
        self.failures = 0
        if self.window is None:
            self.cause = None

    def _trip(self, now: float, spare: bool) -> None:
        if self.state is BreakerState.CLOSED:
            if spare:
                self.spared += 1
                return
            if now - self.closed_at >= self._pause:  # it stayed well: what was before is forgiven
                self._pause = self._settings.cooldown
        self._enter(BreakerState.OPEN)
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
        if state is BreakerState.CLOSED:
            self.failures = 0
            self.cause = None
