"""First come, first served: a line of waiters, and permits that are handed over along such a line."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["FifoPermits", "Permit", "PermitState", "WaitLine"]


class _Waiter(Protocol):
    @property
    def gate(self) -> Any: ...


W = TypeVar("W", bound=_Waiter)


class WaitLine(Generic[W]):
    """Callers who wait, each at a gate of its own. Guarded by the lock of its owner.

    What they wait for is handed over under that lock, to a waiter who is still in line. So a waiter
    who gives up at the same time finds out that it was served, and can give back what it got.
    """

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: OrderedDict[W, None] = OrderedDict()

    def __len__(self) -> int:
        """How many wait."""
        return len(self.waiters)

    def __iter__(self) -> Iterator[W]:
        """Return those who wait, in the order in which they came."""
        return iter(tuple(self.waiters))

    def join(self, waiter: W) -> None:
        """Wait behind all others."""
        self.waiters[waiter] = None

    def leave(self, waiter: W) -> None:
        """Stop waiting, from wherever in the line. Does nothing if the waiter is not in line."""
        self.waiters.pop(waiter, None)

    def serve(self, grant: Callable[[W], bool]) -> None:
        """Serve the first in line, and the next, until one of them cannot be served.

        Arguments:
            grant: gives one waiter what it waits for and tells whether it has it; called again for
                the same waiter if an interrupt kept it from leaving the line.
        """
        while self.waiters:
            waiter = next(iter(self.waiters))
            if not grant(waiter):
                return
            self._let_go(waiter)

    def serve_any(self, grant: Callable[[W], bool]) -> None:
        """Serve everybody who can be served, also behind those who cannot; see `serve`."""
        for waiter in self:
            if grant(waiter):
                self._let_go(waiter)

    def dismiss(self) -> None:
        """Let everybody go without being served."""
        for waiter in self:
            self._let_go(waiter)

    def _let_go(self, waiter: W) -> None:
        self.leave(waiter)
        waiter.gate.open()


class PermitState(Enum):
    """Where a permit stands; exactly one of these at any instant."""

    OUTSIDE = "outside"
    WAITING = "waiting"
    INSIDE = "inside"


# Looking a member of an enumeration up costs as much as a call.
_OUTSIDE, _WAITING, _INSIDE = PermitState.OUTSIDE, PermitState.WAITING, PermitState.INSIDE


class Permit:
    """One call's claim to be let in, made before that so that somebody always owns it."""

    # In the class, so that making one costs no call of ours.
    state: PermitState = _OUTSIDE
    gate: Any = None  # opens when the permit gets in


class FifoPermits:
    """A limited number of permits, given first come, first served. Guarded by the lock of its owner.

    Under the interpreter lock somebody may come or go without a permit and without the lock while nobody
    waits: by one statement that looks at `limit` and `waiters` and changes `inside` with nothing between at
    which another thread could run.

    Arguments:
        limit: how many may be inside at a time.
        max_waiting: how many may wait.

    Attributes:
        inside: how many are inside.
        waiters: those who wait, in their order.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self._max_waiting = max_waiting
        self.inside = 0
        self._line: WaitLine[Permit] = WaitLine()
        self.waiters = self._line.waiters

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    def enter(self, permit: Permit, gate: Any = None) -> bool:
        """Let a permit in, or let it wait if it has a gate to wait at; tell whether either was so.

        Nobody who comes later passes those who wait.
        """
        if self.inside < self.limit and not self.waiters:
            self.inside, permit.state = self.inside + 1, _INSIDE
            return True
        if gate is None or len(self.waiters) >= self._max_waiting:
            return False
        permit.gate = gate
        permit.state = _WAITING
        self._line.join(permit)
        self.admit()  # somebody may have left without the lock just before, who saw nobody wait
        return True

    def leave(self, permit: Permit) -> None:
        """Let a permit out, or out of the line; those who get in instead are woken.

        Does nothing if the permit is outside.
        """
        if permit.state is _INSIDE:
            self.inside, permit.state = self.inside - 1, _OUTSIDE
        elif permit.state is _WAITING:
            permit.state = _OUTSIDE
            self._line.leave(permit)
        self.admit()

    def admit(self) -> None:
        """Let in and wake as many as the limit allows."""
        if self.waiters:
            self._line.serve(self._grant)

    def _grant(self, permit: Permit) -> bool:
        if permit.state is _WAITING and self.inside < self.limit:
            self.inside, permit.state = self.inside + 1, _INSIDE
        return permit.state is _INSIDE
