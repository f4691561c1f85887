"""An asynchronous iterator of a client; its member is held until the last item."""

from __future__ import annotations

import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from connpool_runtime._concurrency.introspection import is_awaitable
from connpool_runtime._log import log_failure
from connpool_runtime.calls.call import Call
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict
from connpool_runtime.results.long_call import DROPPED, LongCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["AsyncStream"]

T = TypeVar("T")
_PATIENCE = 10.0  # seconds for closing an abandoned iterator; its member stays taken meanwhile


class AsyncStream(LongCall[Any], AsyncGenerator[T, Any]):
    """The items of a call that runs while they are read; see `Stream` for its outcome.

    A generator in every respect (`asend`, `athrow` and `aclose` pass through). Opens when entered with
    `async with`, or at the first item. Use the block: it gives the member back at once, while an
    abandoned asynchronous iterator is closed when the event loop finds it.
    """

    # For the finalizer after an interrupted __init__.
    _source: AsyncIterator[T] | None = None
    _loop: AbstractEventLoop | None = None  # the event loop on which the client's iterator is used
    _items = 0

    def __init__(self, checkout: AnyCheckout, call: Call) -> None:
        super().__init__(checkout, call)
        self._source = None
        # the answer of a middleware, in place of the client's
        self._instead: AsyncIterator[T] | None = None
        self._items = 0
        self._sent: Any = None  # at the next step, the value sent to the client's generator, or
        self._thrown: BaseException | None = None  # the error raised in it

    async def open(self) -> Self:
        """Open the client's iterator now, through all middleware."""
        return await self.__aenter__()

    async def _open(self) -> None:
        from connpool_runtime._concurrency.tasks import running_loop

        self._start()
        self._loop = running_loop()
        answer = await self._or_refused(self._through_middleware(self._attempt))
        self._settle_for(answer)

    def _settle_for(self, opened: Any) -> None:
        """Use the answer of a middleware, if one answered: then no member is held."""
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
            items: Any = call.method.open(await self._take_async(), call.args)
            # Some results are both: pages that may be awaited for the first one, or iterated for all.
            self._source = aiter(items if hasattr(items, "__aiter__") else await items)
        except BaseException as caught:
            error = self._in_time(caught)
            self._give_back(error)
            if error is not caught:
                raise error from caught
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
        except BaseException as caught:
            error = self._in_time(caught)
            if self._call.reopen is None:
                self._end(error)
                if error is not caught:
                    raise error from caught
                raise
            self._give_back(error)
            self._settle_for(await self._or_refused(self._call.reopen(error)))
            return await anext(self)
        self._items += 1
        self._call.reopen = None
        return item

    async def _advance(self, source: Any) -> T:
        """Read the next item, passing on a value or an error for the generator."""
        sent, thrown = self._sent, self._thrown
        self._sent = self._thrown = None
        if thrown is not None:
            self._call.reopen = None  # an error that the caller throws in is no reason to retry
            if not hasattr(source, "athrow"):
                raise thrown
            item: T = await source.athrow(thrown)
        else:
            item = await (anext(source) if sent is None else source.asend(sent))
        return item

    def send_next(self, value: Any) -> None:
        """Send a value to the client's generator when the next item is read."""
        self._sent = value

    def throw_next(self, error: BaseException) -> None:
        """Raise an error in the client's generator when the next item is read."""
        self._thrown = error

    async def asend(self, value: Any, /) -> T:
        """Send a value, if the client's iterator is a generator, and read the next item."""
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
        """Read no more items: close the client's iterator and give the member back."""
        if not self._lease.held:
            return
        try:
            await _close(self._source)
        except BaseException as error:
            self._end(error)
            raise
        self._note_its_end()
        self._end(None, self._verdict_if_dropped())

    def _note_its_end(self) -> None:
        """Mark the use of the client as broken off, if the iterator cannot be closed."""
        if self._source is not None and _way_to_close(self._source) is None:
            self._lease.broken_off = True

    def _verdict_if_dropped(self) -> Verdict:
        return SUCCESS if self._items else DROPPED

    def __del__(self) -> None:
        if self._interpreter_ends():
            return
        loop, source = self._loop, self._source
        if loop is not None and self._must_end_first(source):
            from connpool_runtime._concurrency.tasks import spawn

            rest = self._hand_on()
            if spawn(loop, _close_abandoned, rest, source, self._verdict_if_dropped()):
                return
        if self._lease.held:
            self._note_its_end()
        super().__del__()

    def _must_end_first(self, source: object) -> bool:
        """Return whether the next user of a limited client could meet the iterator before it is closed."""
        held = self._lease.held and self.member.limit != math.inf
        return held and _way_to_close(source) is not None

    def _hand_on(self) -> LongCall[Any]:
        """Move the rest of the call to another object, which a finalizer may keep."""
        rest = LongCall[Any](self._checkout, self._call)
        rest._started = self._started
        rest._lease, self._lease = self._lease, rest._lease
        del self._call
        return rest

    async def __aenter__(self) -> Self:
        if self._source is None and self._instead is None:
            await self._open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


async def _items_of(answer: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    """Yield the items of a middleware's answer: an iterable, synchronous or not."""
    if isinstance(answer, AsyncIterable):
        async for item in answer:
            yield item
    else:
        for item in answer:
            yield item


def _way_to_close(source: object) -> Callable[[], Any] | None:
    """Return the method that closes a client's iterator early; None if it has none."""
    for way in ("aclose", "close", "cancel"):
        end: Callable[[], Any] | None = getattr(source, way, None)
        if callable(end):
            return end
    return None


async def _close(source: object) -> None:
    """Close a client's iterator early, by the method it has."""
    end = _way_to_close(source)
    if end is not None:
        ended = end()
        if is_awaitable(ended):
            await ended


async def _close_abandoned(rest: LongCall[Any], source: object, verdict: Verdict) -> None:
    """Close an abandoned iterator, then end its call."""
    from connpool_runtime._concurrency.tasks import time_limit

    try:
        async with time_limit(_PATIENCE):
            await _close(source)
    except Exception:
        log_failure(
            "closing a stream that was left before its end failed", event_name="close_failed"
        )
        rest.end_broken_off()
    except BaseException:  # the event loop is shutting down
        rest.end_broken_off()
        raise
    else:
        rest.end_as(verdict)
