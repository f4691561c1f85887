"""One member of a pool: its client, its counters, its breaker, and whether it may be picked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar, cast

from connpool_runtime.breaker.breaker import Breaker, BreakerSettings, BreakerState, Generation
from connpool_runtime.clients.source import ClientSource, SingleClient, UseBrokenOff
from connpool_runtime.members.ewma import LatencyEwma
from connpool_runtime.members.labels import NO_LABELS, Labels

__all__ = ["Alarm", "AnyMember", "Member"]

C_co = TypeVar("C_co", covariant=True)


class Alarm:
    """Whether a pool is in a panic: one object shared by all its members."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = False


CALM = Alarm()  # for members without a pool
_CLOSED = BreakerState.CLOSED  # looking up a member of an enumeration costs as much as a call


class Member(Generic[C_co]):
    """One pooled client. Users read it; only the pool changes it.

    `taken` counts the calls that took this member and did not give it back, `served` those that
    ended well, so the difference is in flight. A call that fails gives back what it took: then
    `served` is the exact number of successes. Both move by single statements without the lock.
    Everything else here is guarded by the pool's lock.
    """

    __slots__ = (
        "_close",
        "alarm",
        "answered",
        "breaker",
        "client",
        "drained",
        "failed",
        "fast_generation",
        "gate",
        "labels",
        "last_error",
        "latency",
        "leaving",
        "limit",
        "name",
        "neutral",
        "number",
        "orphaned",
        "overloaded",
        "priority",
        "served",
        "source",
        "steady_generation",
        "taken",
        "unknown",
        "unreachable",
        "weight",
        "zone",
    )

    def __init__(
        self,
        name: str,
        client: C_co,
        weight: int = 1,
        rules: BreakerSettings | None = None,
        close: Callable[[], object] | None = None,
        limit: float = math.inf,
        source: ClientSource[Any] | None = None,
        validate: Callable[[], object] | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.weight = weight
        self.latency = LatencyEwma()
        self.priority = 0
        self.zone: str | None = None
        self.labels: Labels = NO_LABELS
        self.breaker = Breaker(rules or BreakerSettings())
        self.source: ClientSource[Any] = source or SingleClient(client, limit, validate)
        self.limit = self.source.limit
        self.taken = 0
        self.served = 0
        self.failed = 0
        self.neutral = 0
        self.answered = 0  # errors that were answers
        self.overloaded = 0
        self.unknown = 0
        # The latest error: its type's name, how it was counted, and why.
        self.last_error: tuple[str, str, str] | None = None
        # the error of the latest failed health checks
        self.unreachable: BaseException | None = None
        self.leaving = False
        self.alarm = CALM  # shared by the members of a pool
        self.number = 0  # members joined in this order
        # a gate for threads or for tasks; opens when a leaving member is drained
        self.gate: Any = None
        self.drained = False
        self.orphaned = False  # no caller waits at the gate any more to close the client
        self._close = close or _nothing
        # The breaker's generation while calls may take the fast path, else None; read when a call begins.
        self.fast_generation: Generation | None = self.breaker.generation
        # The breaker's generation while, moreover, a quick success would change nothing, else None; read when a call ends.
        self.steady_generation: Generation | None = self.breaker.generation

    @property
    def clients(self) -> tuple[C_co, ...]:
        """Its one client, or those that its factory has opened."""
        return self.source.clients

    @property
    def in_flight(self) -> int:
        """How many calls run on this member now."""
        return self.taken - self.served

    @property
    def panic(self) -> bool:
        """Whether it takes calls whatever its breaker says, because of a panic."""
        return self.alarm.on and not self.breaker.forced_open

    @property
    def is_unlimited(self) -> bool:
        """Whether its number of concurrent calls is unlimited."""
        return self.limit == math.inf

    @property
    def is_plain(self) -> bool:
        """Whether any number of calls may use its one client, and no health check has found it unreachable."""
        return self.limit == math.inf and self.unreachable is None

    @property
    def ready(self) -> bool:
        """Whether the next call may be given to this member."""
        admitted = self.breaker.admits or self.panic
        reachable = self.unreachable is None and not self.source.unreachable
        return admitted and reachable and not self.leaving

    @property
    def wake_at(self) -> float:
        """When time alone will change whether this member takes calls, or how many."""
        return min(self.breaker.wake_at, self.source.retry_at)

    def wake(self, now: float) -> None:
        """Do what has become due."""
        self.breaker.wake(now)
        self.source.wake(now)

    @property
    def free(self) -> bool:
        """Whether one more call may run on it now."""
        return self.source.has_room(self.taken - self.served)

    @property
    def has_anomaly(self) -> bool:
        """Whether the end of a call, even a success, would change something about this member."""
        breaker = self.breaker
        if breaker.state is _CLOSED and not breaker.is_steady:
            return True
        return self.leaving and not self.drained

    def begin_change(self) -> None:
        """Keep calls from the fast path, and let none end unnoticed, until `refresh`.

        Called before a change of the member that has to be followed up; see `Router.changed_locked`.
        """
        self.fast_generation = self.steady_generation = None

    def refresh(self) -> None:
        """Derive `fast_generation` and `steady_generation` from the current state."""
        breaker = self.breaker
        trusted = self.unreachable is None and not self.source.needs_validation
        may_be = breaker.state is _CLOSED and not self.leaving and trusted
        self.fast_generation = breaker.generation if may_be else None
        self.steady_generation = breaker.generation if may_be and breaker.is_steady else None

    @property
    def ended(self) -> int:
        """How many attempts on this member have ended."""
        errors = self.failed + self.answered + self.overloaded + self.unknown
        return self.served + errors + self.neutral

    def count(self, counted_as: str) -> None:
        """Count an attempt that has given the member back, under the word of its verdict."""
        match counted_as:
            case "success":
                self.taken, self.served = self.taken + 1, self.served + 1
            case "failure":
                self.failed += 1
            case "answer":
                self.answered += 1
            case "overload":
                self.overloaded += 1
            case "unknown":
                self.unknown += 1
            case _:
                self.neutral += 1

    def in_child(self) -> Member[C_co]:
        """Return the member that replaces this one in a child process; running calls keep this one.

        They may go on in the child, if the fork was made inside of one, and end on what they took.
        """
        heir = Member(self.name, self.client, self.weight, source=self.source.in_child())
        heir._close, heir.number, heir.alarm = self._close, self.number, self.alarm
        heir.priority, heir.zone, heir.latency = self.priority, self.zone, self.latency
        heir.labels = self.labels
        heir.taken = heir.served = self.served
        heir.failed, heir.neutral, heir.answered = self.failed, self.neutral, self.answered
        heir.overloaded, heir.unknown, heir.last_error = (
            self.overloaded,
            self.unknown,
            self.last_error,
        )
        if isinstance(
            self.unreachable, UseBrokenOff
        ):  # the only reason that concerns the client and not the server
            heir.unreachable = self.unreachable
        heir.breaker, self.breaker = self.breaker, self.breaker.begin_anew()
        self.leaving = self.drained = True
        for one in (heir, self):
            one.refresh()
        return heir

    def reopen_with(
        self,
        source: SingleClient[C_co],
        reopen: Callable[[float], Any],
        close: Callable[[], object],
        validate: Callable[[], object],
    ) -> None:
        """Let the next call in a child process open a client, because the present one is the parent's.

        Arguments:
            source: its own.
            reopen: opens the new one within so many seconds, and calls `reopened`.
            close: closes the new one.
            validate: validates the new one.
        """
        source.reopen, source.validate, source.needs_validation = reopen, validate, True
        self._close = close
        self.refresh()

    def reopened(self, source: SingleClient[Any], client: Any) -> None:
        """Replace the parent's client by a new one; does nothing if that was done."""
        if source.reopen is not None:
            self.client, source.clients = cast("C_co", client), (client,)
            source.reopen, source.needs_validation = None, False

    def claim_close(self) -> Callable[[], object]:
        """Return the function that closes the client, to the first caller only; others get one that does nothing."""
        close, self._close = self._close, _nothing
        return close

    def __repr__(self) -> str:
        known = " leaving" * self.leaving + " unreachable" * (self.unreachable is not None)
        size = f" clients={len(self.clients)}" if self.source.on_demand else ""
        state = self.breaker.state.value
        return f"<{self.name} {state}{known} in_flight={self.in_flight}{size}>"


AnyMember: TypeAlias = Member[Any]
"""For code to which it does not matter what clients a pool has."""


def _nothing() -> None:
    pass
