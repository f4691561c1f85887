"""Admits a limited number of calls at once; the others wait in line or are refused."""

from __future__ import annotations

from functools import partial
from typing import Any

from connpool_runtime._concurrency import threads
from connpool_runtime._concurrency.deferred import Deferred
from connpool_runtime._concurrency.fifo import FifoPermits, Permit, PermitState
from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.deadlines import remaining

__all__ = ["ConcurrencyLimiter"]


class ConcurrencyLimiter:
    """Hands out a limited number of permits, to threads and to tasks. Safe for threads.

    Enter with a permit of your own, by `enter_now` or else `enter`, and leave with it whatever happens, by
    `leave_now` or else `leave`: leaving is harmless when done already, waits for nothing, and may be
    done by a finalizer.

    Arguments:
        limit: how many may be inside at a time.
        max_waiting: how many may wait.
        max_wait: how long each may wait, in seconds.
    """

    def __init__(self, limit: int, max_waiting: int, max_wait: float) -> None:
        self.slots = FifoPermits(limit, max_waiting)
        # The common case, without a call more: somebody comes or goes while nobody waits.
        self.enter_now = _never if FREE_THREADED else self.slots.enter_now
        self.leave_now = _never if FREE_THREADED else self.slots.leave_now
        self._max_wait = max_wait
        self._lock = new_lock()
        self._leaving = Deferred()

    def enter(self, permit: Permit) -> bool:
        """Acquire a permit, blocking the thread while there is none; tell whether it succeeded."""
        longest = min(self._max_wait, remaining())
        gate = threads.Gate() if longest > 0 else None
        asked = self._ask(permit, gate)
        if gate is not None and permit.state is PermitState.WAITING:
            gate.wait(longest)
        return asked and permit.state is PermitState.INSIDE

    async def enter_async(self, permit: Permit) -> bool:
        """Acquire a permit, suspending the task while there is none; tell whether it succeeded."""
        longest = min(self._max_wait, remaining())
        if self._ask(permit, None):
            return True
        if longest <= 0:
            return False
        from connpool_runtime._concurrency.tasks import Gate

        gate = Gate()
        asked = self._ask(permit, gate)
        if permit.state is PermitState.WAITING:
            await gate.wait(longest)
        return asked and permit.state is PermitState.INSIDE

    def leave(self, permit: Permit) -> None:
        """Release a permit, or stop waiting for it. Harmless when done already."""
        self._leaving.add(partial(self.slots.leave, permit))
        self._leaving.run(self._lock)

    def resize(self, limit: int) -> None:
        """Change the number of permits; calls that have one keep it."""
        with self._lock:
            self.slots.limit = limit
            self.slots.admit()
        self._leaving.run(self._lock)

    def _ask(self, permit: Permit, gate: Any) -> bool:
        with self._lock:
            if self._leaving.work:
                self._leaving.run_locked()
            asked = self.slots.enter(permit, gate)
        if self._leaving.work:
            self._leaving.run(self._lock)
        return asked


def _never(_permit: Permit) -> bool:
    """Without the interpreter lock nothing is done without ours."""
    return False
