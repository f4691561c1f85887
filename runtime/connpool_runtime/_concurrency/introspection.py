"""What `inspect` tells of values, functions and frames, without importing it.

That is a tenth of the time of importing the runtime, and needed for rare kinds of functions only.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from types import CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any, TypeGuard

__all__ = ["current_frame", "is_awaitable", "is_coroutine", "is_coroutine_function"]

# As in `inspect`.
_CO_COROUTINE = 0x80
_CO_ITERABLE_COROUTINE = 0x100


def is_coroutine(value: object) -> TypeGuard[CoroutineType[Any, Any, Any]]:
    """Return whether a value is what a call of an `async def` function returns."""
    return isinstance(value, CoroutineType)


def is_awaitable(value: object) -> TypeGuard[Awaitable[Any]]:
    """Return whether a value can be awaited, as `inspect.isawaitable`."""
    if isinstance(value, (CoroutineType, Awaitable)):
        return True
    # A generator that `types.coroutine` has made a coroutine.
    return isinstance(value, GeneratorType) and bool(
        value.gi_code.co_flags & _CO_ITERABLE_COROUTINE
    )


def is_coroutine_function(function: object) -> bool:
    """Return whether a call returns a coroutine, as `inspect.iscoroutinefunction`."""
    if type(function) is FunctionType and not function.__dict__:  # neither marked nor decorated
        return bool(function.__code__.co_flags & _CO_COROUTINE)
    from inspect import iscoroutinefunction

    return iscoroutinefunction(function)


def current_frame() -> FrameType:
    """Return the caller's frame, as `inspect.currentframe`.

    The caller must not keep it in a variable: a frame in one of its own variables is a reference cycle, and
    all that the function holds would live until the next garbage collection.
    """
    return sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # it is documented
