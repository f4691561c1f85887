"""Callers that never stop calling, as threads or as tasks, and a record of how each call ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from benchmarks.chaos.services import AsyncTarget, Target
from connpool_runtime import BreakerChanged, BreakerState, Event, HealthChanged
from connpool_runtime.middleware import in_order

PAUSE = 0.02  # seconds between two calls of a caller: the machine, not the pool, should be idle


@dataclass(frozen=True, slots=True)
class Ended:
    """One call: when it began and ended by `time.monotonic`, which server answered, or what was raised."""

    began: float
    ended: float
    server: str = ""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class CutOff:
    """A member was ejected, by its breaker or by health checks."""

    at: float
    member: str


class Callers(Protocol):
    """Callers of one pool; they call inside the `with` block."""

    kind: str
    ended: list[Ended]
    cut_off: list[CutOff]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class _Notes:
    """What callers and the pool's listener record; lists are safe to append to from any thread."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self.cut_off: list[CutOff] = []

    def listen(self, event: Event) -> None:
        """Record a member that was ejected and was not before: a failed probe ejects no further member."""
        opened = isinstance(event, BreakerChanged) and (
            event.before is BreakerState.CLOSED and event.after is BreakerState.OPEN
        )
        if opened or (isinstance(event, HealthChanged) and not event.healthy):
            self.cut_off.append(CutOff(time.monotonic(), event.member))


class ThreadCallers(_Notes):
    """Threads that call through a synchronous pool.

    Arguments:
        open_target: opens the pool.
        callers: how many threads.
        pause: seconds between two calls of one of them.
    """

    kind = "sync"

    def __init__(
        self, open_target: Callable[[], Target], callers: int = 8, pause: float = PAUSE
    ) -> None:
        super().__init__()
        self._open = open_target
        self._pause = pause
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(callers)]

    def __enter__(self) -> Self:
        self._target = self._open()
        _furnish(self._target.pool, self)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._target.pool.close()

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            began = time.monotonic()
            try:
                server = self._target.call()
            except Exception as error:
                self.ended.append(Ended(began, time.monotonic(), error=error))
            else:
                self.ended.append(Ended(began, time.monotonic(), server))


class TaskCallers(_Notes):
    """Tasks that call through an asynchronous pool, on an event loop in a thread of its own.

    Arguments:
        open_target: opens the pool.
        callers: how many tasks.
        pause: seconds between two calls of one of them.
    """

    kind = "async"

    def __init__(
        self,
        open_target: Callable[[], Awaitable[AsyncTarget]],
        callers: int = 8,
        pause: float = PAUSE,
    ) -> None:
        super().__init__()
        self._open = open_target
        self._callers = callers
        self._pause = pause
        self._over = threading.Event()
        self._opened = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            asyncio.run(self._call_all())
        except BaseException as error:
            self._failure = error
        finally:
            self._opened.set()

    async def _call_all(self) -> None:
        target = await self._open()
        _furnish(target.pool, self)
        self._opened.set()
        await asyncio.gather(*(self._run(target) for _ in range(self._callers)))
        await target.pool.close()

    async def _run(self, target: AsyncTarget) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                server = await target.call()
            except Exception as error:
                self.ended.append(Ended(began, time.monotonic(), error=error))
            else:
                self.ended.append(Ended(began, time.monotonic(), server))
            await asyncio.sleep(self._pause)


def _furnish(pool: Any, notes: _Notes) -> None:
    """Give a pool the recommended middleware, and a listener."""
    for middleware in in_order():
        pool.register_middleware(middleware)
    pool.subscribe(notes.listen)
