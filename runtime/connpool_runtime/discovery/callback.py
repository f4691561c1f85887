"""Endpoints from a user's function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from connpool_runtime._concurrency.tasks import resolve
from connpool_runtime.discovery.source import AsyncSource, Source
from connpool_runtime.options.validation import seconds

__all__ = ["AsyncCallbackSource", "CallbackSource"]


class AsyncCallbackSource(AsyncSource):
    """Calls a function at intervals. For the tasks of one event loop.

    Arguments:
        function: returns all endpoints that there are now: endpoints, addresses, or mappings of the
            fields of `Endpoint`; may be a coroutine function. What it raises counts as a failure
            of the source: what is known is kept.
        interval: seconds from one answer to the next question, give or take a fifth.
        name: what errors, events and metrics call this source; the function's name if not given.

    Raises:
        ValueError: the interval is not a number of seconds.
    """

    def __init__(
        self,
        function: Callable[[], Awaitable[Iterable[object]] | Iterable[object]],
        *,
        interval: float = 10.0,
        name: str | None = None,
    ) -> None:
        self._function = function
        self.interval = seconds("interval", interval)
        known: str = getattr(function, "__qualname__", "callback")
        self._name = name or known

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return self._name

    async def fetch(self, timeout: float) -> Iterable[object]:
        """Call the function."""
        return await resolve(self._function())


# Made by tools/derive_sync.py from the definitions above; edit those.


class CallbackSource(Source):
    """Calls a function at intervals. Safe for threads.

    Arguments:
        function: returns all endpoints that there are now: endpoints, addresses, or mappings of the
            fields of `Endpoint`. What it raises counts as a failure
            of the source: what is known is kept.
        interval: seconds from one answer to the next question, give or take a fifth.
        name: what errors, events and metrics call this source; the function's name if not given.

    Raises:
        ValueError: the interval is not a number of seconds.
    """

    def __init__(
        self,
        function: Callable[[], Iterable[object]],
        *,
        interval: float = 10.0,
        name: str | None = None,
    ) -> None:
        self._function = function
        self.interval = seconds("interval", interval)
        known: str = getattr(function, "__qualname__", "callback")
        self._name = name or known

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return self._name

    def fetch(self, timeout: float) -> Iterable[object]:
        """Call the function."""
        return self._function()
