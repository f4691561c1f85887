"""Generators of a client that are watched: their member is given back at their end, and not when they are gone.

A generator around a generator is still one, so that what the client promises stays true.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, cast

from connpool_runtime.results.long_call import is_in_memory

__all__ = ["watched"]

# Gets the error with which a generator ended, if any.
AtEnd = Callable[[BaseException | None], BaseException | None]


def watched(source: Any, at_end: AtEnd) -> Any:
    """Return a generator of the items of a client's generator; None if the source is something else.

    Of one that is left before its end, `at_end` is dropped with the generator: this may be the work of a
    finalizer, and then no code may run that waits for a lock.

    Arguments:
        source: what the client returned.
        at_end: is called once after the last item; returns the error to raise in place of the one it gets.
    """
    if type(cast("object", source)) is GeneratorType or _is_lazy(source):
        return _named(_watched(source, at_end), source)
    if type(cast("object", source)) is AsyncGeneratorType:
        return _named(_watched_async(source, at_end), source)
    return None


def _is_lazy(source: object) -> bool:
    """Return whether a value is an iterator such as that of `map`, which asks another one for each item."""
    kind = type(source)
    builtin = kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__")
    return builtin and not is_in_memory(source)


def _named(generator: Any, source: Any) -> Any:
    generator.__name__ = getattr(source, "__name__", type(source).__name__)
    generator.__qualname__ = getattr(source, "__qualname__", generator.__name__)
    return generator


def _watched(source: Generator[Any, Any, Any], at_end: AtEnd) -> Generator[Any, Any, Any]:
    try:
        result = yield from source
    except BaseException as caught:
        error = None if _was_closed(caught) else at_end(caught)
        if error is not None and error is not caught:
            raise error from caught
        raise
    at_end(None)
    return result


async def _watched_async(
    source: AsyncGenerator[Any, Any], at_end: AtEnd
) -> AsyncGenerator[Any, Any]:
    try:
        step = source.__anext__
        while True:
            try:
                item = await step()
            except StopAsyncIteration:
                break
            try:
                step = _sending(source, (yield item))
            except GeneratorExit:
                await source.aclose()
                raise
            except BaseException as thrown:
                step = _throwing(source, thrown)
    except BaseException as caught:
        error = None if _was_closed(caught) else at_end(caught)
        if error is not None and error is not caught:
            raise error from caught
        raise
    at_end(None)


def _sending(source: AsyncGenerator[Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: source.asend(value)


def _throwing(source: AsyncGenerator[Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: source.athrow(error)


def _was_closed(error: BaseException | None) -> bool:
    """Return whether a generator ended because it was closed, perhaps by a finalizer."""
    while error is not None:
        if isinstance(error, GeneratorExit):
            return True
        error = error.__context__
    return False
