"""Looks after endpoints with a factory while nobody calls: closes, replaces, keeps the minimum.

One daemon thread, or one task, per pool that has such endpoints. It starts when the first client
was opened, ends with the pool, and does not keep a forgotten pool alive. It sleeps until the next
thing is due, and no lock is held while it opens or closes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import ref

from connpool_runtime._concurrency import threads
from connpool_runtime._log import log_failure
from connpool_runtime.checkout import opener
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.opening import stores_of
from connpool_runtime.clients.maintenance import next_due, retire_expired, shortfall
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from asyncio import Task
    from threading import Thread

    from connpool_runtime._concurrency import tasks

__all__ = ["AsyncHousekeeper", "Housekeeper"]


class Housekeeper:
    """Looks after the endpoints of a `Pool`, in a thread."""

    def __init__(self, checkout: Checkout[Any]) -> None:
        self._signal = signal = threads.Signal()
        self._checkout = ref(checkout, lambda _: signal.set())
        self._starting = threads.Lock()
        self._generation = -1
        self._thread: Thread | None = None

    def poke(self) -> None:
        """Look now whether there is something to do."""
        self._signal.set()
        checkout = self._checkout()
        if checkout is None or (
            self._generation == checkout.state.fork_generation and self._alive()
        ):
            return
        if (
            self._generation != checkout.state.fork_generation
        ):  # in a child process, which has no threads
            self._starting, self._generation, self._thread = (
                threads.Lock(),
                checkout.state.fork_generation,
                None,
            )
        if self._starting.acquire(blocking=False):
            try:
                if not self._alive():
                    self._thread = threads.start(
                        f"housekeeper of pool {checkout.state.name!r}", self._run
                    )
            finally:
                self._starting.release()

    def stop(self, seconds: float) -> None:
        """Wait for the end of what is being done; called when the pool is closed."""
        self._signal.set()
        thread = self._thread
        if thread is not None and thread.ident != threads.get_ident():
            thread.join(seconds)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while (pause := self._tend()) is not None:
            self._signal.wait(pause)

    def _tend(self) -> float | None:
        """Do what is due; return the seconds until there is more, None when the pool is gone."""
        checkout = self._checkout()
        if checkout is None:
            return None
        for member, store in due(checkout):
            opener.close_discarded(checkout.state.name, store)
            try:
                while shortfall(store) and opener.open_idle(checkout, member, store):
                    pass
            except Exception:
                log_failure("opening a client of %r failed", member.name)
            opener.close_discarded(checkout.state.name, store)
        return None if checkout.state.membership.closed else pause(checkout)


class AsyncHousekeeper:
    """Looks after the endpoints of an `AsyncPool`, in a task on the loop of whoever opened the first client."""

    def __init__(self, checkout: Checkout[Any]) -> None:
        self._checkout = ref(checkout, lambda _: self._wake())
        self._signal: tasks.Signal | None = None
        self._task: Task[None] | None = None

    def poke(self) -> None:
        """Look now whether there is something to do."""
        if self._wake() and self._task is not None and not self._task.done():
            return
        import asyncio

        from connpool_runtime._concurrency import tasks

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next one who pokes has a loop
        self._signal = tasks.Signal()
        self._task = loop.create_task(self._run(self._signal))

    def _wake(self) -> bool:
        return self._signal is not None and self._signal.set()

    async def stop(self, seconds: float) -> None:
        """Wait for the end of what is being done, then cancel it; called when the pool is closed."""
        import asyncio

        self._wake()
        task, self._task = self._task, None
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return
        _, late = await asyncio.wait([task], timeout=seconds)
        if late:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self, signal: tasks.Signal) -> None:
        while (pause := await self._tend()) is not None:
            await signal.wait(pause)

    async def _tend(self) -> float | None:
        checkout = self._checkout()
        if checkout is None:
            return None
        from connpool_runtime.checkout import async_opener

        for member, store in due(checkout):
            await async_opener.close_discarded(checkout.state.name, store)
            try:
                while shortfall(store) and await async_opener.open_idle(checkout, member, store):
                    pass
            except Exception:
                log_failure("opening a client of %r failed", member.name)
            await async_opener.close_discarded(checkout.state.name, store)
        return None if checkout.state.membership.closed else pause(checkout)


def due(checkout: Checkout[Any]) -> list[tuple[Member[Any], ClientStore[Any]]]:
    """Retire what has expired in all stores, and return these with their members."""
    state = checkout.state
    with state.after_lock, state.lock:
        checkout.router.wake_locked()
        now, found = state.clock(), stores_of(state)
        for member, store in found:
            retire_expired(store, now)
            state.queue.free(member)  # a smaller store may open a new client
    return found


def pause(checkout: Checkout[Any]) -> float:
    """Return the seconds until something will be due."""
    state = checkout.state
    with state.after_lock, state.lock:
        at = min((next_due(store) for _, store in stores_of(state)), default=math.inf)
        return max(0.0, at - state.clock())
