"""A limited number of slots, and one queue of those who wait for one."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Any

__all__ = ["FifoPermits", "Permit", "PermitState"]


class PermitState(Enum):
    """Where a ticket stands; exactly one of these at any instant."""

    OUTSIDE = "outside"
    WAITING = "waiting"
    INSIDE = "inside"


class Permit:
    """One call's claim on a slot, made before the slot is taken so that somebody always owns it."""

    __slots__ = ("gate", "state")

    def __init__(self) -> None:
        self.state = PermitState.OUTSIDE
        self.gate: Any = None  # of the waiter's colour


class FifoPermits:
    """First come, first served; to be guarded by a lock.

    A slot is handed over under that lock, to a ticket that is still waiting, so a waiter who gives
    up at the same time finds out that it has the slot and can return it.
    """

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self._max_waiting = max_waiting
        self.inside = 0
        self.waiting = 0
        self._queue: deque[Permit] = deque()

    def enter(self, ticket: Permit, gate: Any = None) -> bool:
        """Take a slot, or join the queue if there is a gate to wait at; tell whether either was so.

        Nobody who comes later passes those who wait.
        """
        if self.inside < self.limit and not self.waiting:
            self.inside, ticket.state = self.inside + 1, PermitState.INSIDE
            return True
        if gate is None or self.waiting >= self._max_waiting:
            return False
        ticket.gate = gate
        self.waiting, ticket.state = self.waiting + 1, PermitState.WAITING
        self._queue.append(ticket)
        return True

    def leave(self, ticket: Permit) -> list[Permit]:
        """Return a slot, or leave the queue; return the tickets that got in, to be woken."""
        if ticket.state is PermitState.INSIDE:
            self.inside, ticket.state = self.inside - 1, PermitState.OUTSIDE
        elif ticket.state is PermitState.WAITING:
            # Stays in the queue and is passed over there: looking for it would take time.
            self.waiting, ticket.state = self.waiting - 1, PermitState.OUTSIDE
        return self.admit()

    def admit(self) -> list[Permit]:
        """Let in as many as there is room for; return their tickets."""
        admitted: list[Permit] = []
        while self._queue and self.inside < self.limit:
            ticket = self._queue.popleft()
            if ticket.state is PermitState.WAITING:
                self.waiting, self.inside = self.waiting - 1, self.inside + 1
                ticket.state = PermitState.INSIDE
                admitted.append(ticket)
        if not self.waiting:
            self._queue.clear()
        return admitted
