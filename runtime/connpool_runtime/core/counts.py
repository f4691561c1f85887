"""The running numbers of a pool, and how they are frozen into its stats."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from connpool_runtime.core.breaker import BreakerState
from connpool_runtime.core.histogram import Histogram
from connpool_runtime.core.member import Member
from connpool_runtime.core.membership import Membership
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.core.stats import (
    ClientStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    PoolStats,
)
from connpool_runtime.core.stock import Stock
from connpool_runtime.core.waiting import Line

__all__ = ["Counts", "MethodCounts", "freeze_member", "freeze_method"]


class MethodCounts(Histogram):
    """The durations of one method, and the calls that did not succeed."""

    __slots__ = ("failures", "neutrals")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        super().__init__(bounds)
        self.failures = 0
        self.neutrals = 0

    def count(self, outcome: Outcome, seconds: float) -> None:
        """Count a call; how long a cancelled or refused one took is no latency."""
        if outcome is Outcome.NEUTRAL:
            self.neutrals += 1
            return
        if outcome is Outcome.FAILURE:
            self.failures += 1
        self.record(seconds)


class Counts:
    """Counts of methods, by name, and of refusals. Guarded by the pool's lock, but for `of`.

    Without `by_method` all methods share one count, under the name `ALL`.
    """

    ALL = "*"

    def __init__(self, pool: str, bounds: tuple[float, ...], *, by_method: bool = True) -> None:
        self._by_method = by_method
        self._pool = pool
        self._bounds = bounds
        self._methods: dict[str, MethodCounts] = {}
        self._rejections: Counter[str] = Counter()
        self._transitions: Counter[str] = Counter()

    def of(self, method: str) -> MethodCounts:
        """Return the counts of a method, made when its name is first seen."""
        if not self._by_method:
            method = self.ALL
        found = self._methods.get(method)
        if found is None:
            # setdefault is one step: two threads that meet here both get the same one.
            found = self._methods.setdefault(method, MethodCounts(self._bounds))
        return found

    def reject(self, error: Exception) -> None:
        """Count a call that reached no member."""
        self._rejections[type(error).__name__] += 1

    def changed(self, state: BreakerState) -> None:
        """Count a breaker that came into a state."""
        self._transitions[state.value] += 1

    @property
    def methods(self) -> tuple[tuple[str, MethodCounts], ...]:
        """The counts of all methods, by name; running ones."""
        return tuple(self._methods.items())

    def freeze(self, membership: Membership[Any], line: Line) -> PoolStats:
        """Return the numbers of this moment that are about neither a member nor a method."""
        return PoolStats(
            name=self._pool,
            closed=membership.closed,
            members=(),
            methods=(),
            joined=membership.joined,
            left=membership.left,
            transitions=tuple(sorted(self._transitions.items())),
            rejections=tuple(sorted(self._rejections.items())),
            waiting=len(line.waiters),
            waits=_of_histogram(line.waits),
        )


def freeze_member(member: Member[Any], now: float) -> MemberStats:
    """Return the numbers of a member at this moment."""
    breaker = member.breaker
    waiting = breaker.state is BreakerState.OPEN
    return MemberStats(
        name=member.name,
        weight=member.weight,
        limit=_limit(member),
        state=breaker.state,
        leaving=member.leaving,
        healthy=member.unreachable is None,
        in_flight=member.in_flight,
        successes=member.served,
        failures=member.failed,
        neutrals=member.neutral,
        consecutive_failures=breaker.failures,
        trips=breaker.trips,
        spared=breaker.spared,
        retry_in=max(0.0, breaker.until - now) if waiting else None,
        clients=None if member.stock is None else _of_stock(member.stock),
    )


def _limit(member: Member[Any]) -> int | None:
    if member.stock is not None:
        return member.stock.settings.max_size * member.stock.settings.max_concurrency
    return None if member.limit == math.inf else int(member.limit)


def _of_stock(stock: Stock[Any]) -> ClientStats:
    return ClientStats(
        size=stock.size,
        idle=sum(entry.uses == 0 for entry in stock.entries),
        connecting=stock.lending + stock.restocking,
        opened=stock.opened,
        failed=stock.failed,
    )


def freeze_method(name: str, counted: MethodCounts) -> MethodStats:
    """Return the numbers of a method at this moment."""
    latency = _of_histogram(counted)
    return MethodStats(
        name=name,
        successes=latency.count - counted.failures,
        failures=counted.failures,
        neutrals=counted.neutrals,
        latency=latency,
    )


def _of_histogram(counted: Histogram) -> LatencyStats:
    upto: list[tuple[float, int]] = []
    running = 0
    for bucket in counted.buckets:
        running += bucket.count
        upto.append((bucket.high, running))
    return LatencyStats(
        count=running,
        total=sum(bucket.total for bucket in counted.buckets),
        buckets=tuple(upto),
    )
