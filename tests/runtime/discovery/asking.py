"""Ask a source of either kind, sync or async, as a pool would."""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connpool_runtime.discovery import Endpoint
from connpool_runtime.discovery.endpoint import snapshot_of

PATIENCE = 60.0


class Asker:
    """Runs the methods of one source; a loop of its own drives those for tasks."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self._loop = asyncio.new_event_loop()

    def run(self, answer: Any) -> Any:
        return self._loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    def ask(self, timeout: float = PATIENCE) -> dict[str, Endpoint]:
        """The endpoints of an answer, by id."""
        answer = self.run(self.source.fetch(timeout))
        return {one.id: one for one in snapshot_of(answer, self.source.name)}

    def ask_until(self, condition: Callable[[dict[str, Endpoint]], bool]) -> dict[str, Endpoint]:
        """Ask until the answer is as it should be."""
        until = time.monotonic() + PATIENCE
        while not condition(found := self.ask()):
            assert time.monotonic() < until, found
        return found

    def close(self) -> None:
        self.run(self.source.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


@contextmanager
def asking(source: Any) -> Iterator[Asker]:
    """Ask a source, and close it at the end."""
    asker = Asker(source)
    try:
        yield asker
    finally:
        asker.close()
