"""Admits a limited number of calls at once; others wait in line or are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime._concurrency import threads
from connpool_runtime._concurrency.deferred_work import DeferredWork
from connpool_runtime._concurrency.fifo import FifoPermits, Permit, PermitState
from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import TooManyCalls
from connpool_runtime.middleware.gradient import Window

__all__ = ["ConcurrencyLimit", "ConcurrencyLimiter"]

# Looking up a member of an enumeration costs as much as a call.
_OUTSIDE, _INSIDE = PermitState.OUTSIDE, PermitState.INSIDE


class ConcurrencyLimiter:
    """Hands out a limited number of permits to threads and tasks. Safe for threads.

    Enter with a permit of your own, and leave with it whatever happens: leaving is harmless when done already,
    waits for nothing, and may be done by a finalizer.

    Arguments:
        limit: how many may be inside at a time.
        max_waiting: how many may wait.
        max_wait: how long each may wait, in seconds.
    """

    def __init__(self, limit: int, max_waiting: int, max_wait: float) -> None:
        self.slots = FifoPermits(limit, max_waiting)
        self._max_wait = max_wait
        self._lock = new_lock()
        self._leaving = DeferredWork()

    def enter(self, permit: Permit) -> bool:
        """Acquire a permit, blocking the thread while there is none; return False if none came in time."""
        longest = min(self._max_wait, remaining())
        gate = threads.Gate() if longest > 0 else None
        asked = self._ask(permit, gate)
        if gate is not None and permit.state is PermitState.WAITING:
            gate.wait(longest)
        return asked and permit.state is PermitState.INSIDE

    async def enter_async(self, permit: Permit) -> bool:
        """Acquire a permit, suspending the task while there is none; return False if none came in time."""
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


class ConcurrencyLimit:
    """Base of the middleware that limit how many calls run at once.

    In the common case, where there is room and no call waits, a call enters and leaves by one statement
    each, without
    a permit and without a lock: `inside`, a variable of the call, changes with the count, so that an interrupt
    between two lines finds in it whether the call is to be taken out again. See `FifoPermits`.
    """

    # The limiter of all calls; None if `_limiter_of` finds one for each call.
    _limiter: ConcurrencyLimiter | None
    # Collects the latencies of successful calls, in seconds of the clock; `_adapt` is called when it may be
    # full.
    _window: Window | None
    _clock: Callable[[], float]
    # Whether streams, contexts and pinned results stay inside until they end.
    _holds_open = False

    # Both methods are long, because each function call would cost as much as all the rest.

    def around(self, call: Call, proceed: Proceed) -> Any:  # noqa: C901
        """Run the rest of a call of a `Pool`."""
        if call.attempt and self._holds_open:
            call.run_on_close(self)  # from an attempt that failed after it had begun
        limiter = self._limiter or self._limiter_of(call)
        slots, window = limiter.slots, self._window
        permit: Permit | None = None
        inside = stays = False
        try:
            try:
                if slots.inside < slots.limit and not slots.waiters and not FREE_THREADED:
                    slots.inside, inside = slots.inside + 1, True
                else:
                    permit = Permit()
                    if not limiter.enter(permit):
                        raise self._refusal(call)
                if window is None:
                    result = proceed(call)
                else:
                    clock = self._clock
                    started = clock()
                    result = proceed(call)
                    elapsed = (now := clock()) - started
                    if FREE_THREADED:
                        self._adapt(now, elapsed)
                    else:  # inlines `Window.add`
                        window.count, window.total = window.count + 1, window.total + elapsed
                        if slots.inside > window.most_in_flight:
                            window.most_in_flight = slots.inside
                        if now >= window.ends_at:
                            self._adapt(now)
                if call.held and self._holds_open:
                    permit = permit or Permit()
                    if inside:
                        permit.state, inside = _INSIDE, False
                    call.on_close(self, partial(limiter.leave, permit))
                    stays = True
                return result
            finally:
                if inside and not slots.waiters:
                    slots.inside, inside = slots.inside - 1, False
                elif not stays and permit is not None:
                    limiter.leave(permit)
        finally:
            if inside:  # a call waits, or an interrupt struck in between
                permit = permit or Permit()
                permit.state, inside = _INSIDE, False
            if permit is not None and not stays and permit.state is not _OUTSIDE:
                limiter.leave(permit)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:  # noqa: C901
        """Run the rest of a call of an `AsyncPool`."""
        if call.attempt and self._holds_open:
            call.run_on_close(self)  # from an attempt that failed after it had begun
        limiter = self._limiter or self._limiter_of(call)
        slots, window = limiter.slots, self._window
        permit: Permit | None = None
        inside = stays = False
        try:
            try:
                if slots.inside < slots.limit and not slots.waiters and not FREE_THREADED:
                    slots.inside, inside = slots.inside + 1, True
                else:
                    permit = Permit()
                    if not await limiter.enter_async(permit):
                        raise self._refusal(call)
                if window is None:
                    result = await proceed(call)
                else:
                    clock = self._clock
                    started = clock()
                    result = await proceed(call)
                    elapsed = (now := clock()) - started
                    if FREE_THREADED:
                        self._adapt(now, elapsed)
                    else:  # inlines `Window.add`
                        window.count, window.total = window.count + 1, window.total + elapsed
                        if slots.inside > window.most_in_flight:
                            window.most_in_flight = slots.inside
                        if now >= window.ends_at:
                            self._adapt(now)
                if call.held and self._holds_open:
                    permit = permit or Permit()
                    if inside:
                        permit.state, inside = _INSIDE, False
                    call.on_close(self, partial(limiter.leave, permit))
                    stays = True
                return result
            finally:
                if inside and not slots.waiters:
                    slots.inside, inside = slots.inside - 1, False
                elif not stays and permit is not None:
                    limiter.leave(permit)
        finally:
            if inside:  # a call waits, or an interrupt struck in between
                permit = permit or Permit()
                permit.state, inside = _INSIDE, False
            if permit is not None and not stays and permit.state is not _OUTSIDE:
                limiter.leave(permit)

    def _limiter_of(self, call: Call) -> ConcurrencyLimiter:
        """Return the limiter of a call, where there is not one for all."""
        raise NotImplementedError

    def _adapt(self, now: float, unnoted: float | None = None) -> None:
        """Adapt to the window, which may be complete.

        Arguments:
            now: seconds of `clock`.
            unnoted: a latency that is to be added first, without the interpreter lock.
        """
        raise NotImplementedError

    def _refusal(self, call: Call) -> TooManyCalls:
        """Count a call that got no permit, and return its error."""
        raise NotImplementedError
