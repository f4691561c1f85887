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
    """Durations in seconds. `buckets` holds pairs (upper bound, samples up to it); the last bound is `inf`."""

    count: int
    total: float
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodStats:
    """Calls of one method as users saw them: retries do not count. Latencies exclude neutral calls.

    Attributes:
        answers: errors that a healthy server gave as its answer.
        overloads: errors of a server that had too much to do.
        unknowns: errors that no classifier knows, and that other members give as often.
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
    """The clients that the factory of one endpoint opened.

    Attributes:
        opened: how many were opened since the start.
        failed: how many could not be opened since the start.
        min_size: how many are kept open.
        max_size: how many may be open at a time.
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
        """How many of the opened clients were closed."""
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

    Attributes:
        healthy: false while health checks keep the member from calls, see `Pool.add_connector`.
        limit: how many calls may run at a time; None for any number.
        clients: of an endpoint with a factory; None for a member with one client.
        retry_in: the rest of an open breaker's cooldown, in seconds.
        spared: how often the breaker would have opened, had not the share `max_ejection_share` of the members
            been ejected already.
        labels: the labels by which routes of methods and `calling` select members, as pairs.
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

    A middleware provides them by a method `numbers()`. Numbers with the same name and labels, from several
    middleware, are to be added up.

    Attributes:
        kind: a counter only grows; a gauge is the present value.
        text: what the number counts.
    """

    name: str
    value: float
    kind: Literal["counter", "gauge"] = "counter"
    text: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarStats:
    """An example of a call with a certain latency, with its trace; kept by the middleware `Exemplars`.

    Attributes:
        seconds: how long the call took.
        trace_id: of its trace, in hexadecimal digits.
        span_id: of its span, in hexadecimal digits.
        time: when the call ended, in seconds since 1970.
    """

    method: str
    seconds: float
    trace_id: str
    span_id: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryStats:
    """What a pool knows about one source of endpoints.

    Attributes:
        endpoints: how many the last good answer had.
        joined: how many of these are members.
        opening: how many of these wait for a client, or get one now.
        failed: how many of these could not be opened at the last attempt.
        leaving: how many members drain because their endpoint is gone.
        updates: how many answers changed something.
        errors: how many answers were not good, by the reason.
        stale: for how many seconds the source has given no good answer; 0 if the last answer was good.
        last_success: when the last good answer came, in seconds since 1970; 0 if there was none.
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
    """The stats of a pool at one moment.

    The numbers of one member, or of one method, are of the same instant. Those of different members and methods
    may be microseconds apart, so that calls need not wait until all are read.

    Attributes:
        rejections: refused calls, by the name of their error.
        joined: members that joined since the start.
        left: members that left since the start.
        transitions: how often breakers changed into each state.
        outlier_ejections: members that were ejected because they were worse than the others, by the measure.
        waiting: callers that wait in the queue now.
        waits: how long callers waited in the queue that got a member.
        openings: how long it took to open clients of endpoints.
        uses: how long callers held a client, where a member has a limit or opens clients on demand.
        leaks: clients that were held for longer than `leak_threshold`.
        suspended: whether calls wait for `resume`.
        discovery: one entry for each source of endpoints.
        health_checks: health checks of members that a connector opened, by their outcome.
        exemplars: examples of latencies with their traces, if the middleware `Exemplars` is registered.
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
