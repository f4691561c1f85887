"""Breakers of pairs of a method and a member: what one method meets there says nothing about the others."""

from __future__ import annotations

from typing import Any, TypeAlias

from connpool_runtime.core.breaker import Breaker, BreakerRules, BreakerState
from connpool_runtime.core.member import Member
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.errors import AllMembersOpen

__all__ = ["Pairs", "Trial"]

AnyMember: TypeAlias = Member[Any]


class Trial:
    """What one attempt came upon when it began; the breakers know it by this object.

    Attributes:
        barred: the members that the method is cut off from.
        retry_after: seconds until the first of them is probed again.
        cause: the error that cut off the last of them.
        epochs: of the breakers, so that late results are known.
        probes: the members that it may be a probe of.
    """

    __slots__ = ("barred", "cause", "epochs", "probes", "retry_after")

    def __init__(self) -> None:
        self.epochs: dict[AnyMember, object] = {}
        self.probes: list[AnyMember] = []
        self.barred: frozenset[AnyMember] = frozenset()
        self.retry_after = 0.0
        self.cause: BaseException | None = None

    def refusal(self, pool: str, method: str) -> AllMembersOpen:
        """Say that the method is cut off from all members there are."""
        return AllMembersOpen(
            f"{method} is cut off from all members of pool {pool!r} for {self.retry_after:.3g} s",
            pool=pool,
            cause=self.cause,
            retry_after=self.retry_after,
        )


class Pairs:
    """The breakers of those pairs that ever failed. The owner's lock must be held."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._ill: dict[str, dict[AnyMember, Breaker]] = {}

    def begin(self, method: str, now: float) -> Trial:
        """Return what an attempt has to know before a member is picked for it.

        It becomes the probe of a pair whose cooldown is over: as the member is not picked yet, it
        may go elsewhere, and the probe is given back.
        """
        trial = Trial()
        pairs = self._ill.get(method)
        if not pairs:
            return trial
        for member in [member for member in pairs if member.leaving]:
            del pairs[member]
        barred: dict[AnyMember, Breaker] = {}
        for member, breaker in pairs.items():
            breaker.wake(now)
            trial.epochs[member] = breaker.epoch
            if not breaker.admits:
                barred[member] = breaker
            elif breaker.state is BreakerState.HALF_OPEN and breaker.admit(trial, now):
                trial.probes.append(member)
        if barred:
            trial.barred = frozenset(barred)
            trial.retry_after = max(0.0, min(one.wake_at for one in barred.values()) - now)
            trial.cause = max(barred.values(), key=lambda one: one.opened_at).cause
        return trial

    def end(
        self,
        method: str,
        trial: Trial,
        member: AnyMember | None,
        outcome: Outcome,
        now: float,
        cause: BaseException | None = None,
    ) -> bool:
        """Take the result of an attempt, without a member if none was made; tell whether it cut off."""
        pairs = self._ill.setdefault(method, {})
        for probe in trial.probes:
            if probe is not member and probe in pairs:
                pairs[probe].settle(trial, pairs[probe].epoch, Outcome.NEUTRAL, now)
        if member is None or (member not in pairs and outcome is not Outcome.FAILURE):
            return False
        breaker = pairs.setdefault(member, Breaker(self._rules))
        trips = breaker.trips
        epoch = trial.epochs.get(member, breaker.epoch)
        breaker.settle(trial, epoch, outcome, now, cause)
        if breaker.calm and not breaker.trips:  # one that opened before has a cooldown that grew
            del pairs[member]
        return breaker.trips > trips
