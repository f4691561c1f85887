"""The stats that users read: typed, frozen, without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from connpool_runtime.breaker.breaker import BreakerState

__all__ = [
    "ClientStats",
    "DiscoveryStats",
    "ErrorStats",
    "ExemplarStats",
    "LatencyStats",
    "MiddlewareStats",
    "MemberStats",
    "MethodStats",
    "PoolStats",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyStats:
    """Durations in seconds. `buckets` holds (upper bound, samples up to it), the last is `inf`."""

    count: int
    total: float
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodStats:
    """Calls of one method as users saw them: retries do not count. Latencies exclude neutral calls.

    `answers` are errors that a healthy server gave as its answer, `overloads` those by which it had
    too much to do, `unknowns` those that no classifier knows and that other members give as often.
    """

    name: str
    successes: int
    failures: int
    neutrals: int
    answers: int
    overloads: int
    unknowns: int
    latency: LatencyStats


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """The clients that the factory of one endpoint made; `opened` and `failed` count all openings.

    `min_size` are kept, and there are never more than `max_size`.
    """

    size: int
    idle: int
    connecting: int
    opened: int
    failed: int
    min_size: int = 0
    max_size: int = 0

    @property
    def closed(self) -> int:
        """How many of those that were opened are gone."""
        return self.opened - (self.size - self.connecting)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorStats:
    """The latest error on a member: its type, how it was counted, and the reason in a word or two."""

    type: str
    counted_as: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberStats:
    """The attempts on one member.

    `healthy` is false while health checks keep it from calls, see `Pool.add_connector`.
    `limit` is how many may run at a time, None for any number; `clients` is there for endpoints
    with a factory; `retry_in` is the rest of an open breaker's cooldown in seconds; `spared` counts
    the failures after which it would have opened, had not `max_ejection_share` others been open already.
    `labels` are those that routes of methods and `calling` go by, as pairs.
    """

    name: str
    weight: int
    limit: int | None
    state: BreakerState
    leaving: bool
    healthy: bool
    in_flight: int
    successes: int
    failures: int
    neutrals: int
    answers: int
    overloads: int
    unknowns: int
    last_error: ErrorStats | None
    consecutive_failures: int
    trips: int
    spared: int
    retry_in: float | None
    clients: ClientStats | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareStats:
    """One number that a middleware keeps about its pool, such as how many retries it made.

    A middleware offers them by a method `numbers()`. Counters only grow, a gauge is how things stand;
    `text` explains. Numbers of one name and labels, from several middleware, are to be added up.
    """

    name: str
    value: float
    kind: Literal["counter", "gauge"] = "counter"
    text: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarStats:
    """One call of a method that took so long, with its trace and span, in hexadecimal digits.

    `time` is when it ended, in seconds since 1970. Kept by the middleware `Exemplars`.
    """

    method: str
    seconds: float
    trace_id: str
    span_id: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryStats:
    """What a pool knows about one source of endpoints.

    `endpoints` are in the last good answer; of these `joined` are members, `opening` wait for a client
    or get one now, `failed` could not be opened when last tried. `leaving` members belong to none any more.
    `updates` counts the answers that changed something, `errors` those that were none by their reason.
    `stale` is for how many seconds the source has given no good answer, 0 if the last one was good;
    `last_success` when that was, in seconds since 1970, 0 if there was none.
    """

    source: str
    endpoints: int
    joined: int
    opening: int
    failed: int
    leaving: int
    updates: int
    errors: tuple[tuple[str, int], ...]
    stale: float
    last_success: float
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """The stats of a pool at one moment. `rejections` counts refused calls by the name of their error.

    `waiting` callers stand in line for a member with a limit; `waits` is how long those stood
    there who got one; `openings` is how long it took to open clients of endpoints, `uses` how long
    callers held a client, where any member has a limit or opens clients on demand; a `suspended` pool lets
    calls wait; `leaks` counts what was held longer than `leak_threshold`. `joined` and `left` count members
    over the pool's life, `transitions` the breakers that came into a state, `outlier_ejections` the members
    that were ejected because they were worse than the others, by what was measured; `discovery` has one
    entry for each source, and `health_checks` counts those of members that a connector opened by their outcome; `exemplars` are
    examples of latencies with their traces, where the middleware `Exemplars` keeps them. Each member and each
    method is a picture of one instant; those of different ones may lie microseconds apart, so that
    calls need not wait for the whole.
    """

    name: str
    closed: bool
    members: tuple[MemberStats, ...]
    methods: tuple[MethodStats, ...]
    rejections: tuple[tuple[str, int], ...]
    joined: int = 0
    left: int = 0
    transitions: tuple[tuple[str, int], ...] = ()
    outlier_ejections: tuple[tuple[str, int], ...] = ()
    waiting: int = 0
    waits: LatencyStats = LatencyStats(count=0, total=0.0, buckets=())
    openings: LatencyStats = LatencyStats(count=0, total=0.0, buckets=())
    uses: LatencyStats = LatencyStats(count=0, total=0.0, buckets=())
    leaks: int = 0
    suspended: bool = False
    middleware: tuple[MiddlewareStats, ...] = ()
    discovery: tuple[DiscoveryStats, ...] = ()
    health_checks: tuple[tuple[str, int], ...] = ()
    exemplars: tuple[ExemplarStats, ...] = ()

    @property
    def in_flight(self) -> int:
        """How many calls run now, on all members."""
        return sum(member.in_flight for member in self.members)
