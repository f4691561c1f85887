"""What the pools need from asyncio; imported by the first pool that waits for something.

asyncio alone costs more than the rest of the runtime to import.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from asyncio import sleep
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["Gate", "Signal", "finish", "result_of", "sleep", "time_limit"]


class Gate:
    """Opens once; any number of tasks of one event loop wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def open(self) -> None:
        """Let all waiters go; from any thread, and from finalizers."""
        self._on_loop(self._event.set)

    async def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the gate is open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()

    def spawn(
        self, work: Callable[[], Coroutine[Any, Any, None]], running: set[asyncio.Task[None]]
    ) -> None:
        """Start a task on the gate's loop, and keep it in a set while it runs; from any thread."""

        def start() -> None:
            task = self._loop.create_task(work())
            running.add(task)
            task.add_done_callback(running.discard)

        self._on_loop(start)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            self._loop.call_soon_threadsafe(callback)


class Signal:
    """Wakes one task of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._came = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> bool:
        """Wake the task, from any thread and from finalizers; tell whether its loop still runs."""
        self._came = True
        try:
            if threading.get_ident() == self._thread:
                self._wake()
            else:
                self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            return False
        return not self._loop.is_closed()

    async def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the signal came."""
        if not self._came:
            self._waiting = self._loop.create_future()
            timer = None if seconds == math.inf else self._loop.call_later(seconds, self._wake)
            try:
                await self._waiting
            finally:
                if timer is not None:
                    timer.cancel()
        came, self._came = self._came, False
        return came

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def finish(running: set[asyncio.Task[None]]) -> None:
    """Wait for tasks that were spawned."""
    await asyncio.sleep(0)  # a task that was just asked for is started first
    if running:
        await asyncio.wait(running)


async def result_of(value: Any) -> Any:
    """Return what a function of the user's gave, awaited if that is called for."""
    return await value if inspect.isawaitable(value) else value


def time_limit(seconds: float) -> asyncio.Timeout:
    """Return a context that cancels what runs in it after so many seconds, as a TimeoutError."""
    return asyncio.timeout(None if seconds == math.inf else seconds)
