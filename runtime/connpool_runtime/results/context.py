"""A client's context manager, entered on one member that is held until exit."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

from connpool_runtime.calls.call import Call
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.results.long_call import LongCall

__all__ = ["AsyncPooledContext", "SyncContextOnAsync", "PooledContext"]

T = TypeVar("T")
ErrorType = type[BaseException] | None
Error = BaseException | None
Trace = TracebackType | None


class PooledContext(LongCall[Any], AbstractContextManager[T]):
    """Opens the client's context manager when entered; for one use, like the one it stands for."""

    def __init__(self, checkout: AnyCheckout, call: Call) -> None:
        super().__init__(checkout, call)
        self._manager: AbstractContextManager[T] | None = None

    def __enter__(self) -> T:
        self._start()
        try:
            value = self._run()
        except BaseException as error:
            self._refused(error)
            raise
        if self._manager is None:
            self._answered()
        return value

    def _run(self) -> T:
        value: T = self._through_middleware(self._attempt)
        return value

    def _attempt(self, call: Call) -> T:
        try:
            manager: AbstractContextManager[T] = call.method.open(self._take(), call.args)
            value = manager.__enter__()
            self._manager = manager
        except BaseException as caught:
            error = self._in_time(caught)
            self._give_back(error)
            if error is not caught:
                raise error from caught
            raise
        return value

    def __exit__(self, kind: ErrorType, error: Error, trace: Trace) -> bool | None:
        if self._manager is None:
            return None  # a middleware answered in place of the client
        try:
            suppressed = self._manager.__exit__(kind, error, trace)
        except BaseException as raised:
            self._end(self._in_time(raised))
            raise
        # An error of the block is raised unchanged; here it is only judged.
        self._end(None if error is None else self._in_time(error))
        return suppressed


class SyncContextOnAsync(PooledContext[T]):
    """A context manager of an asynchronous client that does not wait; middleware, which waits, is bypassed."""

    def _run(self) -> T:
        return self._attempt(self._call)


class AsyncPooledContext(LongCall[Any], AbstractAsyncContextManager[T]):
    """The same for tasks."""

    def __init__(self, checkout: AnyCheckout, call: Call) -> None:
        super().__init__(checkout, call)
        self._manager: AbstractAsyncContextManager[T] | None = None

    async def __aenter__(self) -> T:
        self._start()
        try:
            value: T = await self._through_middleware(self._attempt)
        except BaseException as error:
            self._refused(error)
            raise
        if self._manager is None:
            self._answered()
        return value

    async def _attempt(self, call: Call) -> T:
        try:
            client = await self._take_async()
            manager: AbstractAsyncContextManager[T] = call.method.open(client, call.args)
            value = await manager.__aenter__()
            self._manager = manager
        except BaseException as caught:
            error = self._in_time(caught)
            self._give_back(error)
            if error is not caught:
                raise error from caught
            raise
        return value

    async def __aexit__(self, kind: ErrorType, error: Error, trace: Trace) -> bool | None:
        if self._manager is None:
            return None  # a middleware answered in place of the client
        try:
            suppressed = await self._manager.__aexit__(kind, error, trace)
        except BaseException as raised:
            self._end(self._in_time(raised))
            raise
        # An error of the block is raised unchanged; here it is only judged.
        self._end(None if error is None else self._in_time(error))
        return suppressed
