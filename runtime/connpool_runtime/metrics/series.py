"""The metrics of pools, whatever the library: names, kinds, labels, and how they are computed from stats.

Labels are pool and method, or pool and member, never method and member: their product would be too
many series. Units are seconds and plain counts.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.members.labels import ROLE
from connpool_runtime.stats.counters import Counters
from connpool_runtime.stats.types import (
    DiscoveryStats,
    ExemplarStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    MiddlewareStats,
    PoolStats,
)

__all__ = [
    "CALL_DURATION",
    "DURATIONS",
    "SERIES",
    "Durations",
    "Series",
    "exemplar_of",
    "middleware_series",
    "upper",
]

Sample: TypeAlias = tuple[tuple[str, ...], float]
Samples: TypeAlias = Callable[[PoolStats], Iterable[Sample]]

_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: its short name, its description, its labels beside the pool, its samples."""

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    text: str
    labels: tuple[str, ...]
    samples: Samples


@dataclass(frozen=True, slots=True)
class Durations:
    """One histogram of seconds: its short name, its description, its labels, its samples."""

    name: str
    counted: str
    text: str
    labels: tuple[str, ...]
    samples: Callable[[PoolStats], Iterable[tuple[tuple[str, ...], LatencyStats]]]


def _called(pool: PoolStats) -> Iterator[MethodStats]:
    """Return the methods that were called: a client may have 400, and each would add twenty lines of zeros."""
    return (method for method in pool.methods if any(count for _, count in _counts(method)))


def _calls(pool: PoolStats) -> Iterator[Sample]:
    for method in _called(pool):
        yield from _outcomes(method)


def _attempts(pool: PoolStats) -> Iterator[Sample]:
    for member in pool.members:
        yield from _outcomes(member)


def _outcomes(counted: MethodStats | MemberStats) -> Iterator[Sample]:
    return (((counted.name, outcome), count) for outcome, count in _counts(counted))


def _counts(counted: MethodStats | MemberStats) -> tuple[tuple[str, int], ...]:
    return (
        ("success", counted.successes),
        ("answer", counted.answers),
        ("failure", counted.failures),
        ("overload", counted.overloads),
        ("unknown", counted.unknowns),
        ("neutral", counted.neutrals),
    )


def _rejections(pool: PoolStats) -> Iterator[Sample]:
    """Return the rejections of the pool and of its middleware."""
    counts = Counter(dict(pool.rejections))
    for number in pool.middleware:
        if number.name == "rejections" and number.labels:
            counts[dict(number.labels).get("reason", "")] += int(number.value)
    return (((reason,), count) for reason, count in sorted(counts.items()))


def _members(pool: PoolStats) -> Iterator[Sample]:
    counts = Counter(_state(member) for member in pool.members)
    states = [*(state.value for state in BreakerState), "unreachable", "leaving"]
    return (((state,), counts[state]) for state in states)


def _state(member: MemberStats) -> str:
    if member.leaving:
        return "leaving"
    return member.state.value if member.healthy else "unreachable"


def _by_member(read: Callable[[MemberStats], float]) -> Samples:
    return lambda pool: (((member.name,), read(member)) for member in pool.members)


def _roles(pool: PoolStats) -> Iterator[Sample]:
    """Return the roles of members that have one; other labels may be many, and differ from source to source."""
    for member in pool.members:
        for name, value in member.labels:
            if name == ROLE:
                yield (member.name, value), 1


def _limits(pool: PoolStats) -> Iterator[Sample]:
    """Return the limits of members that have one."""
    for member in pool.members:
        if member.limit is not None:
            yield (member.name,), member.limit


def _clients(pool: PoolStats) -> Iterator[Sample]:
    for member in pool.members:
        if member.clients is not None:
            idle, connecting = member.clients.idle, member.clients.connecting
            yield (member.name, "idle"), idle
            yield (member.name, "used"), member.clients.size - idle - connecting
            yield (member.name, "connecting"), connecting


def _openings(pool: PoolStats) -> Iterator[Sample]:
    for member in pool.members:
        if member.clients is not None:
            yield (member.name, "success"), member.clients.opened
            yield (member.name, "failure"), member.clients.failed


def _by_source(read: Callable[[DiscoveryStats], float]) -> Samples:
    return lambda pool: (((source,), value) for source, value in _sums(pool, read))


def _sums(pool: PoolStats, read: Callable[[DiscoveryStats], float]) -> Iterable[tuple[str, float]]:
    """Return the sources, added up by name: series of equal names could not be told apart."""
    sums: dict[str, float] = {}
    for one in pool.discovery:
        sums[one.source] = sums.get(one.source, 0) + read(one)
    return sums.items()


