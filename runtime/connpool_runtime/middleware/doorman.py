"""Lets in a limited number of calls at once, and makes the others wait or go."""

from __future__ import annotations

from connpool_runtime import _sync
from connpool_runtime._sync import Lock
from connpool_runtime.core.slots import Slots, Ticket, TicketState
from connpool_runtime.deadlines import remaining

__all__ = ["Doorman"]


class Doorman:
    """Slots behind a lock, with waiters of both colours.

    Ask with a ticket of your own, and `leave` with it whatever happens: that is harmless when it
    is outside already, and it is synchronous, so it cannot be cancelled.
    """

    def __init__(self, limit: int, max_waiting: int, max_wait: float) -> None:
        self.slots = Slots(limit, max_waiting)
        self._max_wait = max_wait
        self._lock = Lock()

    def enter(self, ticket: Ticket) -> bool:
        """Get in, blocking the thread while there is no room; tell whether it was possible."""
        longest = min(self._max_wait, remaining())
        gate = _sync.Gate() if longest > 0 else None
        with self._lock:
            asked = self.slots.enter(ticket, gate)
            waits = ticket.state is TicketState.WAITING
        if waits and gate is not None:
            gate.wait(longest)
        return asked and self._got_in(ticket)

    async def enter_async(self, ticket: Ticket) -> bool:
        """Get in, suspending the task while there is no room; tell whether it was possible."""
        longest = min(self._max_wait, remaining())
        with self._lock:
            if self.slots.enter(ticket):
                return True
        if longest <= 0:
            return False
        from connpool_runtime._async import Gate

        gate = Gate()
        with self._lock:
            asked = self.slots.enter(ticket, gate)
            waits = ticket.state is TicketState.WAITING
        if waits:
            await gate.wait(longest)
        return asked and self._got_in(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Go out, or stop waiting. Harmless when done already."""
        with self._lock:
            admitted = self.slots.leave(ticket)
        for other in admitted:
            other.gate.open()

    def resize(self, limit: int) -> None:
        """Change how many are let in; those inside stay."""
        with self._lock:
            self.slots.limit = limit
            admitted = self.slots.admit()
        for other in admitted:
            other.gate.open()

    def _got_in(self, ticket: Ticket) -> bool:
        with self._lock:
            return ticket.state is TicketState.INSIDE
