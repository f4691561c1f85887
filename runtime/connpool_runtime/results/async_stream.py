"""An asynchronous iterator of a client, with its member held until the last item."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from types import TracebackType
from typing import Any, Self, TypeVar

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import around
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict
from connpool_runtime.results.long_call import DROPPED, LongCall

__all__ = ["AsyncStream"]

T = TypeVar("T")


class AsyncStream(LongCall[Any], AsyncGenerator[T, Any]):
    """The items of a call that goes on while they are taken; see `Stream` for what they come to.

    A generator in every respect (`asend`, `athrow` and `aclose` pass through). Opens when entered with
    `async with`, or at the first item. Use the block: it gives the member back at once, while an
    abandoned asynchronous iterator is closed when the event loop finds it.
    """

    def __init__(self, checkout: Checkout[Any], call: Call) -> None:
        super().__init__(checkout, call)
        self._source: AsyncIterator[T] | None = None
        self._instead: AsyncIterator[T] | None = None  # what a middleware answered in our place
        self._items = 0
        self._sent: Any = None  # what the client's generator is resumed with, or what is
        self._thrown: BaseException | None = None  # raised in it, at the next step

    async def open(self) -> Self:
        """Open the client's iterator now, through all middleware."""
        return await self.__aenter__()

    async def _open(self) -> None:
        self._start()
        answer = await self._or_refused(
            around(self._attempt, self._checkout.state.middleware)(self._call)
        )
        self._settle_for(answer)

    def _settle_for(self, opened: Any) -> None:
        """Take what a middleware answered in our place, if one did: then no member is held."""
        if not self._lease.held:
            self._instead = _items_of(opened)
            self._answered()

    async def _or_refused(self, opening: Awaitable[Any]) -> Any:
        try:
            return await opening
        except BaseException as error:
            self._refused(error)
            raise

    async def _attempt(self, call: Call) -> AsyncStream[T]:
        try:
            items: Any = call.method.raw(await self._take_async(), call.args)
            # Some can be both: pages that may be awaited for the first, or iterated for all.
            self._source = aiter(items if hasattr(items, "__aiter__") else await items)
        except BaseException as error:
            self._give_back(error)
            raise
        return self

    async def __anext__(self) -> T:
        if self._source is None and self._instead is None:
            await self._open()
        if self._instead is not None:
            return await anext(self._instead)
        if self._source is None or not self._lease.held:
            raise StopAsyncIteration
        try:
            item = await self._advance(self._source)
        except StopAsyncIteration:
            self._end(None)
            raise
        except BaseException as error:
            if self._call.reopen is None:
                self._end(error)
                raise
            self._give_back(error)
            self._settle_for(await self._or_refused(self._call.reopen(error)))
            return await anext(self)
        self._items += 1
        self._call.reopen = None
        return item

    async def _advance(self, source: Any) -> T:
        """Take the next item, after what was sent or thrown for it."""
        sent, thrown = self._sent, self._thrown
        self._sent = self._thrown = None
        if thrown is not None:
            self._call.reopen = None  # the caller's own error is no reason to try again
            if not hasattr(source, "athrow"):
                raise thrown
            item: T = await source.athrow(thrown)
        else:
            item = await (anext(source) if sent is None else source.asend(sent))
        return item

    def send_next(self, value: Any) -> None:
        """Resume the client's generator with a value when the next item is asked for."""
        self._sent = value

    def throw_next(self, error: BaseException) -> None:
        """Raise an error in the client's generator when the next item is asked for."""
        self._thrown = error

    async def asend(self, value: Any, /) -> T:
        """Resume with a value, if the client's iterator is a generator, and take the next item."""
        self.send_next(value)
        return await anext(self)

    async def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None, /) -> T:
        """Raise an error inside the client's generator, or here if it is a plain iterator."""
        error = val if isinstance(val, BaseException) else typ
        if isinstance(error, type):
            error = error() if val is None else error(val)
        self.throw_next(error if tb is None else error.with_traceback(tb))
        return await anext(self)

    async def aclose(self) -> None:
        """Take no more items: close the client's iterator and give the member back."""
        if not self._lease.held:
            return
        error: BaseException | None = None if self._items else GeneratorExit()
        try:
            await _close(self._source)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(error)

    def _verdict_if_dropped(self) -> Verdict:
        return SUCCESS if self._items else DROPPED

    async def __aenter__(self) -> Self:
        if self._source is None and self._instead is None:
            await self._open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


async def _items_of(answer: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    """Give the items of what a middleware answered: an iterable of either colour."""
    if isinstance(answer, AsyncIterable):
        async for item in answer:
            yield item
    else:
        for item in answer:
            yield item


async def _close(source: object) -> None:
    """End a client's iterator early, by the way it offers."""
    for way in ("aclose", "close", "cancel"):
        end: Callable[[], Any] | None = getattr(source, way, None)
        if callable(end):
            ended = end()
            if inspect.isawaitable(ended):
                await ended
            return
