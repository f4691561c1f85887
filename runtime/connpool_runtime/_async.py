"""What the pools need from asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress

__all__ = ["Gate"]


class Gate:
    """Opens once; any number of tasks of one event loop wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def open(self) -> None:
        """Let all waiters go; from any thread, and from finalizers."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the gate is open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()
