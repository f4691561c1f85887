"""One pooled client: its counters, its breaker, and whether it may be picked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from connpool_runtime.breaker.breaker import Breaker, BreakerRules, BreakerState, Epoch
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.clients.store import Stock
from connpool_runtime.members.ewma import Pace

__all__ = ["Member"]

C_co = TypeVar("C_co", covariant=True)


class Member(Generic[C_co]):
    """One pooled client. Users read it; only the pool changes it.

    `taken` counts the calls that took this member and did not give it back, `served` those that
    ended well, so the difference is in flight. A call that fails gives back what it took: then
    `served` is the exact number of successes. Both move by single statements without the lock.
    Everything else here is guarded by the pool's lock.
    """

    __slots__ = (
        "_close",
        "breaker",
        "calm",
        "client",
        "drained",
        "failed",
        "gate",
        "leaving",
        "limit",
        "listed",
        "name",
        "neutral",
        "orphaned",
        "pace",
        "panic",
        "priority",
        "served",
        "stock",
        "taken",
        "unreachable",
        "weight",
        "zone",
    )

    def __init__(
        self,
        name: str,
        client: C_co,
        weight: int = 1,
        rules: BreakerRules | None = None,
        close: Callable[[], object] | None = None,
        limit: float = math.inf,
        stock: Stock[Any] | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.weight = weight
        self.pace = Pace()
        self.priority = 0
        self.zone: str | None = None
        self.breaker = Breaker(rules or BreakerRules())
        # Calls at a time. A member with a stock has as many as that has room for.
        self.limit = limit if stock is None else 0
        self.stock = stock
        self.taken = 0
        self.served = 0
        self.failed = 0
        self.neutral = 0
        self.unreachable: BaseException | None = None  # what the last health checks came to
        self.leaving = False
        self.panic = False  # whether it is let in whatever its breaker says
        self.gate: Any = None  # of the pool's colour; opens when a leaving member is drained
        self.drained = False
        self.orphaned = False  # nobody waits at the gate any more to close the client
        self._close = close or _nothing
        # The epoch when calls may run without any care, else None; read by every call.
        self.calm: Epoch | None = self.breaker.epoch
        self.listed = False  # whether the present picker knows it as ready

    @property
    def clients(self) -> tuple[C_co, ...]:
        """Its one client, or those that its factory has opened."""
        if self.stock is None:
            return (self.client,)
        return tuple(entry.client for entry in self.stock.entries)

    @property
    def in_flight(self) -> int:
        """How many calls run on this member now."""
        return self.taken - self.served

    @property
    def ready(self) -> bool:
        """Whether the next call may be given to this member."""
        if self.stock is not None and self.stock.unreachable:
            return False
        admitted = self.breaker.admits or self.panic
        return admitted and not self.leaving and self.unreachable is None

    @property
    def wake_at(self) -> float:
        """When time alone will change whether calls may be given to this member, or how many."""
        wake_at = self.breaker.wake_at
        return wake_at if self.stock is None else min(wake_at, self.stock.retry_at)

    def wake(self, now: float) -> None:
        """Do what is due."""
        self.breaker.wake(now)
        if self.stock is not None:
            self.stock.wake(now)

    @property
    def free(self) -> bool:
        """Whether one more call may run beside those that do."""
        in_flight = self.taken - self.served
        return in_flight < self.limit if self.stock is None else self.stock.has_room(in_flight)

    @property
    def watched(self) -> bool:
        """Whether the end of a call, though a success, would change something here."""
        breaker = self.breaker
        if breaker.state is BreakerState.CLOSED and not breaker.calm:
            return True
        return self.leaving and not self.drained

    def refresh(self) -> None:
        """Derive `calm` anew."""
        may_be = self.breaker.calm and not self.leaving and self.unreachable is None
        self.calm = self.breaker.epoch if may_be else None

    def count(self, outcome: Outcome) -> None:
        """Count an attempt that gave the member back; an expected error served, after all."""
        if outcome is Outcome.FAILURE:
            self.failed += 1
        elif outcome is Outcome.NEUTRAL:
            self.neutral += 1
        else:
            self.taken, self.served = self.taken + 1, self.served + 1

    def claim_close(self) -> Callable[[], object]:
        """Return what closes the client, to the first caller; to others what does nothing."""
        close, self._close = self._close, _nothing
        return close

    def __repr__(self) -> str:
        known = " leaving" * self.leaving + " unreachable" * (self.unreachable is not None)
        size = f" clients={len(self.stock.entries)}" if self.stock is not None else ""
        state = self.breaker.state.value
        return f"<{self.name} {state}{known} in_flight={self.in_flight}{size}>"


def _nothing() -> None:
    pass
