"""Cuts a failing member off, and lets a bounded number of probes find out whether it is back.

The states are those of the classic circuit breaker (Nygard, "Release It!"). Every stay in a
state is an epoch; a call carries the epoch it was admitted in, and a result from an earlier
epoch changes nothing, so late answers neither close an open breaker nor extend its cooldown.
"""

from __future__ import annotations

import math
from enum import Enum

from connpool_runtime.core.outcome import Outcome

__all__ = ["Breaker", "BreakerRules", "BreakerState", "Epoch"]


class BreakerState(Enum):
    """Closed lets calls through, open none, half-open a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Epoch:
    """One stay in one state; compared by identity."""

    __slots__ = ()


class BreakerRules:
    """The numbers of a breaker; all durations in seconds."""

    __slots__ = ("cooldown", "half_open_max", "max_fails", "probe_timeout")

    def __init__(
        self,
        max_fails: int = 5,
        cooldown: float = 5.0,
        half_open_max: int = 1,
        probe_timeout: float = 30.0,
    ) -> None:
        self.max_fails = max_fails
        self.cooldown = cooldown
        self.half_open_max = half_open_max
        self.probe_timeout = probe_timeout


class Breaker:
    """The breaker of one member. Time is an argument; the owner's lock must be held."""

    __slots__ = ("_probes", "_rules", "cause", "epoch", "failures", "state", "trips", "until")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._probes: dict[object, float] = {}  # who probes, and until when it is believed in
        self.state = BreakerState.CLOSED
        self.epoch = Epoch()
        self.failures = 0
        self.until = math.inf
        self.cause: BaseException | None = None
        self.trips = 0

    @property
    def calm(self) -> bool:
        """Whether calls may pass without asking, and success would change nothing."""
        return self.state is BreakerState.CLOSED and self.failures == 0

    @property
    def admits(self) -> bool:
        """Whether one more call would be let through."""
        if self.state is BreakerState.HALF_OPEN:
            return len(self._probes) < self._rules.half_open_max
        return self.state is BreakerState.CLOSED

    @property
    def wake_at(self) -> float:
        """When time alone will change what is admitted; `inf` if it will not."""
        if self.state is BreakerState.OPEN:
            return self.until
        if self.state is BreakerState.HALF_OPEN and not self.admits:
            return min(self._probes.values())
        return math.inf

    def wake(self, now: float) -> None:
        """Do what is due: let probes in after the cooldown, give up on probes that hang."""
        if self.state is BreakerState.OPEN and now >= self.until:
            self._enter(BreakerState.HALF_OPEN)
        self._probes = {probe: end for probe, end in self._probes.items() if end > now}

    def admit(self, caller: object, now: float) -> bool:
        """Let a caller through, as a probe when half-open."""
        if not self.admits:
            return False
        if self.state is BreakerState.HALF_OPEN:
            self._probes[caller] = now + self._rules.probe_timeout
        return True

    def settle(
        self,
        caller: object,
        epoch: object,
        outcome: Outcome,
        now: float,
        cause: BaseException | None = None,
    ) -> None:
        """Take the result of an admitted call. A second result of the same probe is harmless."""
        self._probes.pop(caller, None)
        if epoch is not self.epoch or self._rules.max_fails == 0:
            return
        if outcome is Outcome.FAILURE:
            self._failed(now, cause)
        elif outcome is Outcome.SUCCESS:
            self._succeeded()

    def open(self, until: float = math.inf) -> None:
        """Open by hand, until a time or until `reset`."""
        self.cause = None
        self._trip(until)

    def reset(self) -> None:
        """Close by hand and forget all failures."""
        self._enter(BreakerState.CLOSED)

    def _failed(self, now: float, cause: BaseException | None) -> None:
        self.failures += 1
        self.cause = cause
        if self.state is BreakerState.HALF_OPEN or self.failures >= self._rules.max_fails:
            self._trip(now + self._rules.cooldown)

    def _succeeded(self) -> None:
        if self.state is BreakerState.HALF_OPEN:
            self._enter(BreakerState.CLOSED)
        self.failures = 0
        self.cause = None

    def _trip(self, until: float) -> None:
        self._enter(BreakerState.OPEN)
        self.until = until
        self.trips += 1

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self.epoch = Epoch()
        self._probes = {}
        if state is BreakerState.CLOSED:
            self.failures = 0
            self.cause = None
