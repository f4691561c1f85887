"""Lets equal calls in flight at the same time share one call to a server."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime._concurrency.threads import Gate
from connpool_runtime._tracebacks import StandIn, without_traceback
from connpool_runtime.breaker.classifier import ResultCountedAsFailure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import DeadlineExceeded
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["Coalesce"]


class _Flight:
    """What one caller of a `Pool` makes or waits for: a call that others may share, or a place among those who wait.

    Made before it is registered anywhere, so that it always has an owner who ends it. Each who waits has a gate
    of its own: an interrupt can strike the owner of a gate that several wait at where it keeps the others out.
    """

    __slots__ = ("ended", "error", "gate", "guests", "leader", "lost", "result", "shares")

    def __init__(self) -> None:
        self.leader = get_ident()
        self.guests: set[_Flight] = set()  # who wait for this call
        self.ended = False
        self.lost = True  # no answer so far, or the leading call was interrupted
        self.result: Any = None
        self.error: Exception | None = None
        self.shares: _Flight | None = None  # the call that its owner waits for
        self.gate: Gate | None = None  # opens when that has ended

    @property
    def waiting(self) -> int:
        """How many callers wait for this call."""
        return len(self.guests)


class _TaskFlight:
    """A call of an `AsyncPool` that others may share: a task that belongs to all of them."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: Task[Any]) -> None:
        self.task = task
        self.waiting = 0


