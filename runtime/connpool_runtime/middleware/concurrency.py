"""Lets in a limited number of calls at once, and makes the others wait or go."""

from __future__ import annotations

from collections import deque
from typing import Any

from connpool_runtime._concurrency import threads
from connpool_runtime._concurrency.fifo import FifoPermits, Permit, PermitState
from connpool_runtime._concurrency.threads import Lock, get_ident
from connpool_runtime.deadlines import remaining

__all__ = ["ConcurrencyLimiter"]


class ConcurrencyLimiter:
    """Slots behind a lock, with waiters of both colours.

    Ask with a ticket of your own, and `leave` with it whatever happens: that is harmless when it
    is outside already, cannot be cancelled, and may be done by a finalizer.
    """

    def __init__(self, limit: int, max_waiting: int, max_wait: float) -> None:
        self.slots = FifoPermits(limit, max_waiting)
        self._max_wait = max_wait
        self._lock = Lock()
        # A finalizer may interrupt the very thread that holds the lock, and must not wait for it
        # then: it leaves its ticket here, for the holder to take care of. Should an interrupt keep
        # a holder from saying that it is none any more, the next one to ask does it all.
        self._holder: int | None = None
        self._gone: deque[Permit] = deque()

    def enter(self, ticket: Permit) -> bool:
        """Get in, blocking the thread while there is no room; tell whether it was possible."""
        longest = min(self._max_wait, remaining())
        gate = threads.Gate() if longest > 0 else None
        asked = self._ask(ticket, gate)
        if gate is not None and ticket.state is PermitState.WAITING:
            gate.wait(longest)
        return asked and ticket.state is PermitState.INSIDE

    async def enter_async(self, ticket: Permit) -> bool:
        """Get in, suspending the task while there is no room; tell whether it was possible."""
        longest = min(self._max_wait, remaining())
        if self._ask(ticket, None):
            return True
        if longest <= 0:
            return False
        from connpool_runtime._concurrency.tasks import Gate

        gate = Gate()
        asked = self._ask(ticket, gate)
        if ticket.state is PermitState.WAITING:
            await gate.wait(longest)
        return asked and ticket.state is PermitState.INSIDE

    def leave(self, ticket: Permit) -> None:
        """Go out, or stop waiting. Harmless when done already."""
        self._gone.append(ticket)
        if self._holder != get_ident():
            self._let_out()

    def resize(self, limit: int) -> None:
        """Change how many are let in; those inside stay."""
        with self._lock:
            self._holder = get_ident()
            self.slots.limit = limit
            admitted = self.slots.admit()
            self._holder = None
        self._wake(admitted)

    def _ask(self, ticket: Permit, gate: Any) -> bool:
        with self._lock:
            self._holder = get_ident()
            admitted = self._let_out_locked()
            asked = self.slots.enter(ticket, gate)
            self._holder = None
        self._wake(admitted)
        return asked

    def _let_out(self) -> None:
        with self._lock:
            self._holder = get_ident()
            admitted = self._let_out_locked()
            self._holder = None
        self._wake(admitted)

    def _let_out_locked(self) -> list[Permit]:
        admitted: list[Permit] = []
        while self._gone:
            admitted += self.slots.leave(self._gone[0])
            self._gone.popleft()  # last, so that an interrupt leaves it to be done again
        return admitted

    def _wake(self, admitted: list[Permit]) -> None:
        for other in admitted:
            other.gate.open()
        if self._gone:  # left by a finalizer meanwhile
            self._let_out()
