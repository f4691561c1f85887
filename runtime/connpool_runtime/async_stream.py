"""An asynchronous iterator of a client, with its member held until the last item."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar

from connpool_runtime.core.call import Call
from connpool_runtime.core.chain import around
from connpool_runtime.core.lease import Lease
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.engine import Engine

__all__ = ["AsyncStream"]

T = TypeVar("T")


class AsyncStream(AsyncIterator[T], Generic[T]):
    """The items of a call that goes on while they are taken; see `Stream` for what they come to.

    Opens when entered with `async with`, or at the first item. Use the block: it gives the member
    back at once, while an abandoned asynchronous iterator is closed when the event loop finds it.
    """

    def __init__(self, engine: Engine[Any], call: Call) -> None:
        self._engine = engine
        self._call = call
        self._started = 0.0
        self._lease = Lease[Any]()
        self._source: AsyncIterator[T] | None = None
        self._items = 0

    async def _open(self) -> None:
        self._started = self._engine.clock()
        try:
            await around(self._attempt, self._engine.layers)(self._call)
        except BaseException as error:
            self._engine.account(self._call, self._started, error)
            raise

    async def _attempt(self, call: Call) -> AsyncStream[T]:
        lease = Lease[Any]()
        try:
            self._engine.admit(lease, call)
            items = call.method.invoke(lease.member.client, call.args)
            if inspect.isawaitable(items):
                items = await items
            self._source = aiter(items)
            self._lease = lease
        except BaseException as error:
            self._engine.settle(lease, call, error)
            raise
        return self

    async def __anext__(self) -> T:
        if self._source is None:
            await self._open()
        if self._source is None or not self._lease.held:
            raise StopAsyncIteration
        try:
            item = await anext(self._source)
        except StopAsyncIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise
        self._items += 1
        return item

    async def aclose(self) -> None:
        """Take no more items: close the client's iterator and give the member back."""
        if not self._lease.held:
            return
        error: BaseException | None = None if self._items else GeneratorExit()
        try:
            await _close_source(self._source)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._engine.end(self._lease, self._call, self._started, error)

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._lease.held:
            outcome = Outcome.SUCCESS if self._items else Outcome.NEUTRAL
            self._engine.give_up(self._lease, self._call, self._started, outcome)


async def _close_source(source: object) -> None:
    """End a client's iterator early, by the way it offers."""
    for way in ("aclose", "close", "cancel"):
        end: Callable[[], Any] | None = getattr(source, way, None)
        if callable(end):
            ended = end()
            if inspect.isawaitable(ended):
                await ended
            return
