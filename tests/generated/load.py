"""Load on a wrapper from many threads, and clients that note what reaches their server."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@dataclass(frozen=True)
class Attempt:
    """One command that a member's client was asked to run; times of `time.monotonic`."""

    begun: float
    ended: float
    succeeded: bool


class NotingRedis(redis.Redis):
    """A client that tries nothing twice by itself and notes every command."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port, socket_timeout=5.0, retry=Retry(NoBackoff(), 0))
        self.attempts: list[Attempt] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command as usual."""
        begun = time.monotonic()
        succeeded = False
        try:
            result = super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # so in redis
            succeeded = True
        finally:
            self.attempts.append(Attempt(begun, time.monotonic(), succeeded))
        return result

    def since(self, moment: float) -> list[Attempt]:
        """The attempts that began after a moment, in order."""
        return sorted((a for a in list(self.attempts) if a.begun >= moment), key=lambda a: a.begun)


class Load:
    """Threads that run one call over and over inside a `with` block."""

    def __init__(self, call: Callable[[], object], *, threads: int = 16) -> None:
        self._call = call
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self._calls = [0] * threads
        self.failed: list[Exception] = []

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return sum(self._calls)

    def _run(self) -> None:
        number = self._threads.index(threading.current_thread())
        while not self._ended.is_set():
            try:
                self._call()
            except Exception as error:
                self.failed.append(error)
            self._calls[number] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
