"""An iterator of a client; its member is held until the last item."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, cast

from connpool_runtime.calls.call import Call
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict
from connpool_runtime.results.long_call import DROPPED, LongCall, is_in_memory

__all__ = ["Stream"]

T = TypeVar("T")


class Stream(LongCall[Any], Generator[T, Any, Any]):
    """The items of a call that runs while they are read.

    A generator in every respect (`send`, `throw`, `close` and the return value pass through) and a
    context manager that closes it. The call succeeds at the end of the items, or when it is closed
    after the first; closed before, it says nothing about the member.

    One consumer at a time, like any generator.
    """

    _source: Iterator[T] = iter(())  # for the finalizer after an interrupted __init__

    def __init__(self, checkout: AnyCheckout, call: Call) -> None:
        super().__init__(checkout, call)
        self._source = iter(())
        # the answer of a middleware, in place of the client's
        self._instead: Iterator[T] | None = None
        self._items = 0
        self._again: Iterable[T] | None = None  # a container, which can be iterated again

    def open(self) -> Stream[T]:
        """Open the client's iterator, through all middleware."""
        try:
            opened: Any = self._through_middleware(self._attempt)
        except BaseException as error:
            self._refused(error)
            raise
        self._settle_for(opened)
        return self

    def _settle_for(self, opened: Any) -> None:
        """Use the answer of a middleware, if one answered: then no member is held."""
        if not self._lease.held:
            self._instead = iter(opened)
            self._answered()

    def _attempt(self, call: Call) -> Stream[T]:
        try:
            items = call.method.open(self._take(), call.args)
            self._source = iter(items)
            self._again = None if self._source is items else items
        except BaseException as caught:
            error = self._in_time(caught)
            self._give_back(error)
            if error is not caught:
                raise error from caught
            raise
        return self

    def __iter__(self) -> Generator[T, Any, Any]:
        """Return this stream; after the end of a container, a new iterator of it."""
        ended = not self._lease.held and self._instead is None
        if ended and self._again is not None:
            return cast("Generator[T, Any, Any]", iter(self._again))
        return self

    def __next__(self) -> T:
        return self._step(self._source.__next__)

    def send(self, value: Any) -> T:
        """Send a value, if the client's iterator is a generator."""
        if value is None:
            return self._step(self._source.__next__)
        return self._step(lambda: _generator(self._source).send(value))

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None, /) -> T:
        """Raise an error inside the client's generator, or here if it is a plain iterator."""
        self._call.reopen = None  # an error that the caller throws in is no reason to retry
        if isinstance(self._source, Generator):
            error = typ if val is None else val
            return self._step(lambda: _generator(self._source).throw(error))
        return self._step(lambda: _raise(typ, val, tb))

    def _step(self, advance: Callable[[], T]) -> T:
        if self._instead is not None:
            return next(self._instead)
        if not self._lease.held:
            raise StopIteration
        try:
            item = advance()
        except StopIteration:
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
            self._open_again(self._call.reopen, error)
            return next(self)
        self._items += 1
        self._call.reopen = None
        return item

    def _open_again(self, reopen: Callable[[BaseException], object], error: BaseException) -> None:
        try:
            opened = reopen(error)
        except BaseException as final:
            self._refused(final)
            raise
        self._settle_for(opened)

    def close(self) -> None:
        """Read no more items: close the client's iterator and give the member back."""
        if not self._lease.held:
            return
        try:
            self._end_source()
        except BaseException as error:
            self._end(error)
            raise
        self._end(None, self._verdict_if_dropped())

    def _end_source(self) -> None:
        """Close the client's iterator; if it cannot be closed, mark the use of the client as broken off."""
        if not _close(self._source) and not is_in_memory(self._source):
            self._lease.broken_off = True

    def _verdict_if_dropped(self) -> Verdict:
        return SUCCESS if self._items else DROPPED

    def __del__(self) -> None:
        if self._interpreter_ends():
            return
        # The client's iterator is closed first: the next caller must not meet one that is being closed.
        try:
            if self._lease.held:
                self._end_source()
        finally:
            super().__del__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _generator(source: Iterator[T]) -> Generator[T, Any, Any]:
    if not isinstance(source, Generator):
        raise TypeError(
            f"{type(source).__name__} is an iterator, not a generator: no value can be sent to it"
        )
    return cast("Generator[T, Any, Any]", source)


def _raise(typ: Any, val: Any, tb: TracebackType | None) -> NoReturn:
    error: BaseException = val if isinstance(val, BaseException) else typ
    raise error if tb is None else error.with_traceback(tb)


def _close(source: object) -> bool:
    """Close a client's iterator early, by the method it has, if any; gRPC's streams have only `cancel`."""
    for way in ("close", "cancel"):
        end = getattr(source, way, None)
        if callable(end):
            end()
            return True
    return False
