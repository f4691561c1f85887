"""Callers that never rest, and count the calls that failed."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

CALLERS = 16


class Load:
    """Threads or tasks that call all the time; `lost` are the calls that failed, by when they began and ended."""

    def __init__(self) -> None:
        self.calls = 0
        self.lost: list[tuple[str, float, float, BaseException]] = []
        self._done = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def by(self, *calls: tuple[str, Callable[[], object]]) -> Iterator[None]:
        """Make these calls in turn, in so many threads, until the block ends."""
        threads = [threading.Thread(target=self._work, args=(calls,)) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def _work(self, calls: tuple[tuple[str, Callable[[], object]], ...]) -> None:
        while not self._done.is_set():
            for name, call in calls:
                began = time.monotonic()
                try:
                    call()
                except BaseException as error:
                    with self._lock:
                        self.lost.append((name, began, time.monotonic(), error))
            with self._lock:
                self.calls += len(calls)

    @asynccontextmanager
    async def by_tasks(self, name: str, call: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
        """Make this call in so many tasks until the block ends."""
        tasks = [asyncio.create_task(self._work_in_task(name, call)) for _ in range(CALLERS)]
        try:
            yield
        finally:
            self._done.set()
            await asyncio.gather(*tasks)

    async def _work_in_task(self, name: str, call: Callable[[], Awaitable[Any]]) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            try:
                await call()
            except Exception as error:
                self.lost.append((name, began, time.monotonic(), error))
            self.calls += 1
            await asyncio.sleep(0.001)
