"""Tells coroutines and awaitables apart from other values, without importing `inspect`.

That takes a third of the time of importing all of the runtime, and is needed for rare kinds of functions only.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import CoroutineType, FunctionType, GeneratorType
from typing import Any, TypeGuard

__all__ = ["is_awaitable", "is_coroutine", "is_coroutine_function"]

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
