"""The events that a pool's listeners receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connpool_runtime.breaker.breaker import BreakerState

__all__ = [
    "BreakerChanged",
    "ClientReplaced",
    "DiscoveryFailed",
    "DiscoveryRecovered",
    "DiscoveryUpdated",
    "EndpointMoved",
    "Event",
    "HealthChanged",
    "LeakSuspected",
    "Listener",
    "MemberAdded",
    "MemberDrained",
    "MemberLeaving",
    "OutlierEjected",
    "PanicChanged",
    "ReconnectFailed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events: something happened to a member of a pool."""

    pool: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAdded(Event):
    """A member joined, or a leaving one stays because its endpoint is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeaving(Event):
    """A member gets no new calls; those in flight go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDrained(Event):
    """The last call of a leaving member has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """The state of a breaker changed; `cause` is the error that opened it.

    In a dry run it is not `enforced`: no member is really ejected.
    """

    before: BreakerState
    after: BreakerState
    cause: BaseException | None
    enforced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierEjected(Event):
    """A member was ejected because it was worse than the other members; a `BreakerChanged` precedes.

    `measure` says by what: its success rate from 0 to 1, or its typical latency in seconds. `value` is its own,
    `mean` that of the members that were compared, `threshold` what it crossed, `calls` how many of its own
    it was judged by. It is ejected for `seconds`; not `enforced` in a dry run.
    """

    measure: Literal["success_rate", "latency"]
    value: float
    mean: float
    threshold: float
    calls: int
    seconds: float
    enforced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged(Event):
    """Health checks marked a member unhealthy (`cause` is the error of the last one) or healthy again."""

    healthy: bool
    cause: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakSuspected(Event):
    """A client was not given back for `leak_threshold`: `seconds` so far, by a call of `method`.

    `stack` shows where it was taken, as lines of text, innermost last. It is reported once; the client may
    still come back.
    """

    method: str
    seconds: float
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReplaced(Event):
    """A new client replaced one that stayed broken, or one that could not be opened before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectFailed(Event):
    """No new client could be opened; `member` is the endpoint. After `gave_up` there are no more attempts."""

    attempt: int
    gave_up: bool
    cause: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicChanged(Event):
    """Panic began or ended: while too few members are healthy, breakers are ignored.

    It is about the whole pool: `member` is empty.
    """

    member: str = ""
    panic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryUpdated(Event):
    """The answer of a source differs from the last one; the fields hold the ids of endpoints.

    It is about the whole pool: `member` is empty. `removed` are those whose members leave now;
    an endpoint that is only missing for less than `removal_delay` is not among them.
    """

    member: str = ""
    source: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryFailed(Event):
    """A source could not be asked, or its answer was rejected; the known endpoints are kept.

    It is about the whole pool: `member` is empty. `stale` is the time, in seconds, without a good answer. It
    is reported once; `DiscoveryRecovered` reports the end.
    """

    member: str = ""
    source: str
    cause: BaseException
    stale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryRecovered(Event):
    """A source that had failed gives good answers again; `member` is empty."""

    member: str = ""
    source: str
    stale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointMoved(Event):
    """The endpoint of an id has another address: a new client replaces the member's."""

    source: str
    before: str
    after: str


Listener: TypeAlias = Callable[[Event], object]
