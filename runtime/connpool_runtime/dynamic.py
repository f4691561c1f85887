"""Results of asynchronous clients whose kind only shows when they are there."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, TypeVar

from connpool_runtime.core.call import Call
from connpool_runtime.engine import Engine
from connpool_runtime.lease import PoolLease

__all__ = ["Pending", "call_any"]

T = TypeVar("T")


def call_any(engine: Engine[Any], call: Call) -> Any:
    """Call a method that may answer at once or with something to await.

    What it answers with is passed on; its member is given back now, or when it has been awaited.
    Layers do not see such a call: whether it waits is known only after it began.
    """
    lease = PoolLease[Any](engine, call)
    client = lease.__enter__()
    try:
        result = call.method.invoke(client, call.args)
        if inspect.isawaitable(result):
            return _awaited(lease, result)
    except BaseException as error:
        lease.__exit__(type(error), error, None)
        raise
    lease.__exit__(None, None, None)
    return result


async def _awaited(lease: PoolLease[Any], result: Awaitable[T]) -> T:
    with lease_of(lease):
        return await result


@contextmanager
def lease_of(lease: PoolLease[Any]) -> Generator[None, None, None]:
    """Give an entered lease back at the end of the block."""
    try:
        yield
    except BaseException as error:
        lease.__exit__(type(error), error, None)
        raise
    lease.__exit__(None, None, None)


class Pending:
    """A result that may be awaited or entered, as `aiohttp` and `aiosqlite` give them.

    Nothing happens before one of the two. Awaited, the member is held until the result is there;
    entered, until the block is left. For one use.
    """

    def __init__(
        self,
        call: Callable[[], Coroutine[Any, Any, Any]],
        enter: Callable[[], AbstractAsyncContextManager[Any]],
    ) -> None:
        self._call = call
        self._enter = enter
        self._context: AbstractAsyncContextManager[Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call().__await__()

    async def __aenter__(self) -> Any:
        self._context = self._enter()
        return await self._context.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if self._context is None:
            return None
        return await self._context.__aexit__(kind, error, trace)
