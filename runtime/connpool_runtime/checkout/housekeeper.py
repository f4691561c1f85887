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
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.checkout.opener import clear_out, clear_out_async, open_one, open_one_async
from connpool_runtime.clients.maintenance import next_due, retire_expired, shortfall
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from asyncio import Task
    from threading import Thread

    from connpool_runtime._concurrency import tasks

__all__ = ["AsyncHousekeeper", "Housekeeper"]


class Housekeeper:
    """The upkeep of a `Pool`."""

    def __init__(self, engine: Engine[Any]) -> None:
        self._signal = signal = threads.Signal()
        self._engine = ref(engine, lambda _: signal.set())
        self._starting = threads.Lock()
        self._generation = -1
        self._thread: Thread | None = None

    def poke(self) -> None:
        """Look now whether there is something to do."""
        self._signal.set()
        engine = self._engine()
        if engine is None or (self._generation == engine.fork_generation and self._alive()):
            return
        if self._generation != engine.fork_generation:  # in a child process, which has no threads
            self._starting, self._generation, self._thread = (
                threads.Lock(),
                engine.fork_generation,
                None,
            )
        if self._starting.acquire(blocking=False):
            try:
                if not self._alive():
                    self._thread = threads.start(f"upkeep of pool {engine.name!r}", self._run)
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
        engine = self._engine()
        if engine is None:
            return None
        for member in due(engine):
            if member.store is not None:
                clear_out(engine.name, member.store)
                try:
                    while shortfall(member.store) and open_one(engine, member):
                        pass
                except Exception:
                    log_failure("opening a client of %r failed", member.name)
                clear_out(engine.name, member.store)
        return None if engine.membership.closed else pause(engine)


class AsyncHousekeeper:
    """The upkeep of an `AsyncPool`, on the loop of whoever opened the first client."""

    def __init__(self, engine: Engine[Any]) -> None:
        self._engine = ref(engine, lambda _: self._wake())
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
        engine = self._engine()
        if engine is None:
            return None
        for member in due(engine):
            if member.store is not None:
                await clear_out_async(engine.name, member.store)
                try:
                    while shortfall(member.store) and await open_one_async(engine, member):
                        pass
                except Exception:
                    log_failure("opening a client of %r failed", member.name)
                await clear_out_async(engine.name, member.store)
        return None if engine.membership.closed else pause(engine)


def due(engine: Engine[Any]) -> tuple[Member[Any], ...]:
    """Prune all stores and return the members that have one."""
    with engine.lock:
        engine.wake_locked()
        now = engine.clock()
        members = tuple(one for one in engine.membership.members if one.store is not None)
        for member in members:
            if member.store is not None:
                retire_expired(member.store, now)
                engine.line.free(member)  # a smaller store may open a new client
    engine.act()
    return members


def pause(engine: Engine[Any]) -> float:
    """Return the seconds until something will be due."""
    with engine.lock:
        stores = [one.store for one in engine.membership.members if one.store is not None]
        at = min((next_due(store) for store in stores), default=math.inf)
        return max(0.0, at - engine.clock())
