"""The pool for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from connpool_runtime.balancing.balancers import Balancer
from connpool_runtime.breaker.classifier import ResultCountedAsFailure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import (
    AsyncMiddleware,
    MiddlewareFunction,
    Proceed,
    around,
    function_of,
)
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.checkout.acquire import admit, admit_async
from connpool_runtime.checkout.recorder import ended, failed, record
from connpool_runtime.members.member import Member
from connpool_runtime.pool.async_forms import AsyncForms
from connpool_runtime.pool.base import LEASE, execute_method, known
from connpool_runtime.pool.connecting import AsyncConnecting
from connpool_runtime.pool.endpoints import AsyncEndpoints
from connpool_runtime.results.async_stream import AsyncStream
from connpool_runtime.results.awaitables import PendingCall
from connpool_runtime.results.context import AsyncPooledContext
from connpool_runtime.results.lease import AsyncPoolLease
from connpool_runtime.settings import PoolOptions

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["AsyncPool"]

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")


class AsyncPool(AsyncForms[C], AsyncEndpoints[C], AsyncConnecting[C]):
    """Runs each call on one of its members. For the tasks of one event loop.

    Arguments:
        name: how errors, stats and metrics call this pool.
        methods: the methods that stats list from the start; others appear when first called.
        close: closes a client whose member leaves (awaited if that is called for); without it
            clients stay their owner's business.
        options: see `PoolSettings`.

    Raises:
        ValueError: an option is not allowed.
    """

    _blocking = False

    def __init__(
        self,
        name: str = "pool",
        *,
        methods: Iterable[Method[C, Any]] = (),
        close: Callable[[C], object] | None = None,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(name, methods=methods, close=close, **options)
        self._engine.close_departed = self._close_departed
        self._proceed: Proceed = self._attempt
        self._closing: set[Task[None]] = set()

    async def call(self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()) -> R:
        """Run a method on a member and return its result.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        pick, clock, latest = self._engine.fast_path
        member = pick()
        started = clock()
        generation: object = member  # stands for: not taken
        try:
            try:
                # The order matters as in `Pool.call`, for the same reasons.
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is None:
                    member.taken, generation = member.taken - 1, member
                    return await self._carry(method, args, first=member)
                invoke = method.invoke
                result = await invoke(member.client, args)
                elapsed = clock() - started
                member.served += 1
            except BaseException as error:
                if generation is not member:
                    began = generation
                    member.taken, generation = member.taken - 1, member
                    failed(self._engine, method, member, began, started, error)
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
            bucket = ended(self._engine, method, member, generation, elapsed)
        if elapsed <= bucket.high and elapsed > bucket.low:
            bucket.count += 1
            bucket.total += elapsed
        else:
            record(self._engine, method, member, generation, elapsed)
        return result

    async def _carry(
        self,
        method: Method[C, Awaitable[R]],
        args: tuple[Any, ...],
        *,
        first: Member[C] | None = None,
        balancer: str | Balancer | None = None,
        key: object = None,
    ) -> R:
        """Run a call the long way: through the middleware, each attempt under the lock's eye."""
        engine = self._engine
        call = Call(engine.name, method, args, balancer, first, key)
        started = engine.clock()
        try:
            result: R = await self._proceed(call)
        except BaseException as error:
            engine.account(call, started, error)
            raise
        engine.account(call, started)
        return result

    async def _attempt(self, call: Call) -> Any:
        engine = self._engine
        lease: Lease[C] = Lease()
        try:
            client = await admit_async(engine, lease, call)
            result = await call.method.invoke(client, call.args)
            engine.settle(lease, call)
        except BaseException as error:
            engine.settle(lease, call, error)
            raise
        finally:
            if lease.open:
                engine.drop(lease, call)
        return result

    def call_sync(self, method: Method[C, R], args: tuple[Any, ...] = ()) -> R:
        """Run an ordinary method, one that does not wait, on a member; middleware do not see it.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        engine = self._engine
        call = Call(engine.name, method, args)
        started = engine.clock()
        lease: Lease[C] = Lease()
        try:
            client = admit(engine, lease, call)
            result = method.invoke(client, args)
            engine.settle(lease, call)
        except BaseException as error:
            engine.settle(lease, call, error)
            engine.account(call, started, error)
            if isinstance(error, ResultCountedAsFailure):
                return cast("R", error.result)
            raise
        finally:
            if lease.open:
                engine.drop(lease, call)
        engine.account(call, started)
        return result

    def stream(
        self,
        method: Method[C, AsyncIterable[T] | Awaitable[AsyncIterable[T]]],
        args: tuple[Any, ...] = (),
    ) -> AsyncStream[T]:
        """Return an asynchronous iterator, opened on a member when entered or first asked.

        The member stays taken until the last item or `aclose`.
        """
        return AsyncStream(self._engine, Call(self.name, method, args))

    def context(
        self, method: Method[C, AbstractAsyncContextManager[T]], args: tuple[Any, ...] = ()
    ) -> AbstractAsyncContextManager[T]:
        """Return a context manager that picks a member when entered and holds it until left."""
        return AsyncPooledContext(self._engine, Call(self.name, method, args))

    def pending(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> Any:
        """Return a result that may be awaited, entered or iterated; nothing happens before."""
        return PendingCall(
            lambda: self.call(method, args),
            lambda: self.context(method, args),
            lambda: self.stream(method, args),
        )

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
            ValueError: there is no balancer of this name.
        """
        method = execute_method(idempotent)
        result: R = await self._carry(method, (fn,), balancer=known(balancer), key=key)
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
        call = Call(self.name, method or LEASE, (), known(balancer), key=key)
        return AsyncPoolLease(self._engine, call)

    def register_middleware(self, middleware: AsyncMiddleware | MiddlewareFunction) -> None:
        """Put a middleware around all later calls, inside the middleware registered before.

        Arguments:
            middleware: a coroutine function of the call and of `proceed`, which runs the rest; or
                an object with a method `around_async` like that.

        Raises:
            TypeError: it is neither.
        """
        chain = self._add_middleware(function_of(middleware, "around_async"))
        self._proceed = around(self._attempt, chain)
