"""The numbers of a pool at one moment, taken so that calls hardly notice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.calls.wait_queue import Line
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.clients.store import Stock
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.stats.counters import Counts, MethodCounts
from connpool_runtime.stats.histogram import Histogram
from connpool_runtime.stats.layers import numbers_of
from connpool_runtime.stats.types import (
    ClientStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    PoolStats,
)

__all__ = ["freeze_member", "freeze_method", "freeze_pool", "stats_of"]


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


T = TypeVar("T")

SLICE = 16  # members or methods looked at under the lock at a time: some tens of microseconds


def stats_of(engine: Engine[Any]) -> PoolStats:
    """Return the numbers of this moment.

    The lock is held for a slice of the work at a time. A thousand members and their methods take
    milliseconds, for which no caller should have to wait.
    """
    with engine.lock:
        rest = freeze_pool(engine.name, engine.counts, engine.membership, engine.line)
        members, methods = engine.membership.members, engine.counts.methods
    frozen_members: list[MemberStats] = []
    for some in _slices(members):
        with engine.lock:
            now = engine.clock()
            frozen_members += [freeze_member(member, now) for member in some]
    frozen_methods: list[MethodStats] = []
    for few in _slices(methods):
        with engine.lock:
            frozen_methods += [freeze_method(name, counts) for name, counts in few]
    engine.act()
    return replace(
        rest,
        members=tuple(frozen_members),
        methods=tuple(frozen_methods),
        layers=numbers_of(engine.layers),
    )


def _slices(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[start : start + SLICE] for start in range(0, len(things), SLICE))
