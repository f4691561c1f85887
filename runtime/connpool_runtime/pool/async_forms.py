"""The rarer forms of call of an asyncio pool: one method each, for what generated code may need."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import Method
from connpool_runtime.pool.base import BasePool
from connpool_runtime.results.awaitables import call_any
from connpool_runtime.results.broadcast import broadcast_async
from connpool_runtime.results.context import SyncContextOnAsync
from connpool_runtime.results.lease import PoolLease
from connpool_runtime.results.pinned import AsyncPinned, SyncPinnedOnAsync

__all__ = ["AsyncForms"]

C = TypeVar("C")
R = TypeVar("R")
T = TypeVar("T")


class AsyncForms(BasePool[C]):
    """Calls whose result is not simply awaited."""

    def call_any(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> Any:
        """Run a method that may answer at once or with something to await; middleware do not see it.

        Raises:
            Rejected: no member was called; the type says why.
        """
        return call_any(self._engine, Call(self.name, method, args))

    async def pinned(
        self,
        method: Method[C, Awaitable[R]],
        args: tuple[Any, ...] = (),
        instead_of_client: object = None,
    ) -> R:
        """Run a method whose result lives on its client's connection.

        The member stays taken until the result is gone. A client that returns itself is answered
        for by `instead_of_client`, the wrapper.

        Raises:
            Rejected: no member was called; the type says why.
            BaseException: whatever the client raised, unchanged.
        """
        call = Call(self.name, method, args)
        result: R = await AsyncPinned(self._engine, call).run(instead_of_client)
        return result

    def pinned_sync(
        self, method: Method[C, R], args: tuple[Any, ...] = (), instead_of_client: object = None
    ) -> R:
        """Do the same with a method that does not wait; middleware do not see it."""
        result: R = SyncPinnedOnAsync(self._engine, Call(self.name, method, args)).run(
            instead_of_client
        )
        return result

    def context_sync(
        self, method: Method[C, AbstractContextManager[T]], args: tuple[Any, ...] = ()
    ) -> AbstractContextManager[T]:
        """Return a plain context manager that picks a member when entered; middleware do not see it."""
        return SyncContextOnAsync(self._engine, Call(self.name, method, args))

    async def broadcast(self, method: Method[C, Awaitable[R]], args: tuple[Any, ...] = ()) -> R:
        """Run a method on every member and return the first one's result.

        Raises:
            PoolClosed, NoMembers: there is nobody to run it on.
            ExceptionGroup: several members failed; a single failure is raised as it is.
        """
        return await broadcast_async(self._engine, method, args)

    @property
    def has_middleware(self) -> bool:
        """Whether middleware is registered."""
        return bool(self._engine.middleware)

    def hold(self, method: Method[C, Any], args: tuple[Any, ...] = ()) -> PoolLease[C]:
        """Return a lease to enter without waiting, for a call whose end a callback tells.

        Middleware do not see such a call.
        """
        return PoolLease(self._engine, Call(self.name, method, args))
