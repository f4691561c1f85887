"""Threads that call the services all the time, and count what came of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import Self

from connpool_runtime import deadline
from fleet.services import Service

PATIENCE = 3.0  # seconds that a caller waits for an answer, whatever the service allows
PAUSE = 0.005  # seconds between two calls of a thread, to leave the machine some air


class Callers:
    """Runs threads inside its `with` block, each of which calls one service.

    Args:
        services: what is called.
        threads: how many threads each service gets.
    """

    def __init__(self, services: Sequence[Service], threads: int = 4) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()
        self.lost: list[tuple[str, Exception]] = []
        self._threads = [
            threading.Thread(target=self._work, args=(service,), daemon=True)
            for service in services
            for _ in range(threads)
        ]

    def made(self, service: str) -> int:
        """Return how many calls of a service were made."""
        return self._made[service]

    def lost_of(self, service: str) -> int:
        """Return how many of them failed."""
        return sum(name == service for name, _ in list(self.lost))

    def _work(self, service: Service) -> None:
        for number in count():
            if self._ended.wait(PAUSE):
                return
            try:
                with deadline(PATIENCE):
                    service.call(number % 1000)
            except Exception as error:
                self.lost.append((service.name, error))
            with self._lock:
                self._made[service.name] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