class Coalesce:
    """Makes one call to a server for all equal calls in flight at the same time ("single flight").

    A burst of equal calls costs one call: the first one makes it, the others wait and get its
    result, or a copy of its error. Two calls are equal if they are of the same method and their arguments are
    equal and of equal types. Only calls of idempotent methods with hashable arguments are shared; streams,
    context managers, and calls with a key or a balancer of their own never are.

    Two things to know before it is used. All callers get *the same object*: a caller that changes a mutable
    result changes that of the others. And a caller may get an answer that the server gave before the caller
    asked, so a read that must see the caller's own write must not be shared: name the methods that may be
    shared.

    What happens to the first caller does not affect the others. In an `AsyncPool` the shared call is a task
    that is cancelled when the last of its callers is gone. In a `Pool`, the first caller's thread makes the
    call; if that thread is interrupted, or its own deadline passes, one of the other callers makes the call
    again. Each caller waits until its own deadline only. Safe for threads.

    Arguments:
        methods: names of the methods that are shared; all that are idempotent if not given.
        max_calls: different calls that are shared at a time; 1024. One more is simply made.
        max_waiting: callers who wait for one call at a time; 1024. One more makes a call of its own.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.COALESCE

    def __init__(
        self,
        methods: Iterable[str] | None = None,
        *,
        max_calls: int = 1024,
        max_waiting: int = 1024,
    ) -> None:
        whole_number("max_calls", max_calls, least=1)
        whole_number("max_waiting", max_waiting, least=1)
        if isinstance(methods, str):
            raise ValueError(f"methods must be several names, as in [{methods!r}], not {methods!r}")
        self._methods: Collection[str] | None = None if methods is None else frozenset(methods)
        self._max_calls = max_calls
        self._max_waiting = max_waiting
        self._lock = new_lock()
        self._tally = MiddlewareCounters(
            coalesced="Calls that shared the answer of an equal call in flight."
        )
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Reset to no calls in flight, as for a child process."""
        self._flights: dict[Hashable, _Flight] = {}
        self._task_flights: dict[Hashable, _TaskFlight] = {}

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`, or wait for an equal one."""
        key = self._key(call, proceed)
        if key is None:
            return proceed(call)
        own = _Flight()
        try:
            try:
                return self._share(key, own, call, proceed)
            finally:
                self._end(key, own)
        finally:
            if not own.ended:  # an interrupt struck in between
                self._end(key, own)

    def _share(self, key: Hashable, own: _Flight, call: Call, proceed: Proceed) -> Any:
        while True:
            flight = self._lead_or_join(key, own)
            if flight is None:
                return proceed(call)
            if flight is own:
                return self._lead(own, call, proceed)
            self._wait_for(flight, own, call)
            if not flight.lost:
                self._tally.add("coalesced")
                if flight.error is not None:
                    raise _own_copy(flight.error)
                return flight.result

    def _lead_or_join(self, key: Hashable, own: _Flight) -> _Flight | None:
        """Return the caller's own flight, now registered, or the one that it waits for; None if it does neither."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                if len(self._flights) >= self._max_calls:
                    return None
                self._flights[key] = own
                return own
            if not self._may_join(flight, own):
                return None
            own.gate, own.shares = Gate(), flight
            flight.guests.add(own)
            return flight

    def _may_join(self, flight: _Flight, own: _Flight) -> bool:
        """Return whether a caller may wait for a call: not if the caller itself is making it."""
        return flight.leader != own.leader and flight.waiting < self._max_waiting

    def _lead(self, own: _Flight, call: Call, proceed: Proceed) -> Any:
        try:
            own.result = result = proceed(call)
            own.lost = False
            return result
        except DeadlineExceeded:
            raise  # the leading caller's deadline; the others may have more time
        except Exception as error:
            own.error, own.lost = error, False
            raise

    def _wait_for(self, flight: _Flight, own: _Flight, call: Call) -> None:
        left = remaining()
        if own.gate is not None and not own.gate.wait(left):
            raise _too_late(call, left)
        with self._lock:
            self._leave(own)

    def _end(self, key: Hashable, own: _Flight) -> None:
        """Wait no more, and wake all who wait for this flight. Harmless when done already."""
        with self._lock:
            if self._flights.get(key) is own:
                del self._flights[key]
            self._leave(own)
            for guest in own.guests:
                if guest.gate is not None:
                    guest.gate.open()
        own.ended = True

    def _leave(self, own: _Flight) -> None:
        if own.shares is not None:
            own.shares.guests.discard(own)
            own.shares = None

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool` in a task, or wait for an equal one."""
        import asyncio

        key = self._key(call, proceed)
        while key is not None:
            here = asyncio.get_running_loop(), key
            flight = self._task_flights.get(here)
            if flight is None and len(self._task_flights) < self._max_calls:
                flight = self._start_shared(here, call, proceed)
                # The leading caller's deadline applies inside the task.
                await self._wait_for_task(here, flight, math.inf)
                return flight.task.result()
            if flight is None or not self._may_join_task(flight):
                break
            left = remaining()
            await self._wait_for_task(here, flight, left)
            if not flight.task.done():
                raise _too_late(call, left)
            if not _is_lost(flight.task):
                self._tally.add("coalesced")
                error = flight.task.exception()
                if error is not None:
                    raise _own_copy(error)
                return flight.task.result()
        return await proceed(call)

    def _may_join_task(self, flight: _TaskFlight) -> bool:
        """Return whether this task may wait for a call: not if it is itself making it."""
        from asyncio import current_task

        return flight.task is not current_task() and flight.waiting < self._max_waiting

    def _start_shared(self, key: Hashable, call: Call, proceed: Proceed) -> _TaskFlight:
        import asyncio

        async def run() -> Any:
            return await proceed(call)

        task = asyncio.create_task(run(), name=f"{call.pool}.{call.method.name}, shared")
        flight = self._task_flights[key] = _TaskFlight(task)

        def end(task: Task[Any]) -> None:
            self._forget(key, flight)
            if not task.cancelled():
                task.exception()  # asyncio complains about an error that is never retrieved

        task.add_done_callback(end)
        return flight

    async def _wait_for_task(self, key: Hashable, flight: _TaskFlight, left: float) -> None:
        """Wait for the end of a shared call; the last caller to give up cancels it, and waits for that."""
        import asyncio

        flight.waiting += 1
        may_wait = True
        try:
            await asyncio.wait([flight.task], timeout=None if left == math.inf else left)
        except GeneratorExit:  # the caller's coroutine is given up, and must not wait any more
            may_wait = False
            raise
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._forget(key, flight)
                if not flight.task.get_loop().is_closed():
                    flight.task.cancel()
                if may_wait:
                    await asyncio.wait([flight.task])

    def _forget(self, key: Hashable, flight: _TaskFlight) -> None:
        if self._task_flights.get(key) is flight:
            del self._task_flights[key]

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()

    def _key(self, call: Call, proceed: Proceed) -> Hashable | None:
        """Return a key that equal calls share; None if the call is not to be shared."""
        method = call.method
        if not method.idempotent or call.held or not call.may_be_fast or call.attempt:
            return None
        if self._methods is not None and method.name not in self._methods:
            return None
        args = call.args
        # 1, 1.0 and True are equal, but a server may distinguish them. `proceed` belongs to one pool.
        key = (proceed, method.name, tuple(map(type, args)), args)
        try:
            hash(key)
        except TypeError:
            return None
        return key


def _is_lost(task: Task[Any]) -> bool:
    """Return whether a call ended for its leading caller only: by a cancellation, or by that caller's deadline."""
    return task.cancelled() or isinstance(task.exception(), DeadlineExceeded)


def _own_copy(error: BaseException) -> BaseException:
    """Return a copy of an error for one of several callers: raising an error adds frames to it."""
    if isinstance(error, ResultCountedAsFailure):
        return error  # holds the result that each caller gets
    copy = without_traceback(error)
    return error if isinstance(copy, StandIn) else copy


def _too_late(call: Call, left: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{call.pool}.{call.method.name}, which an equal call was making already, did not end before the"
        f" deadline of its caller, {left:.3g} s later",
        pool=call.pool,
    )
