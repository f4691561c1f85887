"""A client's context manager, entered on one member that is held until it is left."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

from connpool_runtime.core.call import Call
from connpool_runtime.core.chain import around
from connpool_runtime.core.lease import Lease
from connpool_runtime.engine import Engine

__all__ = ["AsyncPooledContext", "PooledContext"]

T = TypeVar("T")
ErrorType = type[BaseException] | None
Error = BaseException | None
Trace = TracebackType | None


class PooledContext(AbstractContextManager[T]):
    """Opens the client's context manager when entered; for one use, like those it stands for."""

    def __init__(self, engine: Engine[Any], call: Call) -> None:
        self._engine = engine
        self._call = call
        self._started = 0.0
        self._lease: Lease[Any] | None = None
        self._manager: AbstractContextManager[T] | None = None

    def __enter__(self) -> T:
        self._started = self._engine.clock()
        try:
            value: T = around(self._attempt, self._engine.layers)(self._call)
        except BaseException as error:
            self._engine.account(self._call, self._started, error)
            raise
        return value

    def _attempt(self, call: Call) -> T:
        lease = Lease[Any]()
        try:
            self._engine.admit(lease, call)
            manager: AbstractContextManager[T] = call.method.invoke(lease.member.client, call.args)
            value = manager.__enter__()
            self._manager, self._lease = manager, lease
        except BaseException as error:
            self._engine.settle(lease, call, error)
            raise
        return value

    def __exit__(self, kind: ErrorType, error: Error, trace: Trace) -> bool | None:
        if self._lease is None or self._manager is None:
            return None  # a layer answered in our place
        try:
            suppressed = self._manager.__exit__(kind, error, trace)
        except BaseException as raised:
            self._engine.end(self._lease, self._call, self._started, raised)
            raise
        self._engine.end(self._lease, self._call, self._started, error)
        return suppressed


class AsyncPooledContext(AbstractAsyncContextManager[T]):
    """The same for tasks."""

    def __init__(self, engine: Engine[Any], call: Call) -> None:
        self._engine = engine
        self._call = call
        self._started = 0.0
        self._lease: Lease[Any] | None = None
        self._manager: AbstractAsyncContextManager[T] | None = None

    async def __aenter__(self) -> T:
        self._started = self._engine.clock()
        try:
            value: T = await around(self._attempt, self._engine.layers)(self._call)
        except BaseException as error:
            self._engine.account(self._call, self._started, error)
            raise
        return value

    async def _attempt(self, call: Call) -> T:
        lease = Lease[Any]()
        try:
            self._engine.admit(lease, call)
            manager: AbstractAsyncContextManager[T] = call.method.invoke(
                lease.member.client, call.args
            )
            value = await manager.__aenter__()
            self._manager, self._lease = manager, lease
        except BaseException as error:
            self._engine.settle(lease, call, error)
            raise
        return value

    async def __aexit__(self, kind: ErrorType, error: Error, trace: Trace) -> bool | None:
        if self._lease is None or self._manager is None:
            return None  # a layer answered in our place
        try:
            suppressed = await self._manager.__aexit__(kind, error, trace)
        except BaseException as raised:
            self._engine.end(self._lease, self._call, self._started, raised)
            raise
        self._engine.end(self._lease, self._call, self._started, error)
        return suppressed
