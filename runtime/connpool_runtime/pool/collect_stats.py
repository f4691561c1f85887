"""Collects the stats of a pool, in small steps so that calls are hardly delayed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.calls.wait_queue import WaitQueue
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.stats.counters import Counters, MethodCounters
from connpool_runtime.stats.histogram import Histogram
from connpool_runtime.stats.middleware import middleware_exemplars, middleware_stats
from connpool_runtime.stats.types import (
    ClientStats,
    ErrorStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    PoolStats,
)

__all__ = ["collect_member", "collect_method", "collect_pool", "collect_stats"]


def collect_pool(
    name: str,
    counts: Counters,
    membership: Membership[Any],
    line: WaitQueue,
    openings: Histogram,
    *,
    suspended: bool = False,
) -> PoolStats:
    """Return the numbers that concern neither a single member nor a single method."""
    return PoolStats(
        name=name,
        closed=membership.closed,
        members=(),
        methods=(),
        joined=membership.joined,
        left=membership.left,
        transitions=tuple(sorted(counts.transitions.items())),
        outlier_ejections=tuple(sorted(counts.outliers.items())),
        rejections=tuple(sorted(counts.rejections.items())),
        waiting=len(line.waiters),
        waits=_of_histogram(line.waits),
        openings=_of_histogram(openings),
        leaks=counts.leaks,
        suspended=suspended,
    )


def collect_member(member: Member[Any], now: float) -> MemberStats:
    """Return the stats of a member."""
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
        answers=member.answered,
        overloads=member.overloaded,
        unknowns=member.unknown,
        last_error=_of_error(member.last_error),
        consecutive_failures=breaker.failures,
        trips=breaker.trips,
        spared=breaker.spared,
        retry_in=max(0.0, breaker.until - now) if waiting else None,
        clients=_of_store(member.source) if isinstance(member.source, ClientStore) else None,
        labels=tuple(sorted(member.labels.items())),
    )


def _of_error(last: tuple[str, str, str] | None) -> ErrorStats | None:
    return None if last is None else ErrorStats(type=last[0], counted_as=last[1], reason=last[2])


def _limit(member: Member[Any]) -> int | None:
    if isinstance(member.source, ClientStore):
        return member.source.settings.max_size * member.source.settings.max_concurrency
    return None if member.limit == math.inf else int(member.limit)


def _of_store(store: ClientStore[Any]) -> ClientStats:
    return ClientStats(
        size=store.size,
        idle=sum(entry.uses == 0 for entry in store.entries),
        connecting=store.opening_for_caller + store.opening_idle,
        opened=store.opened,
        failed=store.failed,
        min_size=store.settings.min_size,
        max_size=store.settings.max_size,
    )


def collect_method(
    name: str, counted: MethodCounters, uses: Histogram | None = None
) -> MethodStats:
    """Return the stats of a method, including calls counted as uses only."""
    latency = _of_histogram(counted) if uses is None else _of_histogram(counted, uses)
    errors = counted.failures + counted.answers + counted.overloads + counted.unknowns
    return MethodStats(
        name=name,
        successes=latency.count - errors,
        failures=counted.failures,
        neutrals=counted.neutrals,
        answers=counted.answers,
        overloads=counted.overloads,
        unknowns=counted.unknowns,
        latency=latency,
    )


def _of_histogram(*parts: Histogram) -> LatencyStats:
    """Return several histograms with equal bounds as one."""
    upto: list[tuple[float, int]] = []
    running, total = 0, 0.0
    for same in zip(*(part.buckets for part in parts), strict=True):
        running += sum(bucket.count for bucket in same)
        total += sum(bucket.total for bucket in same)
        upto.append((same[0].high, running))
    return LatencyStats(count=running, total=total, buckets=tuple(upto))


T = TypeVar("T")

SLICE = 16  # members or methods read under the lock at a time: some tens of microseconds


def collect_stats(state: PoolState[Any]) -> PoolStats:
    """Return the current stats.

    The lock is held for a slice of the work at a time. A thousand members and their methods take
    milliseconds, for which no caller should have to wait.
    """
    with state.after_lock, state.lock:
        rest = collect_pool(
            state.name,
            state.counters,
            state.membership,
            state.queue,
            state.openings,
            suspended=state.suspended,
        )
        members, methods = state.membership.members, state.counters.methods
        uses, other_uses = state.counters.uses, state.counters.other_uses
    frozen_members: list[MemberStats] = []
    for some in _slices(members):
        with state.after_lock, state.lock:
            now = state.clock()
            frozen_members += [collect_member(member, now) for member in some]
    frozen_methods: list[MethodStats] = []
    for few in _slices(methods):
        with state.after_lock, state.lock:
            frozen_methods += [
                collect_method(name, counters, uses.get(name)) for name, counters in few
            ]
    return replace(
        rest,
        members=tuple(frozen_members),
        methods=tuple(frozen_methods),
        middleware=middleware_stats(one.middleware for one in state.middleware),
        uses=_of_histogram(other_uses, *uses.values()),  # hundreds of methods: not under the lock
        exemplars=middleware_exemplars(one.middleware for one in state.middleware),
    )


def _slices(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[start : start + SLICE] for start in range(0, len(things), SLICE))
