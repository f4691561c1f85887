"""Results of asynchronous clients whose kind is known only when they arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, TypeVar

from connpool_runtime._concurrency.introspection import is_awaitable, is_coroutine
from connpool_runtime.calls.call import Call
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.results.lease import PoolLease

__all__ = ["PendingCall", "call_any"]

T = TypeVar("T")


def call_any(checkout: AnyCheckout, call: Call) -> Any:
    """Call a method that may return at once or return an awaitable.

    What it answers with is passed on; its member is given back now, or when it has been awaited.
    Middleware do not see such a call: whether it waits is known only after it began.
    """
    lease = PoolLease[Any](checkout, call)
    client = lease.__enter__()
    try:
        result = call.method.unjudged(client, call.args)
        if is_awaitable(result):
            richer = not is_coroutine(result)  # its other attributes stay available
            return StartedCall(lease, result) if richer else _awaited(lease, result)
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


class StartedCall:
    """A client's answer that can be awaited, entered or iterated. For one use.

    The member is held until whichever of them has ended, or until this object is dropped.
    """

    def __init__(self, lease: PoolLease[Any], answer: Any) -> None:
        self._lease = lease
        self._answer = answer

    def __await__(self) -> Generator[Any, Any, Any]:
        return _awaited(self._lease, self._answer).__await__()

    async def __aenter__(self) -> Any:
        try:
            return await self._answer.__aenter__()
        except BaseException as error:
            self._lease.__exit__(type(error), error, None)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            suppressed: bool | None = await self._answer.__aexit__(kind, error, trace)
        except BaseException as raised:
            self._lease.__exit__(type(raised), raised, None)
            raise
        self._lease.__exit__(kind, error, trace)
        return suppressed

    async def __aiter__(self) -> AsyncGenerator[Any, None]:
        received = False
        try:
            async for item in self._answer:
                received = True
                yield item
        except BaseException as error:
            enough = received and isinstance(error, GeneratorExit)
            self._lease.__exit__(type(error), None if enough else error, None)
            raise
        self._lease.__exit__(None, None, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)


class PendingCall:
    """A result that may be awaited, entered or iterated.

    `aiohttp` and `aiosqlite` give such results, and openai's pages are some. Nothing happens before
    one of them. Awaited, the member is held until the result is there; entered, until the block is
    left; iterated, until the last item. For one use.
    """

    def __init__(
        self,
        call: Callable[[], Coroutine[Any, Any, Any]],
        enter: Callable[[], AbstractAsyncContextManager[Any]],
        iterate: Callable[[], AsyncIterator[Any]],
    ) -> None:
        self._call = call
        self._enter = enter
        self._iterate = iterate
        self._context: AbstractAsyncContextManager[Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._call().__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterate()

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
