"""What a pool says about itself: typed, frozen, without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connpool_runtime.core.breaker import BreakerState
from connpool_runtime.core.histogram import Histogram
from connpool_runtime.core.member import Member
from connpool_runtime.core.outcome import Outcome

if TYPE_CHECKING:
    pass

__all__ = [
    "LatencyStats",
    "MemberStats",
    "MethodCounters",
    "MethodStats",
    "PoolStats",
    "member_stats",
    "method_stats",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyStats:
    """Durations in seconds. `buckets` holds (upper bound, samples up to it), the last is `inf`."""

    count: int
    total: float
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodStats:
    """Calls of one method as the users saw them: retries do not count. Latency has no neutrals."""

    name: str
    successes: int
    failures: int
    neutrals: int
    latency: LatencyStats


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStats:
    """Attempts on one member. `retry_in` is the rest of an open breaker's cooldown in seconds."""

    name: str
    weight: int
    state: BreakerState
    leaving: bool
    in_flight: int
    successes: int
    failures: int
    neutrals: int
    consecutive_failures: int
    trips: int
    retry_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """One moment of a pool. `rejections` counts refused calls by the name of their error."""

    name: str
    closed: bool
    members: tuple[MemberStats, ...]
    methods: tuple[MethodStats, ...]
    rejections: tuple[tuple[str, int], ...]

    @property
    def in_flight(self) -> int:
        """How many calls run now, on all members."""
        return sum(member.in_flight for member in self.members)


class MethodCounters(Histogram):
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


def member_stats(members: Iterable[Member[Any]], now: float) -> tuple[MemberStats, ...]:
    """Freeze the numbers of members."""
    return tuple(_member(member, now) for member in members)


def _member(member: Member[Any], now: float) -> MemberStats:
    breaker = member.breaker
    waiting = breaker.state is BreakerState.OPEN
    return MemberStats(
        name=member.name,
        weight=member.weight,
        state=breaker.state,
        leaving=member.leaving,
        in_flight=member.in_flight,
        successes=member.served,
        failures=member.failed,
        neutrals=member.neutral,
        consecutive_failures=breaker.failures,
        trips=breaker.trips,
        retry_in=max(0.0, breaker.until - now) if waiting else None,
    )


def method_stats(counters: Mapping[str, MethodCounters]) -> tuple[MethodStats, ...]:
    """Freeze the numbers of methods."""
    return tuple(_method(name, counted) for name, counted in counters.items())


def _method(name: str, counted: MethodCounters) -> MethodStats:
    upto: list[tuple[float, int]] = []
    running = 0
    for bucket in counted.buckets:
        running += bucket.count
        upto.append((bucket.high, running))
    return MethodStats(
        name=name,
        successes=running - counted.failures,
        failures=counted.failures,
        neutrals=counted.neutrals,
        latency=LatencyStats(
            count=running,
            total=sum(bucket.total for bucket in counted.buckets),
            buckets=tuple(upto),
        ),
    )
