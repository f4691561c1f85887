"""First come, first served: a queue of waiters, and permits handed over along such a queue."""

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
    """A queue of waiters, each with a gate of its own. Guarded by the owner's lock.

    What they wait for is handed over under that lock, to a waiter that is still queued. So a waiter that
    gives up at the same time sees that it was served, and can give back what it got.
    """

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: OrderedDict[W, None] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of waiters."""
        return len(self.waiters)

    def __iter__(self) -> Iterator[W]:
        """Iterate over the waiters, first come first."""
        return iter(tuple(self.waiters))

    def join(self, waiter: W) -> None:
        """Add a waiter at the end."""
        self.waiters[waiter] = None

    def leave(self, waiter: W) -> None:
        """Remove a waiter from anywhere in the queue. Does nothing if it is not queued."""
        self.waiters.pop(waiter, None)

    def serve(self, grant: Callable[[W], bool]) -> None:
        """Serve waiters in order until one of them cannot be served.

        Arguments:
            grant: gives one waiter what it waits for and returns whether that succeeded; called again for
                the same waiter if an interrupt kept it from leaving the line.
        """
        while self.waiters:
            waiter = next(iter(self.waiters))
            if not grant(waiter):
                return
            self._let_go(waiter)

    def serve_any(self, grant: Callable[[W], bool]) -> None:
        """Serve every waiter that can be served, also those behind others that cannot; see `serve`."""
        for waiter in self:
            if grant(waiter):
                self._let_go(waiter)

    def dismiss(self) -> None:
        """Wake all waiters without serving them."""
        for waiter in self:
            self._let_go(waiter)

    def _let_go(self, waiter: W) -> None:
        self.leave(waiter)
        waiter.gate.open()


class PermitState(Enum):
    """The state of a permit: outside, waiting or inside."""

    OUTSIDE = "outside"
    WAITING = "waiting"
    INSIDE = "inside"


# Looking up a member of an enumeration costs as much as a call.
_OUTSIDE, _WAITING, _INSIDE = PermitState.OUTSIDE, PermitState.WAITING, PermitState.INSIDE


class Permit:
    """The claim of one call to be let in; created before it is let in, so that it always has an owner."""

    # Set on the class, so that creating a permit runs no Python function.
    state: PermitState = _OUTSIDE
    gate: Any = None  # opens when the permit is granted


class FifoPermits:
    """A limited number of permits, granted first come, first served. Guarded by the owner's lock.

    Under the interpreter lock, while no waiter is queued, a caller may take or return a permit without this
    lock: by one statement that reads `limit` and `waiters` and changes `inside`, with no point in between at
    which another thread could run.

    Arguments:
        limit: how many may be inside at a time.
        max_waiting: how many may wait.

    Attributes:
        inside: how many are inside.
        waiters: the waiting permits, in their order.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self._max_waiting = max_waiting
        self.inside = 0
        self._line: WaitLine[Permit] = WaitLine()
        self.waiters = self._line.waiters

    @property
    def waiting(self) -> int:
        """The number of waiting permits."""
        return len(self._line)

    def enter(self, permit: Permit, gate: Any = None) -> bool:
        """Grant a permit, or queue it if it has a gate; return False if neither was possible.

        A later permit never overtakes a waiting one.
        """
        if self.inside < self.limit and not self.waiters:
            self.inside, permit.state = self.inside + 1, _INSIDE
            return True
        if gate is None or len(self.waiters) >= self._max_waiting:
            return False
        permit.gate = gate
        permit.state = _WAITING
        self._line.join(permit)
        # A permit may have left just before, without the lock, and have seen no waiter.
        self.admit()
        return True

    def leave(self, permit: Permit) -> None:
        """Release a permit, or remove it from the queue; wake those granted in its place.

        Does nothing if the permit is outside.
        """
        if permit.state is _INSIDE:
            self.inside, permit.state = self.inside - 1, _OUTSIDE
        elif permit.state is _WAITING:
            permit.state = _OUTSIDE
            self._line.leave(permit)
        self.admit()

    def admit(self) -> None:
        """Grant and wake as many waiting permits as the limit allows."""
        if self.waiters:
            self._line.serve(self._grant)

    def _grant(self, permit: Permit) -> bool:
        if permit.state is _WAITING and self.inside < self.limit:
            self.inside, permit.state = self.inside + 1, _INSIDE
        return permit.state is _INSIDE
