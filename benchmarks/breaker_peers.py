"""Five circuit breakers behind one interface: the same call, the same three failures, the same cooldown."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol

import aiobreaker  # type: ignore[import-untyped]  # it has no marker
import circuitbreaker  # type: ignore[import-untyped]  # it has no marker
import purgatory
import pybreaker

from connpool_runtime import AsyncPool, Method

__all__ = ["BREAKERS", "COOLDOWN", "FAILURES", "Breaker", "Excluded", "Work"]

FAILURES = 3
COOLDOWN = 0.2
Work = Callable[[], Coroutine[Any, Any, Any]]


class Excluded(Exception):
    """An error that each breaker is told not to count."""


class Breaker(Protocol):
    """What the situations need of a breaker."""

    tasks: bool

    async def call(self, work: Work) -> Any:
        """Run a coroutine function through the breaker."""


class Ours:
    """A pool with one member."""

    tasks = True

    def __init__(self) -> None:
        # As a plain breaker: any error counts, and an open breaker rejects every call.
        self._pool = AsyncPool[Any](
            max_fails=FAILURES,
            cooldown=COOLDOWN,
            cooldown_factor=1.0,
            cooldown_jitter=0.0,
            panic_threshold=0.0,
            unknown_errors="failure",
        )
        self._pool.add_client(object())
        self._method: Method[Any, Awaitable[Any]] = Method(
            "work", lambda _client, args: args[0](), ignored=(Excluded,)
        )

    async def call(self, work: Work) -> Any:
        """One call of the pool."""
        return await self._pool.call(self._method, (work,))


class PyBreaker:
    """Made for threads: each call has one of its own, with an event loop in it."""

    tasks = False

    def __init__(self) -> None:
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES, reset_timeout=COOLDOWN, exclude=[Excluded]
        )

    async def call(self, work: Work) -> Any:
        """One call in a thread."""
        return await asyncio.to_thread(self._breaker.call, lambda: asyncio.run(_awaited(work)))


async def _awaited(work: Work) -> Any:
    return await work()


class AioBreaker:
    """By `call_async`."""

    tasks = True

    def __init__(self) -> None:
        self._breaker = aiobreaker.CircuitBreaker(
            fail_max=FAILURES, timeout_duration=timedelta(seconds=COOLDOWN), exclude=[Excluded]
        )

    async def call(self, work: Work) -> Any:
        """One call."""
        return await self._breaker.call_async(work)


class Purgatory:
    """By `async with`."""

    tasks = True

    def __init__(self) -> None:
        self._factory = purgatory.AsyncCircuitBreakerFactory(
            default_threshold=FAILURES, default_ttl=COOLDOWN, exclude=[Excluded]
        )

    async def call(self, work: Work) -> Any:
        """One call."""
        async with await self._factory.get_breaker("server"):
            return await work()


class CircuitBreaker:
    """By its decorator."""

    tasks = True
    _names = itertools.count()

    def __init__(self) -> None:
        self._guard = circuitbreaker.CircuitBreaker(
            failure_threshold=FAILURES,
            recovery_timeout=COOLDOWN,
            # Its default, less what shall not count.
            expected_exception=lambda kind, _: issubclass(kind, Exception) and kind is not Excluded,
            name=f"server {next(self._names)}",
        )
        self._run = self._guard(_awaited)

    async def call(self, work: Work) -> Any:
        """One call."""
        return await self._run(work)  # pyright: ignore[reportGeneralTypeIssues]  # untyped


BREAKERS: dict[str, Callable[[], Breaker]] = {
    "connpool-runtime": Ours,
    "pybreaker": PyBreaker,
    "aiobreaker": AioBreaker,
    "purgatory": Purgatory,
    "circuitbreaker": CircuitBreaker,
}
