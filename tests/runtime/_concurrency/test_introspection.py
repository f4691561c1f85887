"""Coroutines and awaitables are told apart from other values as `inspect` does it."""

import asyncio
import functools
import inspect
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from connpool_runtime._concurrency.introspection import (
    is_awaitable,
    is_coroutine,
    is_coroutine_function,
)


def plain() -> int:
    return 1


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def asynchronous_generator() -> AsyncIterator[int]:
    yield 1


@types.coroutine
def old_coroutine() -> Iterator[Any]:
    yield from asyncio.sleep(0).__await__()


@functools.wraps(coroutine)
def decorated() -> Any:
    return coroutine()


MARK: Any = getattr(inspect, "markcoroutinefunction", functools.partial)  # since Python 3.12


class Object:
    async def method(self) -> int:
        return 1

    def plain(self) -> int:
        return 1

    async def __call__(self) -> int:
        return 1

    def __await__(self) -> Iterator[Any]:
        return iter(())


FUNCTIONS = (
    plain,
    coroutine,
    generator,
    asynchronous_generator,
    old_coroutine,
    decorated,
    functools.partial(coroutine),
    functools.partial(plain),
    Object.method,
    Object.plain,
    Object().method,
    Object(),
    Object,
    len,
    None,
    MARK(lambda: 1),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: type(one).__name__)
def test_functions(function: Any) -> None:
    """A function is a coroutine function if `inspect` says so, whatever it is wrapped in."""
    assert is_coroutine_function(function) is inspect.iscoroutinefunction(function)


async def test_values() -> None:
    """A value is a coroutine, or can be awaited, if `inspect` says so."""
    future = asyncio.get_running_loop().create_future()
    made: list[Any] = [coroutine(), old_coroutine(), generator(), asynchronous_generator()]
    for value in [*made, future, Object(), Object, 1, None]:
        assert is_coroutine(value) is inspect.iscoroutine(value)
        assert is_awaitable(value) is inspect.isawaitable(value)
    made[0].close()
    assert sum(map(is_awaitable, made)) == 2
