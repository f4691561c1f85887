"""The pool for tasks."""

# Names on the fast path are only bound where no exception was raised, because binding them earlier is not free.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from connpool_runtime._concurrency.interrupts import run_in_thread_if_interrupted
from connpool_runtime._concurrency.is_async import ASYNC
from connpool_runtime.balancing.balancers import Balancer
from connpool_runtime.balancing.picker import untried
from connpool_runtime.breaker.classifier import ResultCountedAsFailure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.calling import current_options
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.middleware_chain import (
    AsyncMiddleware,
    MiddlewareFunction,
    Proceed,
    around,
    outermost,
)
from connpool_runtime.calls.phases import Phases
from connpool_runtime.checkout.async_acquire import acquire
from connpool_runtime.checkout.async_fast_path import BUSY, FAST_CALLS, Unfinished
from connpool_runtime.checkout.state import LockedCallPath, LockedFastPath
from connpool_runtime.checkout.time_limit import TimeLimit
from connpool_runtime.checkout.try_acquire import give_back_success, try_acquire
from connpool_runtime.classifiers.verdict import SUCCESS
from connpool_runtime.errors import PoolClosed
from connpool_runtime.members.member import Member
from connpool_runtime.options.validation import seconds as check_seconds
from connpool_runtime.options.validation import whole_number
from connpool_runtime.pool.base import LEASE, BasePool, execute_method, known
from connpool_runtime.results.async_stream import AsyncStream
from connpool_runtime.results.awaitables import PendingCall, call_any
from connpool_runtime.results.broadcast import broadcast_async
from connpool_runtime.results.context import AsyncPooledContext, SyncContextOnAsync
from connpool_runtime.results.lease import AsyncPoolLease, PoolLease
from connpool_runtime.results.pinned import AsyncPinned, AsyncStreamOrValue, SyncPinnedOnAsync
from connpool_runtime.settings import PoolOptions, PoolSettings
from connpool_runtime.stats.histogram import NO_BUCKET

if TYPE_CHECKING:
    from connpool_runtime.checkout.state import BackgroundWorker, Sweeper
    from connpool_runtime.clients.settings import EndpointOptions
    from connpool_runtime.connectors.protocols import AsyncConnector
    from connpool_runtime.discovery.async_discovery import AsyncDiscovery
    from connpool_runtime.discovery.endpoint import Endpoint
    from connpool_runtime.discovery.settings import DiscoveryOptions
    from connpool_runtime.discovery.source import AsyncSource
    from connpool_runtime.pool.async_closings import AsyncClosings

__all__ = ["AsyncPool"]

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")

new_object = object.__new__
CLOSING_TIME = 0.5  # least number of seconds for closing, when draining took all the time


