"""Threads that use the pool as a service would, and count what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from generated.redis_pool import RedisPool

PAUSE = 0.001  # seconds between two calls of a thread, to leave the machine some air


class Load:
    """Calls `hset` and `hget` from several threads inside its `with` block.

    Args:
        wrapper: what to call.
        threads: how many threads.
    """

    def __init__(self, wrapper: RedisPool, threads: int = 8) -> None:
        self._stop = threading.Event()
        self._workers = [_Worker(wrapper, self._stop) for _ in range(threads)]

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(worker.calls for worker in self._workers)

    @property
    def lost(self) -> list[Exception]:
        """What the calls that failed raised."""
        return [error for worker in self._workers for error in worker.lost]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.join()


class _Worker(threading.Thread):
    """One thread; it alone writes its counters."""

    def __init__(self, wrapper: RedisPool, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._wrapper = wrapper
        self._stop_asked = stop
        self.calls = 0
        self.lost: list[Exception] = []

    def run(self) -> None:
        """Call in turns what changes nothing when it is done twice."""
        while not self._stop_asked.wait(PAUSE):
            self._make(lambda: self._wrapper.hset("greetings", "english", "hello"))
            self._make(lambda: self._wrapper.hget("greetings", "english"))

    def _make(self, call: Callable[[], object]) -> None:
        self.calls += 1
        try:
            call()
        except Exception as error:
            self.lost.append(error)
