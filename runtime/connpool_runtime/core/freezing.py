"""How the running numbers of a pool become its stats: frozen, typed, of one moment."""

from __future__ import annotations

import math
from typing import Any

from connpool_runtime.core.breaker import BreakerState
from connpool_runtime.core.counts import Counts, MethodCounts
from connpool_runtime.core.histogram import Histogram
from connpool_runtime.core.member import Member
from connpool_runtime.core.membership import Membership
from connpool_runtime.core.stats import (
    ClientStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    PoolStats,
)
from connpool_runtime.core.stock import Stock
from connpool_runtime.core.waiting import Line

__all__ = ["freeze_member", "freeze_method", "freeze_pool"]


def freeze_pool(name: str, counts: Counts, membership: Membership[Any], line: Line) -> PoolStats:
    """Return the numbers of this moment that are about neither a member nor a method."""
    return PoolStats(
        name=name,
        closed=membership.closed,
        members=(),
        methods=(),
        joined=membership.joined,
        left=membership.left,
        transitions=tuple(sorted(counts.transitions.items())),
        rejections=tuple(sorted(counts.rejections.items())),
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