class AsyncPool(BasePool[C]):
    """A pool of clients for tasks: runs each call on one of its members. For the tasks of one event loop.

    Arguments:
        name: how errors, stats and metrics call this pool.
        methods: the methods that stats list from the start; others appear when first called.
        close: closes a client whose member leaves; may be a coroutine function; without it clients
            stay their owner's business.
        options: see `PoolSettings`.

    Raises:
        ValueError: an option is not allowed.
    """

    _way = "around_async"
    if TYPE_CHECKING or ASYNC:
        _blocking = False
    else:
        _blocking = True

    def __init__(
        self,
        name: str = "pool",
        *,
        methods: Iterable[Method[C, Any]] = (),
        close: Callable[[C], object] | None = None,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(name, methods=methods, close=close, **options)
        self._state.close_departed = self._close_departed
        self._closings_made: AsyncClosings | None = None
        self._by_call: bool  # what the current arrangement of calls is for
        self._replaces_call = False
        self._proceed: Proceed
        # the same split in two, if there is any middleware
        self._outermost: tuple[MiddlewareFunction, Proceed]
        self._phases: Phases
        self._arrange_calls()

    # Calls

    # One function on purpose: each further function call would cost a tenth of it.
    async def call(  # noqa: C901
        self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()
    ) -> R:
        """Run a method on a member and return its result.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        pick, clock, latest = self._state.fast_path
        member = pick()
        started = clock()
        generation: object = member  # the member itself: no call was counted yet
        try:
            try:
                # Taking is one statement, in which no other thread runs and no interrupt strikes (see "What is
                # relied on" in docs/architecture.md). Code that drains a member marks it first and then counts,
                # so one side sees the other; after an interrupt between two lines, `generation` shows whether
                # the call was counted. Giving back below works the same way.
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is None:
                    member.taken, generation = member.taken - 1, member
                    first = member
                    if (path := self._state.locked_fast_path) is not None:
                        first = path[0]()
                        run = FAST_CALLS[type(first.source)]
                        answer: R = await run(self._checkout, path, first, method, args)
                        if answer is not BUSY:
                            return answer
                    return await self._slow_call(method, args, first=first)
                invoke = method.invoke
                result = await invoke(member.client, args)
                elapsed = clock() - started
                member.served += 1
            except BaseException as error:
                if generation is not member:
                    began = generation
                    member.taken, generation = member.taken - 1, member
                    self._checkout.recorder.failure(method, member, began, started, error)
                raise
        except BaseException as error:
            if generation is not member:
                member.taken -= 1
            if isinstance(error, ResultCountedAsFailure):
                return cast("R", error.result)
            raise
        try:
            bucket = latest[method]
        except KeyError:
            bucket = self._checkout.recorder.first_success(method, member, generation, elapsed)
        if elapsed <= bucket.high and elapsed > bucket.low:
            bucket.count += 1
            bucket.total += elapsed
        else:
            self._checkout.recorder.other_duration(method, member, generation, elapsed)
        return result

    # Replaces `call` in a pool whose balancer sees the call or its duration; one function for the same reason.
    async def _call_by_call(  # noqa: C901
        self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()
    ) -> R:
        state = self._state
        pick = state.call_picker
        if pick is None:
            return await self._locked_call_by_call(method, args)
        clock = state.clock
        try:
            member: Member[C] = pick(method, args)
        except BaseException as error:
            call = self._checkout.new_call(method, args)
            self._checkout.recorder.record_call(call, clock(), error)
            raise
        started = clock()
        generation: object = member
        try:
            try:
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is None:
                    member.taken, generation = member.taken - 1, member
                    return await self._slow_call(method, args, first=member)
                invoke = method.invoke
                result = await invoke(member.client, args)
                elapsed = (now := clock()) - started
                member.served += 1
            except BaseException as error:
                if generation is not member:
                    began = generation
                    member.taken, generation = member.taken - 1, member
                    self._checkout.recorder.failure(method, member, began, started, error)
                raise
        except BaseException as error:
            if generation is not member:
                member.taken -= 1
            if isinstance(error, ResultCountedAsFailure):
                return cast("R", error.result)
            raise
        if state.timed:
            member.latency.observe(elapsed, False, now)
        try:
            bucket = state.latest[method]
        except KeyError:
            bucket = self._checkout.recorder.first_success(method, member, generation, elapsed)
        if elapsed <= bucket.high and elapsed > bucket.low:
            bucket.count += 1
            bucket.total += elapsed
        else:
            self._checkout.recorder.other_duration(method, member, generation, elapsed)
        return result

    async def _locked_call_by_call(
        self, method: Method[C, Awaitable[R]], args: tuple[Any, ...]
    ) -> R:
        """Run a call whose member depends on the call, where members have limits."""
        path, checkout = self._state.locked_call_path, self._checkout
        if path is None:
            return await self._slow_call(method, args)
        try:
            member: Member[C] = path[0](method, args)
        except BaseException as error:
            call = checkout.new_call(method, args)
            checkout.recorder.record_call(call, self._state.clock(), error)
            raise
        try:
            run = FAST_CALLS[type(member.source)]
            answer: R = await run(checkout, path, member, method, args)
        except ResultCountedAsFailure as error:
            return cast("R", error.result)
        return await self._slow_call(method, args, first=member) if answer is BUSY else answer

    # Replaces `call` in a pool whose middleware have nothing to do for a call that succeeds at once: a failed
    # call goes on as if its first attempt had been made inside the middleware.
    async def _call_in_phases(  # noqa: C901
        self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()
    ) -> R:
        state, phases = self._state, self._phases
        if (ask := phases.admit) is not None and (chained := ask(method, args)) is not None:
            record, chain = chained
            clock = state.clock
            answer: R = await self._run_chain(record, chain, clock())
            return answer
        pick, clock, latest = state.fast_path
        by_call = state.call_picker
        call_count = phases.call_count
        started = clock()
        if started >= call_count.end:
            call_count = phases.next_call_count(started)
        call_count.calls += 1
        call: Call | None = None
        # `generation` is the member itself as long as no call is counted; so far no member is picked.
        generation: object = (member := state.slow_path_member)
        try:
            try:
                if (invokes := phases.invokes) is None:
                    invoke = method.invoke
                else:
                    invoke = invokes.get(method) or phases.invoke_of(method)
                generation = member = pick() if by_call is None else by_call(method, args)
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is None:
                    member.taken, generation = member.taken - 1, member
                    given: Any = BUSY
                    path: LockedFastPath[C] | LockedCallPath | None
                    if (path := state.locked_fast_path) is not None:
                        generation = member = path[0]()
                    elif (path := state.locked_call_path) is not None:
                        generation = member = path[0](method, args)
                    if path is not None:
                        run = FAST_CALLS[type(member.source)]
                        given = await run(self._checkout, path, member, method, args, True, invoke)
                    if given is BUSY:
                        call = self._checkout.new_call(method, args, None, member)
                    elif type(given) is Unfinished:
                        call = given.call
                    else:
                        return cast("R", given)
                else:
                    result = await invoke(member.client, args)
                    elapsed = (now := clock()) - started
                    member.served += 1
            except BaseException as error:
                call = self._checkout.new_call(method, args)
                if generation is not member:
                    began = generation
                    member.taken, generation = member.taken - 1, member
                    call.begin(member)
                    self._checkout.recorder.failed_attempt(call, member, began, started, error)
                call.spent = clock() - started
                call.fail_first(error)
        except BaseException:
            if generation is not member:
                member.taken -= 1
            raise
        if call is not None:
            if call.first_error is None and phases.invokes is None:
                made = await self._try_first(call, started)
                if type(made) is not Unfinished:
                    return cast("R", made)
            answer = await self._run_chain(call, phases.chain, started)
            return answer
        if state.timed:
            member.latency.observe(elapsed, False, now)
        try:
            bucket = latest[method]
        except KeyError:
            bucket = self._checkout.recorder.first_success(method, member, generation, elapsed)
        if elapsed <= bucket.high and elapsed > bucket.low:
            bucket.count += 1
            bucket.total += elapsed
        else:
            self._checkout.recorder.other_duration(method, member, generation, elapsed)
        return result  # pyright: ignore[reportReturnType]  # bound: no exception came

    async def _try_first(self, call: Call, started: float) -> Any:
        """Make the first attempt of a call on the slow path; return its result, or an `Unfinished`."""
        state = self._state
        try:
            result = await self._attempt_with_lease(call)
        except BaseException as error:
            call.spent = state.clock() - started
            call.fail_first(error)
            return Unfinished(call)
        self._checkout.recorder.count_success(call.method, state.clock() - started)
        return result

    async def _call_around(self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()) -> R:
        """Run a call inside middleware that run around every call."""
        state = self._state
        middleware, inner = self._outermost
        call = new_object(Call)  # what `Call.__init__` does, without the cost of a call
        call.pool, call.method, call.args, call.error_judge = state.name, method, args, state.judge
        call.attempt, call.tried, call.held, call.may_be_fast = 0, (), False, True
        if state.looks_for_blocks and (options := current_options()) is not None:
            call.follow(options)
        clock = state.clock
        started = clock()
        try:
            result: R = await middleware(call, inner)
        except BaseException as error:
            self._checkout.recorder.record_call(call, started, error)
            if isinstance(error, ResultCountedAsFailure):
                return cast("R", error.result)
            raise
        elapsed = clock() - started
        try:
            bucket = state.latest[method]
        except KeyError:
            bucket = NO_BUCKET
        if elapsed <= bucket.high and elapsed > bucket.low:
            bucket.count += 1
            bucket.total += elapsed
        else:
            self._checkout.recorder.count_success(method, elapsed)
        return result

    async def _slow_call(
        self,
        method: Method[C, Awaitable[R]],
        args: tuple[Any, ...],
        *,
        first: Member[C] | None = None,
        balancer: str | Balancer | None = None,
        key: object = None,
    ) -> R:
        """Run a call on the slow path: through the middleware, each attempt with a lease."""
        # The first member with a role may have joined, or the last one left, since calls were arranged.
        if self._by_call is not self._state.by_call:
            self._arrange_calls()
        call = self._checkout.new_call(method, args, balancer, first, key)
        answer: R = await self._run_chain(call, self._proceed, self._state.clock())
        return answer

    async def _run_chain(self, call: Call, proceed: Proceed, started: float) -> Any:
        """Run a call through middleware, and count it."""
        state, recorder = self._state, self._checkout.recorder
        try:
            result = await proceed(call)
        except BaseException as error:
            recorder.record_call(call, started, error)
            if isinstance(error, ResultCountedAsFailure):
                return error.result
            raise
        clock = state.clock
        recorder.count_success(call.method, clock() - started)
        return result

    async def _attempt(self, call: Call) -> Any:  # noqa: C901
        """Make one attempt of a call, inside all middleware."""
        if not call.may_be_fast:
            return await self._attempt_with_lease(call)
        state, method = self._state, call.method
        pick, clock, _ = state.fast_path
        by_call = state.call_picker
        tried = call.tried  # read once: class attributes of a record are slow to find
        if tried:
            if by_call is not None:
                return await self._attempt_with_lease(call)
            pick = untried(pick, tried, state.slow_path_member)
        generation: object = (member := state.slow_path_member)  # as above
        timed = state.timed
        started = now = clock() if timed else 0.0
        try:
            try:
                generation = member = pick() if by_call is None else by_call(method, call.args)
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is not None:
                    if tried:
                        call.begin(member)
                    else:  # the same, for the first attempt
                        call.member, call.attempt, call.tried = member, 1, [member]
                    invoke = method.invoke
                    result = await invoke(member.client, call.args)
                    if timed:
                        now = clock()
                    member.served += 1
                else:
                    member.taken, generation = member.taken - 1, member
            except BaseException as error:
                if generation is not member:
                    began = generation
                    member.taken, generation = member.taken - 1, member
                    self._checkout.recorder.failed_attempt(call, member, began, started, error)
                raise
        except BaseException:
            if generation is not member:
                member.taken -= 1
            raise
        if generation is member:
            path = state.locked_fast_path
            if (by_call_path := state.locked_call_path) is not None and not tried:
                path = (partial(by_call_path[0], method, call.args), *by_call_path[1:])
            if path is None or member is not state.slow_path_member:
                call.given, call.may_be_fast, path = member, False, None
            return await self._attempt_with_lease(call, path)
        call.verdict = SUCCESS
        slow = False
        if timed:
            member.latency.observe(now - started, False, now)
            slow = now - started > state.slow_call_duration
        if slow or member.steady_generation is not generation:
            self._checkout.recorder.notable_success(member, generation, now - started)
        if tried and call.suspects:
            self._checkout.recorder.record_proof(call, member)
        return result

    async def _attempt_with_lease(self, call: Call, path: LockedFastPath[C] | None = None) -> Any:
        """Make one attempt with a lease, by `try_acquire` if a path is given; or raise the error of one that was made already."""
        if call.first_error is not None:
            error, call.first_error, call.may_be_fast = call.first_error, None, True
            try:
                raise error
            finally:
                del error  # the error refers to this frame
        checkout = self._checkout
        lease: Lease[C] = Lease()
        try:
            if path is None or not try_acquire(checkout, path, lease, call):
                path = None
                await acquire(checkout, lease, call)
            result = await call.method.invoke(lease.client, call.args)
            if path is None or not give_back_success(checkout, path, lease, call):
                checkout.settle(lease, call)
        except BaseException as error:
            checkout.settle(lease, call, error)
            raise
        finally:
            if lease.open:
                checkout.drop(lease, call)
        return result

    if TYPE_CHECKING or ASYNC:

        def stream(
            self,
            method: Method[C, AsyncIterable[T] | Awaitable[AsyncIterable[T]]],
            args: tuple[Any, ...] = (),
        ) -> AsyncStream[T]:
            """Return an asynchronous iterator, opened on a member when entered or at its first item.

            The member stays taken until the last item or `aclose`.
            """
            return AsyncStream(self._checkout, self._checkout.new_call(method, args))

    else:

        def stream(self, method: Method[C, Iterable[T]], args: tuple[Any, ...] = ()) -> Stream[T]:
            """Open an iterator on a member, which stays taken until the last item or `close`.

            Raises:
                Rejected: no member was called; the type says why.
                BaseException: whatever the client raised on opening, unchanged.
            """
            stream: Stream[T] = Stream(self._checkout, self._checkout.new_call(method, args))
            return stream.open()

    def context(
        self, method: Method[C, AbstractAsyncContextManager[T]], args: tuple[Any, ...] = ()
    ) -> AbstractAsyncContextManager[T]:
        """Return a context manager that picks a member when entered and holds it until exit."""
        return AsyncPooledContext(self._checkout, self._checkout.new_call(method, args))

    async def pinned(
        self,
        method: Method[C, Awaitable[R]],
        args: tuple[Any, ...] = (),
        instead_of_client: object = None,
    ) -> R:
        """Run a method whose result stays bound to its client's connection.

        The member stays taken until the result is gone, or a generator at its end. A client that returns itself is answered
        for by `instead_of_client`, the wrapper.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        call = self._checkout.new_call(method, args)
        result: R = await AsyncPinned(self._checkout, call).run(instead_of_client)
        return result

    async def call_or_stream(
        self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()
    ) -> R:
        """Call a method whose arguments decide whether it returns a stream, as `stream=True` does.

        A stream keeps the member: a generator until its last item, and what it raises is counted. Any other stream is
        handed out as it is, keeps the member until it is gone, and what goes wrong in it is the caller's to see. Any
        result that is no stream ends the call.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        call = self._checkout.new_call(method, args)
        result: R = await AsyncStreamOrValue(self._checkout, call).run()
        return result

    async def broadcast(self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()) -> R:
        """Run a method on every member and return the first member's result.

        Raises:
            PoolClosed, NoMembers: there is no member to run it on.
            ExceptionGroup: several members failed; a single failure is raised as it is.
        """
        return await broadcast_async(self._checkout, method, args)

    async def execute(
        self,
        fn: Callable[[C], Awaitable[R]],
        *,
        balancer: str | Balancer | None = None,
        idempotent: bool = False,
        key: object = None,
    ) -> R:
        """Run a coroutine function on a member's client, as one call.

        Arguments:
            fn: gets the client; its result is returned.
            balancer: picks for this call only.
            idempotent: whether the function may be run again by a retry.
            key: calls with the same key meet the same member, if the balancer is "consistent_hash"; others
                take no notice of it.

        Raises:
            TypeError: the function is for the other kind of pool.
            ValueError: there is no balancer of this name.
        """
        method, run = execute_method(idempotent), self._executable(fn)
        result: R = await self._slow_call(method, (run,), balancer=known(balancer), key=key)
        return result

    def lease(
        self,
        method: Method[C, Any] | None = None,
        *,
        balancer: str | Balancer | None = None,
        key: object = None,
    ) -> AsyncPoolLease[C]:
        """Return a context manager that takes a member for several steps and gives its client.

        Middleware do not see what happens inside. An error that leaves the block counts as the outcome.

        Arguments:
            method: whose policy applies, and whose name stands in the numbers.
            balancer: picks for this lease only.
            key: leases with the same key meet the same member, if the balancer is "consistent_hash".
        """
        call = self._checkout.new_call(method or LEASE, (), known(balancer), key=key)
        return AsyncPoolLease(self._checkout, call)

    # Results that are not simply awaited; only asynchronous clients have them.

    if TYPE_CHECKING or ASYNC:

        def pending(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> Any:
            """Return a result that may be awaited, entered or iterated; nothing happens before that."""
            return PendingCall(
                lambda: self.call(method, args),
                lambda: self.context(method, args),
                lambda: self.stream(method, args),
            )

        def pending_pinned(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> Any:
            """Do the same as `pending` with a result that, awaited, stays bound to its client's connection.

            Then the member stays taken until the result is gone, see `pinned`.
            """
            return PendingCall(
                lambda: self.pinned(method, args),
                lambda: self.context(method, args),
                lambda: self.stream(method, args),
            )

        def call_sync(self, method: Method[C, R], args: tuple[Any, ...] = ()) -> R:
            """Run an ordinary method, which does not wait, on a member; middleware is bypassed.

            Raises:
                Rejected: no member was called; the type says why.
                BaseException: whatever the client raised, unchanged.
            """
            checkout = self._checkout
            call = self._checkout.new_call(method, args)
            started = self._state.clock()
            lease: Lease[C] = Lease()
            try:
                client = checkout.acquire_now(lease, call)
                result = method.invoke(client, args)
                checkout.settle(lease, call)
            except BaseException as error:
                checkout.settle(lease, call, error)
                checkout.recorder.record_call(call, started, error)
                if isinstance(error, ResultCountedAsFailure):
                    return cast("R", error.result)
                raise
            finally:
                if lease.open:
                    checkout.drop(lease, call)
            checkout.recorder.record_call(call, started)
            return result

        def call_any(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> Any:
            """Run a method that may return at once or return an awaitable; middleware is bypassed.

            Raises:
                Rejected: no member was called; the type says why.
            """
            return call_any(self._checkout, self._checkout.new_call(method, args))

        def pinned_sync(
            self, method: Method[C, R], args: tuple[Any, ...] = (), instead_of_client: object = None
        ) -> R:
            """Do the same as `pinned` with a method that does not wait; middleware is bypassed."""
            result: R = SyncPinnedOnAsync(
                self._checkout, self._checkout.new_call(method, args)
            ).run(instead_of_client)
            return result

        def context_sync(
            self, method: Method[C, AbstractContextManager[T]], args: tuple[Any, ...] = ()
        ) -> AbstractContextManager[T]:
            """Return a plain context manager that picks a member when entered; middleware is bypassed."""
            return SyncContextOnAsync(self._checkout, self._checkout.new_call(method, args))

        def hold(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> PoolLease[C]:
            """Return a lease to enter without waiting, for a call that ends in a callback.

            Middleware do not see such a call.
            """
            return PoolLease(self._checkout, self._checkout.new_call(method, args))

        @property
        def has_middleware(self) -> bool:
            """Whether middleware is registered."""
            return bool(self._state.middleware)

    # Middleware

    def register_middleware(self, middleware: AsyncMiddleware | MiddlewareFunction) -> None:
        """Register a middleware around all later calls, inside the middleware registered before.

        Arguments:
            middleware: a coroutine function of the call and of `proceed`, which runs the rest; or
                an object with a method `around_async` like that.

        Raises:
            TypeError: `middleware` is neither.
            ValueError: it is a second `Retry` or `Hedging`, with which attempts would multiply.
        """
        self._add_middleware(middleware)

    def _arrange_calls(self) -> None:
        state, chain = self._state, self._state.middleware
        self._by_call = state.by_call
        new_call = self._checkout.new_call
        # A running call may see a mixture of the old and the new attributes: each works on its own.
        self._phases = Phases(state.name, new_call, self._attempt, chain, state.clock)
        self._proceed = around(self._attempt, chain)
        call: Any = None  # the class's own
        if chain:
            self._outermost = outermost(self._attempt, chain)
            in_phases = not any(one.always for one in chain)
            call = self._call_in_phases if in_phases else self._call_around
        elif state.by_call:
            call = self._call_by_call
        elif state.compares_latency:  # which measures each call for its member
            call = self._call_in_phases
        if call is not None:
            self._replaces_call = True
            self.call = call  # type: ignore[method-assign]  # pools with the class's own pay nothing
        elif self._replaces_call:
            # Only then: on Python 3.11 deleting what is not there makes calling the class's own slower, in all
            # pools of the process. And not through `__dict__`, which makes attributes of the instance slower.
            with suppress(AttributeError):
                del self.call
            self._replaces_call = False

    # Members

    def add_endpoint(
        self,
        factory: Callable[[], C | Awaitable[C]],
        name: str | None = None,
        weight: int = 1,
        *,
        close: Callable[[C], object] | None = None,
        validate: Callable[[C], object] | None = None,
        configure: Callable[[C], object] | None = None,
        reset: Callable[[C], object] | None = None,
        priority: int = 0,
        zone: str | None = None,
        labels: Mapping[str, str] | None = None,
        **options: Unpack[EndpointOptions],
    ) -> None:
        """Add an endpoint, whose clients are opened when calls need them.

        It is one member to the balancer and the breaker, however many clients it has. The client
        used last is used next, so that surplus ones become idle and are closed. One that failed,
        or whose only user was interrupted, is validated before its next use; without `validate`
        it is closed. Nothing is opened here: see `warm_up`.

        Arguments:
            factory: opens one client, in the call that needs it; may be a coroutine function. It counts
                into the time that a call may wait, `checkout_timeout`. What takes longer is broken off
                if it is a coroutine; a blocking call has to end by itself. What the factory raises is
                evidence that the endpoint cannot be reached; the call goes to another one.
            name: unique in this pool; m1, m2, ... if not given.
            weight: share of the calls, for balancers that know weights; from 1 to 1,000,000,000, with
                "consistent_hash" to 1,000.
            close: closes one client; may be a coroutine function; default is the pool's way.
            validate: checks one client; False, or any error, says that it is not fit for use.
            configure: gets each new client once, before any call; may be a coroutine function. An error
                closes the client, and counts as one of the factory.
            reset: gets each client after each use, before its next one, as to roll a transaction back; may be a
                coroutine function. It runs in the background, so that the caller does not wait for it. A
                client that it
                raises an error for is closed. Only for clients of one call at a time.
            priority: endpoints of a higher number are called when too few of the lower ones are healthy.
            zone: where the endpoint is; those of the pool's own zone are preferred.
            labels: what is known about the endpoint, as {"role": "replica"}, for routes of methods and `calling`.
            options: see `EndpointSettings`; `max_concurrency` defaults to the pool's, if that
                has one.

        Raises:
            TypeError: the factory is not a function, or has to be awaited and the pool is for threads.
            ValueError: the name is taken, or an option is not allowed.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.checkout.async_opener import closing_of

        store = self._new_store(factory, close, validate, configure, reset, options)
        close_all = closing_of(self._checkout, store)
        self._add_store(store, close_all, name, weight, priority, zone, labels)

    def _new_housekeeper(self) -> BackgroundWorker:
        from connpool_runtime.checkout.async_housekeeper import AsyncHousekeeper

        return AsyncHousekeeper(self._checkout)

    def _new_sweepers(self, settings: PoolSettings) -> Iterable[Sweeper]:
        if settings.compares_members or settings.leak_threshold:
            from connpool_runtime.health.async_sweeper import AsyncSweeper

            if settings.compares_members:
                from connpool_runtime.health.outlier_sweep import OutlierSweep

                yield AsyncSweeper(self._checkout, "outliers", OutlierSweep(self._checkout))
            if settings.leak_threshold:
                from connpool_runtime.health.leak_sweep import LeakSweep

                yield AsyncSweeper(self._checkout, "leaks", LeakSweep())

    async def warm_up(self) -> None:
        """Open `initial_size` clients of every endpoint, one after the other.

        Raises:
            ExceptionGroup: what factories raised; the other endpoints are warm.
        """
        from connpool_runtime.checkout.async_opener import open_idle

        errors: list[Exception] = []
        for member, store, wanted in self._not_warm():
            try:
                while store.size < wanted and await open_idle(self._checkout, member, store):
                    pass
            except Exception as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"warming up pool {self.name!r}", errors)

    async def wait_ready(
        self,
        members: int = 1,
        timeout: float = 30.0,
    ) -> None:
        """Wait until a number of members are healthy; for the start of a service, before it takes traffic.

        A member is healthy if its breaker is closed, and neither a health check nor a failure to open clients
        says that it cannot be reached. Nothing is opened here: see `warm_up`.

        Arguments:
            members: how many.
            timeout: seconds to wait; 0 only looks.

        Raises:
            NotReady: too few were healthy when the time was over; the message says who is not, and why.
            PoolClosed: the pool was closed.
            ValueError: a number is not allowed.
        """
        from connpool_runtime._concurrency import tasks

        whole_number("members", members, least=1)
        limit = TimeLimit(check_seconds("timeout", timeout), self._state.clock)
        waiting = self._begin_waiting(members, tasks.Signal)
        try:
            while waiting is not None:
                came = await waiting.signal.wait(min(limit.left, self._checkout.patience()))
                if self._is_ready(waiting):
                    break
                if not came and limit.left <= 0.0:
                    raise self._not_ready(members, timeout)
        finally:
            if waiting is not None:
                self._state.readiness.pop(waiting, None)

    async def add_connector(
        self, connector: AsyncConnector[C], endpoints: Iterable[str] | None = None
    ) -> None:
        """Open a member for each endpoint, named after it, and keep it healthy until the pool is closed.

        A member without calls is checked every `health_interval`, give or take a fifth; after two
        checks that failed it gets no calls until one passes. Meanwhile a new client is tried, with
        growing waits, and takes its place. The numbers are those of the connector's config.
        Listeners get `HealthChanged`, `ClientReplaced` and `ReconnectFailed`.

        Arguments:
            connector: says how to connect; its own client is not used, and stays its owner's.
            endpoints: where to; those of the connector's config if not given.

        Raises:
            TypeError: `connector` is not a connector, or is one for the other kind of pool.
            ConnectorError: no endpoint gave a client. When only some did, the others are tried again.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.health.async_monitor import AsyncHealthMonitor

        monitor = AsyncHealthMonitor(self, self._checkout, connector, endpoints)
        self._monitors.append(monitor)
        await monitor.open()

    async def discover(
        self,
        source: AsyncSource,
        connect: AsyncConnector[C] | Callable[[Endpoint], Awaitable[C]] | Callable[[Endpoint], C],
        *,
        check: Callable[[C], object] | None = None,
        warm_up: Callable[[C], object] | None = None,
        close: Callable[[C], object] | None = None,
        **options: Unpack[DiscoveryOptions],
    ) -> AsyncDiscovery[C]:
        """Follow a source of endpoints: they become members, change in place, and leave, as the source says.

        A new member takes calls when its client was opened, checked and warmed up; one whose endpoint
        is gone gets none any more, and its client is closed by the last of its calls. What is known is
        kept when the source fails or says that there is nothing. Listeners get `DiscoveryUpdated`,
        `DiscoveryFailed`, `DiscoveryRecovered`, `EndpointMoved`, and `ReconnectFailed` for an endpoint
        that could not be opened, which is tried again.

        Arguments:
            source: says which endpoints there are; closed with the pool, or with what is returned.
            connect: a connector, whose config says how clients are checked and replaced; or a function
                that opens a client of an endpoint; may be a coroutine function.
            check: whether a new client is fit for use; False, or any error, says that it is not.
            warm_up: gets a new client before it takes calls; an error says that it is not fit for use.
            close: closes a client that `connect` has opened; default is the pool's way, or else the
                client's own method for it.
            options: see `DiscoverySettings`.

        Returns:
            A handle that gives the stats, waits for members, and ends the discovery.

        Raises:
            DiscoveryTimeout: there is no member within `start_timeout`; the message says why.
            TypeError: the source is for the other kind of pool, or `connect` is neither connector nor function.
            ValueError: an option is not allowed.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.discovery.async_discovery import AsyncDiscovery
        from connpool_runtime.discovery.settings import DiscoverySettings

        if self.closed:
            raise PoolClosed(f"pool {self.name!r} is closed", pool=self.name)
        also = ("source", "connect", "check", "warm_up", "close")
        discovery = AsyncDiscovery(
            self,
            self._checkout,
            source,
            connect,
            check=check,
            warm_up=warm_up,
            close=close or self._close_client,
            settings=DiscoverySettings.of(options, also=also),
        )
        self._discoveries.append(discovery)
        begun = False
        try:
            await discovery.start()
            begun = True
        finally:
            if not begun:
                self._discoveries.remove(discovery)
                discovery.stop()
        return discovery

    async def remove_client(self, name: str, *, drain_timeout: float | None = None) -> None:
        """Give a member no new calls, wait for those in flight, then close its client.

        Arguments:
            name: of the member.
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            UnknownMember: no member has this name.
            DrainTimeout: calls were still in flight; the last of them will close the client.
            Exception: whatever closing the client raised.
        """
        from connpool_runtime._concurrency import tasks

        seconds = self._draining.limit(drain_timeout)
        await self._leave(self._draining.begin(name, tasks.Gate), seconds)

    async def remove_clients(
        self, names: Iterable[str], *, drain_timeout: float | None = None
    ) -> None:
        """Give several members no new calls from the same moment on, wait for those in flight, close the clients.

        Arguments:
            names: of the members; all of them leave, or none.
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            UnknownMember: no member has one of the names.
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        from connpool_runtime._concurrency import tasks

        seconds = self._draining.limit(drain_timeout)
        limit = TimeLimit(seconds, self._state.clock)
        members = self._draining.begin_many(tuple(dict.fromkeys(names)), tasks.Gate)
        errors: list[Exception] = []
        try:
            for member in members:
                await member.gate.wait(limit.left)
        # even after an interrupt: drained members are closed now, the others by their last calls
        finally:
            left = [(member, self._let_go(member)) for member in members]
            errors += [self._draining.late(one, calls, seconds) for one, calls in left if calls]
        closing = TimeLimit(max(limit.left, CLOSING_TIME), self._state.clock)
        for member, calls in left:
            if not calls:
                try:
                    await self._closings.wait(member, closing.left)
                except Exception as error:
                    errors.append(error)
        if errors:
            raise ExceptionGroup(f"removing members of pool {self.name!r}", errors)

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new calls for good, wait for those in flight, then close all clients.

        Closing again does nothing, or closes what was left over when an earlier `close` was broken off.

        Arguments:
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        from connpool_runtime._concurrency import tasks

        seconds = self._draining.limit(drain_timeout)
        beside = (
            False
            if ASYNC
            else run_in_thread_if_interrupted(
                f"closing pool {self.name!r}", self.close, drain_timeout
            )
        )
        if beside:
            return
        self._stop_monitors()
        limit = TimeLimit(seconds, self._state.clock)
        members = self._draining.begin_all(tasks.Gate)
        errors: list[Exception] = []
        try:
            for member in members:
                await member.gate.wait(limit.left)
        # even if cancelled: drained members are closed now, the others by their last calls
        finally:
            left = [(member, self._let_go(member)) for member in members]
            errors += [self._draining.late(one, calls, seconds) for one, calls in left if calls]
        errors += await self._closed(max(limit.left, CLOSING_TIME))
        if errors:
            raise ExceptionGroup(f"closing pool {self.name!r}", errors)

    if TYPE_CHECKING or ASYNC:

        async def aclose(self, drain_timeout: float | None = None) -> None:
            """Do what `close` does."""
            await self.close(drain_timeout)

    @property
    def _closings(self) -> AsyncClosings:
        """Return the closings of members; created at first use, since most programs close their pool once."""
        if self._closings_made is None:
            from connpool_runtime.pool.async_closings import AsyncClosings

            self._closings_made = AsyncClosings(self.name)
        return self._closings_made

    async def _leave(self, member: Member[C], seconds: float) -> None:
        """Wait until a member is drained, then until its clients are closed."""
        limit = TimeLimit(seconds, self._state.clock)
        running = 0
        try:
            await member.gate.wait(limit.left)
        finally:
            running = self._let_go(member)
        if running:
            raise self._draining.late(member, running, seconds)
        await self._closings.wait(member, max(limit.left, CLOSING_TIME))

    def _let_go(self, member: Member[C]) -> int:
        """Close the clients of a member in the background; return how many calls prevent that."""
        running = self._draining.let_go(member)
        if not running:
            self._closings.begin(member)  # first: after an interrupt the member is found again
            self._draining.forget(member)
        return running

    async def _closed(self, seconds: float) -> list[Exception]:
        """Wait for the end of all closings; return the errors, and the members whose closing has not ended."""
        limit = TimeLimit(seconds, self._state.clock)
        errors: list[Exception] = []
        for member in self._closings.members:
            try:
                await self._closings.wait(member, limit.left)
            except Exception as error:
                errors.append(error)
        if self._state.housekeeper is not None:
            await self._state.housekeeper.stop(limit)
        return errors

    def _close_departed(self, member: Member[C]) -> None:
        """Close the clients of a member whose last call ended after the drain timeout."""
        if ASYNC:
            member.gate.call(partial(self._closings.begin, member))
        else:
            self._closings.begin(member)
        self._draining.forget(member)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()
