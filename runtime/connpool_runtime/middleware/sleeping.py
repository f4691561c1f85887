"""Waiting for a while, in both colours; each library is imported by the first who waits."""

from __future__ import annotations

__all__ = ["async_sleep", "sync_sleep"]


def sync_sleep(delay: float) -> None:
    """Block the thread for so many seconds."""
    import time

    time.sleep(delay)


async def async_sleep(delay: float) -> None:
    """Suspend the task for so many seconds."""
    import asyncio

    await asyncio.sleep(delay)
