"""Puts middleware around a call, the first registered outermost."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, cast

from connpool_runtime.calls.call import Call

__all__ = [
    "AsyncMiddleware",
    "MiddlewareFunction",
    "Middleware",
    "Proceed",
    "around",
    "function_of",
]

Proceed: TypeAlias = Callable[[Call], Any]
"""Runs what lies further in; each call of it is one attempt, on a member picked anew."""

MiddlewareFunction: TypeAlias = Callable[[Call, Proceed], Any]
"""A middleware as a function, of the call and of what lies inside."""


class Middleware(Protocol):
    """A middleware as an object, for a `Pool`."""

    def around(self, call: Call, proceed: Proceed, /) -> Any:
        """Run the rest of a call by `proceed(call)`, or not; return what the caller shall get."""


class AsyncMiddleware(Protocol):
    """A middleware as an object, for an `AsyncPool`."""

    def around_async(self, call: Call, proceed: Proceed, /) -> Awaitable[Any]:
        """Run the rest of a call by `await proceed(call)`; see `Middleware`."""
        ...


def function_of(middleware: object, way: str) -> MiddlewareFunction:
    """Return the function that a pool calls for a middleware: a method of it, or the middleware itself.

    Arguments:
        middleware: an object with such a method, or a function of (call, proceed).
        way: the name of the method, "around" for a `Pool`, "around_async" for an `AsyncPool`.

    Raises:
        TypeError: the middleware is neither, is for the other kind of pool, or is a class.
    """
    name = getattr(middleware, "__name__", type(middleware).__name__)
    if isinstance(middleware, type) and not inspect.ismethod(getattr(middleware, way, None)):
        raise TypeError(f"{name} is a class: register an instance of it, such as {name}()")
    function: MiddlewareFunction | None = getattr(middleware, way, None)
    if function is None:
        if hasattr(middleware, _OTHER[way]):
            raise TypeError(
                f"{name} is for {_POOLS[_OTHER[way]]}: {_POOLS[way]} needs a method"
                f" {way}(call, proceed)"
            )
        function = cast("MiddlewareFunction", middleware)
    if not callable(function):
        raise TypeError(
            f"middleware must be a function of (call, proceed) or have a method {way}(call,"
            f" proceed); {middleware!r} is neither"
        )
    _check(function, way)
    return function


_OTHER = {"around": "around_async", "around_async": "around"}
_POOLS = {"around": "a Pool", "around_async": "an AsyncPool"}


def _check(function: MiddlewareFunction, way: str) -> None:
    """Refuse a function whose first call would fail, or would return what nobody awaits or iterates."""
    runs = (function, type(function).__call__)  # an object that is called like a function, too
    if way == "around" and any(map(inspect.iscoroutinefunction, runs)):
        raise TypeError(f"{function!r} is a coroutine function: that is for an AsyncPool")
    if any(inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run) for run in runs):
        raise TypeError(f"{function!r} is a generator function: a middleware returns the answer")
    try:
        signature = inspect.signature(function)
    except Exception:
        return  # a builtin does not tell, and annotations may fail; its first call will tell
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"middleware must be a function of (call, proceed); {function!r} cannot be called with"
            f" these two: {error}"
        ) from None


def around(innermost: Proceed, middleware: Sequence[MiddlewareFunction]) -> Proceed:
    """Return a function that runs a call through all middleware."""
    proceed = innermost
    for function in reversed(middleware):
        proceed = _wrapped(function, proceed)
    return proceed


def _wrapped(function: MiddlewareFunction, inner: Proceed) -> Proceed:
    def proceed(call: Call) -> Any:
        return function(call, inner)

    return proceed
