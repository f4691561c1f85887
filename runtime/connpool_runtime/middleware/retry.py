"""Tries again on another member."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime.async_stream import AsyncStream
from connpool_runtime.core.call import Call
from connpool_runtime.core.chain import Proceed
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.settings import seconds, whole_number
from connpool_runtime.stream import Stream

__all__ = ["Retry"]


class Retry:
    """Runs a failed call again, on a member that it has not tried yet if there is one.

    Only for idempotent methods, and only after failures: a refusal of the pool, a cancellation or
    a caller's mistake is final. A stream is opened again as long as it has given no item. The waits
    are the "full jitter" back-off of Brooker, "Exponential Backoff And Jitter".

    The last error is raised; the first is in its chain of contexts.

    Arguments:
        attempts: how often a call is tried in all.
        base: seconds that the first wait lasts at most; each later one may last twice as long.
        cap: seconds that any wait lasts at most.
        random: floats in [0, 1).
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: a number is not allowed.
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        base: float = 0.05,
        cap: float = 2.0,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        whole_number("attempts", attempts, least=1)
        seconds("base", base)
        seconds("cap", cap)
        self._attempts = attempts
        self._base = base
        self._cap = cap
        self._random = random
        self._sleep = sleep

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        result = self._persist(call, proceed)
        opened: object = result
        if isinstance(opened, Stream):
            opened.reopen = partial(self._persist, call, proceed)
        return result

    def _persist(self, call: Call, proceed: Proceed, *errors: BaseException) -> Any:
        sleep = self._sleep or _sleep
        met = list(errors)
        while True:
            if met:
                sleep(self._wait(call, met))
            try:
                result = proceed(call)
            except Exception as error:
                met.append(error)
            else:
                _forget_frames(met)
                return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        result = await self._persist_async(call, proceed)
        opened: object = result
        if isinstance(opened, AsyncStream):
            opened.reopen = partial(self._persist_async, call, proceed)
        return result

    async def _persist_async(self, call: Call, proceed: Proceed, *errors: BaseException) -> Any:
        sleep = self._sleep or _async_sleep
        met = list(errors)
        while True:
            if met:
                await sleep(self._wait(call, met))
            try:
                result = await proceed(call)
            except Exception as error:
                met.append(error)
            else:
                _forget_frames(met)
                return result

    def _wait(self, call: Call, met: list[BaseException]) -> float:
        """Return the seconds before the next attempt, or raise the last error if there is none."""
        again = call.method.idempotent and call.attempt < self._attempts
        if not again or call.judge(met[-1]) is not Outcome.FAILURE:
            raise _with_first(met[-1], met[0])
        longest: float = min(self._cap, self._base * 2.0 ** (call.attempt - 1))
        return self._random() * longest


def _with_first(error: BaseException, first: BaseException) -> BaseException:
    """Hang the first error at the end of the last one's contexts, unless it is in there."""
    link = error
    while link is not first and link.__context__ is not None:
        link = link.__context__
    if link is not first:
        link.__context__ = first
    return error


def _forget_frames(met: list[BaseException]) -> None:
    """Let go of what the tracebacks of errors hold that nobody will see.

    A breaker keeps the last error; its frames would keep a stream alive that the caller dropped.
    """
    for error in met:
        error.__traceback__ = None


def _sleep(delay: float) -> None:
    import time

    time.sleep(delay)


async def _async_sleep(delay: float) -> None:
    import asyncio

    await asyncio.sleep(delay)
