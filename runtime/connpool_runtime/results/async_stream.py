"""An asynchronous iterator of a client, with its member held until the last item."""

from __future__ import annotations

import inspect
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

from connpool_runtime._log import log_failure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import around
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict
from connpool_runtime.results.long_call import DROPPED, LongCall

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["AsyncStream"]

T = TypeVar("T")
_PATIENCE = 10.0  # seconds for the end of an iterator that was left; the member is taken meanwhile


class AsyncStream(LongCall[Any], AsyncGenerator[T, Any]):
    """The items of a call that goes on while they are taken; see `Stream` for what they come to.

    A generator in every respect (`asend`, `athrow` and `aclose` pass through). Opens when entered with
    `async with`, or at the first item. Use the block: it gives the member back at once, while an
    abandoned asynchronous iterator is closed when the event loop finds it.
    """

    # For the finalizer after an interrupted __init__.
    _source: AsyncIterator[T] | None = None
    _loop: AbstractEventLoop | None = None  # on which the client's iterator is used
    _items = 0

    def __init__(self, checkout: Checkout[Any], call: Call) -> None:
        super().__init__(checkout, call)
        self._source = None
        self._instead: AsyncIterator[T] | None = None  # what a middleware answered in our place
        self._items = 0
        self._sent: Any = None  # what the client's generator is resumed with, or what is
        self._thrown: BaseException | None = None  # raised in it, at the next step

    async def open(self) -> Self:
        """Open the client's iterator now, through all middleware."""
        return await self.__aenter__()

    async def _open(self) -> None:
        from connpool_runtime._concurrency.tasks import running_loop

        self._start()
        self._loop = running_loop()
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
            items: Any = call.method.open(await self._take_async(), call.args)
            # Some can be both: pages that may be awaited for the first, or iterated for all.
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
        try:
            await _close(self._source)
        except BaseException as error:
            self._end(error)
            raise
        self._note_its_end()
        self._end(None, self._verdict_if_dropped())

    def _note_its_end(self) -> None:
        """If nothing can end the client's iterator, the client is in the middle of its use."""
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
        """Whether the next caller of a client with a limit could meet the iterator before its end."""
        held = self._lease.held and self.member.limit != math.inf
        return held and _way_to_close(source) is not None

    def _hand_on(self) -> LongCall[Any]:
        """Let another object answer for the rest of the call."""
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
    """Give the items of what a middleware answered: an iterable of either colour."""
    if isinstance(answer, AsyncIterable):
        async for item in answer:
            yield item
    else:
        for item in answer:
            yield item


def _way_to_close(source: object) -> Callable[[], Any] | None:
    """Return what ends a client's iterator early, None if it has no such thing."""
    for way in ("aclose", "close", "cancel"):
        end: Callable[[], Any] | None = getattr(source, way, None)
        if callable(end):
            return end
    return None


async def _close(source: object) -> None:
    """End a client's iterator early, by the way it offers."""
    end = _way_to_close(source)
    if end is not None:
        ended = end()
        if inspect.isawaitable(ended):
            await ended


async def _close_abandoned(rest: LongCall[Any], source: object, verdict: Verdict) -> None:
    """Close an iterator that its reader left, then end its call."""
    from connpool_runtime._concurrency.tasks import time_limit

    try:
        async with time_limit(_PATIENCE):
            await _close(source)
    except Exception:
        log_failure(
            "closing a stream that was left before its end failed", event_name="close_failed"
        )
        rest.end_broken_off()
    except BaseException:  # the event loop ends
        rest.end_broken_off()
        raise
    else:
        rest.end_as(verdict)