def _endpoints(pool: PoolStats) -> Iterator[Sample]:
    states: tuple[tuple[str, Callable[[DiscoveryStats], int]], ...] = (
        ("joined", lambda one: one.joined),
        ("opening", lambda one: one.opening),
        ("failed", lambda one: one.failed),
        ("leaving", lambda one: one.leaving),
    )
    for state, read in states:
        for source, value in _sums(pool, read):
            yield (source, state), value


def _discovery_errors(pool: PoolStats) -> Iterator[Sample]:
    counts = Counter[tuple[str, str]]()
    for one in pool.discovery:
        for reason, count in one.errors:
            counts[one.source, reason] += count
    return ((labels, count) for labels, count in sorted(counts.items()))


def _closings(pool: PoolStats) -> Iterator[Sample]:
    for member in pool.members:
        if member.clients is not None:
            yield (member.name,), member.clients.closed


SERIES = (
    Series("calls", "counter", "{call}", "Calls as users saw them.", ("method", "outcome"), _calls),
    Series(
        "attempts",
        "counter",
        "{attempt}",
        "Uses of a member, retries included.",
        ("member", "outcome"),
        _attempts,
    ),
    Series(
        "rejections", "counter", "{call}", "Calls that reached no member.", ("reason",), _rejections
    ),
    Series(
        "trips",
        "counter",
        "{trip}",
        "Times a member was ejected.",
        ("member",),
        _by_member(lambda member: member.trips),
    ),
    Series(
        "ejections_spared",
        "counter",
        "{failure}",
        "Failures that would have ejected a member if not too many others had been ejected "
        "already.",
        ("member",),
        _by_member(lambda member: member.spared),
    ),
    Series(
        "breaker_transitions",
        "counter",
        "{transition}",
        "Times that breakers changed into a state.",
        ("state",),
        lambda pool: (((state,), count) for state, count in pool.transitions),
    ),
    Series(
        "outlier_ejections",
        "counter",
        "{ejection}",
        "Members that were ejected because they were worse than the others, by the measure.",
        ("measure",),
        lambda pool: (((measure,), count) for measure, count in pool.outlier_ejections),
    ),
    Series(
        "leaks_suspected",
        "counter",
        "{lease}",
        "Leases, streams and the like that were held longer than leak_threshold.",
        (),
        lambda pool: [((), pool.leaks)],
    ),
    Series(
        "members_joined",
        "counter",
        "{member}",
        "Members that were added.",
        (),
        lambda pool: [((), pool.joined)],
    ),
    Series(
        "members_left",
        "counter",
        "{member}",
        "Members that were drained and removed.",
        (),
        lambda pool: [((), pool.left)],
    ),
    Series(
        "client_openings",
        "counter",
        "{client}",
        "Clients of an endpoint that the pool opened, or could not open.",
        ("member", "outcome"),
        _openings,
    ),
    Series(
        "client_closings",
        "counter",
        "{client}",
        "Clients of an endpoint that were opened and are gone.",
        ("member",),
        _closings,
    ),
    Series(
        "health_checks",
        "counter",
        "{check}",
        "Health checks of members that a connector has opened.",
        ("outcome",),
        lambda pool: (((outcome,), count) for outcome, count in pool.health_checks),
    ),
    Series(
        "members",
        "gauge",
        "{member}",
        "Members by the state of their breaker; unhealthy and leaving ones apart.",
        ("state",),
        _members,
    ),
    Series(
        "member_healthy",
        "gauge",
        "1",
        "0 while health checks keep a member from calls, else 1.",
        ("member",),
        _by_member(lambda member: int(member.healthy)),
    ),
    Series(
        "member_weight",
        "gauge",
        "1",
        "The weight of a member: its share of the calls in proportion to the others.",
        ("member",),
        _by_member(lambda member: member.weight),
    ),
    Series(
        "member_role",
        "gauge",
        "1",
        "1 for the role that a member has; to be joined with other series by the member.",
        ("member", "role"),
        _roles,
    ),
    Series(
        "breaker_state",
        "gauge",
        "1",
        "0 closed, 1 half-open, 2 open.",
        ("member",),
        _by_member(lambda member: _STATES[member.state]),
    ),
    Series(
        "in_flight",
        "gauge",
        "{call}",
        "Calls running on a member.",
        ("member",),
        _by_member(lambda member: member.in_flight),
    ),
    Series(
        "in_flight_limit",
        "gauge",
        "{call}",
        "Calls that may run on a member at a time; of members with a limit only.",
        ("member",),
        _limits,
    ),
    Series(
        "clients",
        "gauge",
        "{client}",
        "Clients of an endpoint: idle, used by calls, or connecting.",
        ("member", "state"),
        _clients,
    ),
    Series(
        "waiting",
        "gauge",
        "{call}",
        "Callers that wait for a member.",
        (),
        lambda pool: [((), pool.waiting)],
    ),
    Series(
        "suspended",
        "gauge",
        "1",
        "1 while the pool makes calls wait for `resume`, else 0.",
        (),
        lambda pool: [((), int(pool.suspended))],
    ),
    Series(
        "discovery_updates",
        "counter",
        "{update}",
        "Answers of a source of endpoints that changed something.",
        ("source",),
        _by_source(lambda one: one.updates),
    ),
    Series(
        "discovery_errors",
        "counter",
        "{error}",
        "Times that a source of endpoints gave no good answer.",
        ("source", "reason"),
        _discovery_errors,
    ),
    Series(
        "discovery_endpoints",
        "gauge",
        "{endpoint}",
        "Endpoints of a source: with a member, being opened, not to be opened, and leaving.",
        ("source", "state"),
        _endpoints,
    ),
    Series(
        "discovery_stale_seconds",
        "gauge",
        "s",
        "How long a source of endpoints has given no good answer; 0 if the last one was good.",
        ("source",),
        _by_source(lambda one: one.stale),
    ),
    Series(
        "discovery_last_success",
        "gauge",
        "s",
        "When a source of endpoints gave its last good answer, in seconds since 1970; 0 for never.",
        ("source",),
        _by_source(lambda one: one.last_success),
    ),
)
"""All counters and gauges of a pool itself."""

