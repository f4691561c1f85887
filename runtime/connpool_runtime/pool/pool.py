"""The pool for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, Unpack, cast

from connpool_runtime.balancing.balancers import Balancer
from connpool_runtime.breaker.classifier import ResultCountedAsFailure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import (
    Middleware,
    MiddlewareFunction,
    Proceed,
    around,
    function_of,
)
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.checkout.acquire import admit
from connpool_runtime.checkout.fast_path import BUSY, call_single, call_stored
from connpool_runtime.checkout.recorder import ended, failed, record
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import LEASE, execute_method, known
from connpool_runtime.pool.connecting import Connecting
from connpool_runtime.pool.endpoints import Endpoints
from connpool_runtime.results.broadcast import broadcast
from connpool_runtime.results.context import PooledContext
from connpool_runtime.results.lease import PoolLease
from connpool_runtime.results.pinned import Pinned
from connpool_runtime.results.stream import Stream
from connpool_runtime.settings import PoolOptions

__all__ = ["Pool"]

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")


class Pool(Endpoints[C], Connecting[C]):
    """Runs each call on one of its members. Safe for threads.

    Arguments:
        name: how errors, stats and metrics call this pool.
        methods: the methods that stats list from the start; others appear when first called.
        close: closes a client whose member leaves; without it clients stay their owner's business.
        options: see `PoolSettings`.

    Raises:
        ValueError: an option is not allowed.
    """

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
        self._engine.close_departed = self._close_departed
        self._proceed: Proceed = self._attempt

    def call(self, method: Method[C, R], args: tuple[Any, ...] = ()) -> R:
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
                # Who drains a member marks it first and counts then; we count first and look then:
                # one of the two sees the other. Taking, and giving back below, is one statement
                # together with the change of `generation`, so that an interrupt between two lines
                # finds out which of them happened.
                member.taken, generation = member.taken + 1, member.fast_generation
                if generation is None:
                    member.taken, generation = member.taken - 1, member
                    return self._carry(method, args, first=member)
                invoke = method.invoke
                result = invoke(member.client, args)
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

    def _carry(
        self,
        method: Method[C, R],
        args: tuple[Any, ...],
        *,
        first: Member[C] | None = None,
        balancer: str | Balancer | None = None,
        key: object = None,
    ) -> R:
        """Run a call the long way: through the middleware, each attempt under the lock's eye."""
        engine = self._engine
        if (way := engine.locked_fast_path) is not None and first is not None:
            first = way[0]()
            if (store := first.store) is None:
                result = call_single(engine, way, first, method, args)
            else:
                result = call_stored(engine, way, first, store, method, args)
            if result is not BUSY:
                return result
        call = Call(engine.name, method, args, balancer, first, key)
        started = engine.clock()
        try:
            result = self._proceed(call)
        except BaseException as error:
            engine.account(call, started, error)
            raise
        engine.account(call, started)
        return result

    def _attempt(self, call: Call) -> Any:
        engine = self._engine
        lease: Lease[C] = Lease()
        try:
            client = admit(engine, lease, call)
            result = call.method.invoke(client, call.args)
            engine.settle(lease, call)
        except BaseException as error:
            engine.settle(lease, call, error)
            raise
        finally:
            if lease.open:
                engine.drop(lease, call)
        return result

    def stream(self, method: Method[C, Iterable[T]], args: tuple[Any, ...] = ()) -> Stream[T]:
        """Open an iterator on a member, which stays taken until the last item or `close`.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised on opening, unchanged.
        """
        stream: Stream[T] = Stream(self._engine, Call(self.name, method, args))
        return stream.open()

    def context(
        self, method: Method[C, AbstractContextManager[T]], args: tuple[Any, ...] = ()
    ) -> AbstractContextManager[T]:
        """Return a context manager that picks a member when entered and holds it until left."""
        return PooledContext(self._engine, Call(self.name, method, args))

    def pinned(
        self, method: Method[C, R], args: tuple[Any, ...] = (), instead_of_client: object = None
    ) -> R:
        """Run a method whose result lives on its client's connection.

        The member stays taken until the result is gone. A client that returns itself is answered
        for by `instead_of_client`, the wrapper.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        result: R = Pinned(self._engine, Call(self.name, method, args)).run(instead_of_client)
        return result

    def broadcast(self, method: Method[C, R], args: tuple[Any, ...] = ()) -> R:
        """Run a method on every member and return the first one's result.

        Raises:
            PoolClosed, NoMembers: there is nobody to run it on.
            ExceptionGroup: several members failed; a single failure is raised as it is.
        """
        return broadcast(self._engine, method, args)

    def execute(
        self,
        fn: Callable[[C], R],
        *,
        balancer: str | Balancer | None = None,
        idempotent: bool = False,
        key: object = None,
    ) -> R:
        """Run a function on a member's client, as one call.

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
        result: R = self._carry(method, (fn,), balancer=known(balancer), key=key)
        return result

    def lease(
        self,
        method: Method[C, Any] | None = None,
        *,
        balancer: str | Balancer | None = None,
        key: object = None,
    ) -> PoolLease[C]:
        """Return a context manager that takes a member for several steps and gives its client.

        Middleware do not see what happens inside. An error that leaves the block counts as the outcome.

        Arguments:
            method: whose policy applies, and whose name stands in the numbers.
            balancer: picks for this lease only.
            key: leases with the same key meet the same member, if the balancer is "consistent_hash".
        """
        call = Call(self.name, method or LEASE, (), known(balancer), key=key)
        return PoolLease(self._engine, call)

    def register_middleware(self, middleware: Middleware | MiddlewareFunction) -> None:
        """Put a middleware around all later calls, inside the middleware registered before.

        Arguments:
            middleware: a function of the call and of `proceed`, which runs the rest; or an object
                with a method `around` like that.

        Raises:
            TypeError: it is neither.
        """
        chain = self._add_middleware(function_of(middleware, "around"))
        self._proceed = around(self._attempt, chain)
