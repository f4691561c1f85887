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
"""Runs what lies further in; each time is one attempt, on a member picked anew."""

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
    """Return what a pool calls: the method of its colour, or the function itself.

    Raises:
        TypeError: the middleware is neither.
    """
    function: MiddlewareFunction | None = getattr(middleware, way, None)
    if function is None and not (
        hasattr(middleware, "around") or hasattr(middleware, "around_async")
    ):
        function = cast("MiddlewareFunction", middleware)
    if callable(function):
        if way == "around" and inspect.iscoroutinefunction(function):
            raise TypeError(f"{middleware!r} is a coroutine function: that is for an AsyncPool")
        return function
    raise TypeError(
        f"middleware must be a function of (call, proceed) or have a method {way}(call, proceed);"
        f" {middleware!r} is neither"
    )


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