CALL_DURATION = Durations(
    "call_duration",
    "call",
    "How long calls took, without the neutral ones.",
    ("method",),
    lambda pool: (((method.name,), method.latency) for method in _called(pool)),
)
"""The latencies of calls, which may have examples of traces."""

DURATIONS = (
    CALL_DURATION,
    Durations(
        "checkout_wait",
        "call",
        "How long callers waited for a member that they got.",
        (),
        lambda pool: [((), pool.waits)] if pool.waits.buckets else [],
    ),
    Durations(
        "client_create_time",
        "client",
        "How long it took to open clients of endpoints, and to configure them.",
        (),
        lambda pool: [((), pool.openings)] if pool.openings.count else [],
    ),
    Durations(
        "client_use_time",
        "use",
        "How long callers held a client of a member with a limit, or of an endpoint.",
        (),
        lambda pool: [((), pool.uses)] if pool.uses.count else [],
    ),
)
"""All histograms of a pool."""


def exemplar_of(pool: PoolStats, method: str, above: float, upto: float) -> ExemplarStats | None:
    """Return the latest exemplar of a method's latency within a bucket; None if there is none.

    Arguments:
        pool: the numbers.
        method: its name, or that of all methods together.
        above: what the latency is above, in seconds.
        upto: what it is not above.
    """
    fitting = (
        one
        for one in pool.exemplars
        if method in (one.method, Counters.ALL) and above < one.seconds <= upto
    )
    return max(fitting, key=lambda one: one.time, default=None)


_OWN = {series.name for series in (*SERIES, *DURATIONS)}


def middleware_series(pools: Iterable[PoolStats]) -> list[Series]:
    """Return the series of all numbers of middleware; rejections are among those of the pool.

    A user's middleware may choose any names for its numbers and labels: both are made to fit every exporter.
    """
    found: dict[str, list[MiddlewareStats]] = {}
    for pool in pools:
        for number in pool.middleware:
            if number.name != "rejections":
                found.setdefault(_series_name(number), []).append(number)
    return [_of_middleware(name, numbers) for name, numbers in sorted(found.items())]


def _of_middleware(name: str, numbers: list[MiddlewareStats]) -> Series:
    # A counter may have no labels as long as it is zero, so the labels of all its samples count.
    labels = tuple(dict.fromkeys(label for number in numbers for label in _labels(number)))

    def samples(pool: PoolStats) -> Iterable[Sample]:
        sums: dict[tuple[str, ...], float] = {}
        for number in pool.middleware:
            if number.name != "rejections" and _series_name(number) == name:
                there = _labels(number)
                values = tuple(there.get(label, "") for label in labels)
                sums[values] = sums.get(values, 0) + number.value
        return sums.items()

    return Series(name, numbers[0].kind, "1", numbers[0].text, labels, samples)


def _series_name(number: MiddlewareStats) -> str:
    name = _fitting(number.name)
    return f"middleware_{name}" if name in _OWN else name


def _labels(number: MiddlewareStats) -> dict[str, str]:
    return {_fitting(label): value for label, value in number.labels}


def _fitting(name: str) -> str:
    return re.sub(r"^(?=\d)|\W", "_", name, flags=re.ASCII)


def upper(bound: float) -> str:
    """Return the upper bound of a bucket as Prometheus writes it."""
    return "+Inf" if bound == math.inf else repr(bound)
