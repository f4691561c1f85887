"""Compares the members of a pool periodically, and ejects the outliers."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.breaker.outliers import Outlier, OutlierDetector, Totals
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.errors import OutlierDetected
from connpool_runtime.members.ewma import LatencySums
from connpool_runtime.members.labels import ROLE
from connpool_runtime.members.member import Member

__all__ = ["OutlierSweep"]


class OutlierSweep:
    """Compares the members of a pool, interval by interval. For one thread or task at a time.

    Arguments:
        checkout: of the pool, whose settings say how members are compared.
    """

    def __init__(self, checkout: AnyCheckout) -> None:
        self._rules = checkout.state.settings.outlier_rules()
        self._detector: OutlierDetector[Member[Any]] = OutlierDetector(self._rules)
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start comparing anew in a child process."""
        self._detector = OutlierDetector(self._rules)

    def __call__(self, checkout: AnyCheckout) -> float:
        """Compare the members by their calls since the last sweep, and eject the outliers.

        Returns:
            When to compare again, in seconds of the pool's clock.
        """
        state = checkout.state
        with state.after_lock, state.lock:
            checkout.router.wake_locked()
            members = state.membership.members
            away = frozenset(member for member in members if not _takes_calls(member))
        # Counters change while they are read; no call has to wait for that.
        totals = {member: _totals(member) for member in members}
        # Members that serve reads and members that serve writes are not comparable.
        routed = state.routing is not None
        for outlier in self._detector.compare(totals, _alike, away, _role if routed else _any_role):
            _eject(checkout, self._detector, outlier)
        return state.clock() + self._rules.interval


def _takes_calls(member: Member[Any]) -> bool:
    closed = member.breaker.state is BreakerState.CLOSED
    return closed and not member.leaving and member.unreachable is None


def _totals(member: Member[Any]) -> Totals:
    counts = member.served + member.answered, member.failed
    sums = member.latency
    if not isinstance(sums, LatencySums):
        return Totals(*counts)
    return Totals(*counts, sums.timed, sums.logarithms, sums.squares)


def _alike(member: Member[Any]) -> Hashable:
    """Return the key of the group within which latencies are compared: members farther away are slower by nature."""
    return member.priority, member.zone, member.labels.get(ROLE)


def _role(member: Member[Any]) -> Hashable:
    return member.labels.get(ROLE)


def _any_role(_member: Member[Any]) -> Hashable:
    return None


def _eject(
    checkout: AnyCheckout, detector: OutlierDetector[Member[Any]], outlier: Outlier[Member[Any]]
) -> None:
    """Eject an outlier, unless too many members are ejected already."""
    state, member = checkout.state, outlier.member
    membership = state.membership
    with state.after_lock, state.lock:
        if not _takes_calls(member):  # it has left meanwhile
            return
        may_be = state.settings.outlier_rules().may_eject(
            membership.ejected, len(membership.by_name)
        )
        if not may_be or membership.is_spared(member) or not membership.may_lose_one:
            member.breaker.spared += 1
            return
        seconds = detector.eject(member)
        cause = OutlierDetected(_reason(outlier, seconds), pool=state.name)
        before = member.breaker.state
        member.begin_change()
        member.breaker.eject(state.clock(), seconds, cause)
        state.counters.outliers[outlier.measure] += 1
        checkout.router.changed_locked(member, before)
        if state.events.has_listeners:
            from connpool_runtime.events.types import OutlierEjected

            event = OutlierEjected(
                pool=state.name,
                member=member.name,
                measure=outlier.measure,
                value=outlier.value,
                mean=outlier.mean,
                threshold=outlier.threshold,
                calls=outlier.calls,
                seconds=seconds,
                enforced=member.breaker.enforced,
            )
            state.events.queue(event)


def _reason(outlier: Outlier[Member[Any]], seconds: float) -> str:
    name = outlier.member.name
    if outlier.measure == "success_rate":
        return (
            f"{name!r} is ejected for {seconds:.3g} s: {outlier.value:.1%} of its {outlier.calls} calls"
            f" succeeded, of those of all compared members {outlier.mean:.1%}"
        )
    return (
        f"{name!r} is ejected for {seconds:.3g} s: its {outlier.calls} calls typically took"
        f" {outlier.value:.3g} s, those of all compared members {outlier.mean:.3g} s"
    )
