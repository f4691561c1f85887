"""Clients shared by config, for asyncio."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack
from weakref import WeakMethod

from connpool_runtime._concurrency.tasks import Gate, finish
from connpool_runtime._log import log_failure, runtime_logger
from connpool_runtime._validation import seconds
from connpool_runtime.sharing.base import BaseSharing
from connpool_runtime.sharing.entry import SharedEntry, SharedReference, short_key
from connpool_runtime.sharing.handle import Handle
from connpool_runtime.sharing.settings import SharingOptions

if TYPE_CHECKING:
    from connpool_runtime.connectors.config.base import ConnectorConfig
    from connpool_runtime.connectors.contract import AsyncConnector

__all__ = ["Acquiring", "AsyncSharedClients", "Handle"]

K = TypeVar("K", bound="ConnectorConfig")
C = TypeVar("C")


class Acquiring(Generic[C]):
    """A client that is asked for: `await` gives a handle, `async with` the client. For one use."""

    def __init__(self, acquire: Callable[[], Coroutine[Any, Any, Handle[C]]]) -> None:
        self._acquire = acquire
        self._handle: Handle[C] | None = None

    def __await__(self) -> Generator[Any, None, Handle[C]]:
        return self._acquire().__await__()

    async def __aenter__(self) -> C:
        self._handle = await self._acquire()
        return self._handle.client

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.release()


class AsyncSharedClients(BaseSharing[K, "AsyncConnector[C]"], Generic[K, C]):
    """Opens one client for each config, counts who has it, and closes it some time after the last.

    Equal are configs that mean the same: `config.key()` decides. A client that fails its health
    check is given to nobody new: the next `acquire` opens another one, unless a later check
    passes; those who have it keep it, and the last of them closes it. For the tasks of one event
    loop: the one that makes it.

    Arguments:
        connector: makes a connector for a config, without I/O; a connector class for example.
        name: how errors and logs call this.
        options: see `SharingSettings`.

    Raises:
        ValueError: an option is not allowed.
        RuntimeError: no event loop runs here.
    """

    def __init__(
        self,
        connector: Callable[[K], AsyncConnector[C]],
        name: str = "clients",
        **options: Unpack[SharingOptions],
    ) -> None:
        super().__init__(connector, name, options, Gate)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    def acquire(self, config: K, timeout: float | None = None) -> Acquiring[C]:
        """Return what gives the config's client, opening that if it is not there.

        `handle = await clients.acquire(config)`, or `async with clients.acquire(config) as client`.

        Arguments:
            config: which client.
            timeout: seconds to wait for room, or for another caller who is opening it; the setting
                `acquire_timeout` if not given.

        Raises:
            ConnectFailed: it could not be opened; all who waited for it get this error.
            ClientsExhausted: no room in time: as many clients as are allowed are in use.
            AcquireTimeout: another caller was still opening it.
            PoolClosed: `close` was called.
        """
        limit = self.settings.acquire_timeout if timeout is None else timeout
        seconds("timeout", limit)
        return Acquiring(lambda: self._acquire(config, limit))

    async def _acquire(self, config: K, limit: float) -> Handle[C]:
        reference: SharedReference[AsyncConnector[C]] = SharedReference()
        handle: Handle[C] = Handle(self, reference)
        try:
            handle.give((await self._hold(reference, config, limit)).client)
        except BaseException:
            self._withdraw(reference)
            raise
        return handle

    async def _hold(
        self, reference: SharedReference[AsyncConnector[C]], config: K, limit: float
    ) -> AsyncConnector[C]:
        key, deadline = config.key(), self._clock() + limit
        while True:
            gate: Gate | None = self._request(key, reference)
            if gate is not None:
                await gate.wait(max(0.0, deadline - self._clock()))
                self._granted(reference, limit)
            entry = reference.entry
            assert entry is not None
            if reference.opens:
                return await self._open(entry, config)
            await entry.gate.wait(max(0.0, deadline - self._clock()))
            holder = self._usable(reference, limit)
            if holder is not None:
                return holder
            self._withdraw(reference)

    async def _open(self, entry: SharedEntry[AsyncConnector[C]], config: K) -> AsyncConnector[C]:
        connector: AsyncConnector[C] | None = None
        try:
            connector = self._new_connector(config)
            await connector.connect()
            self._opened(entry, connector)
        except BaseException as error:
            self._failed(entry, error)
            if connector is not None and not entry.was_opened:
                self._spawn(self._close_quietly(connector, entry.key))
            raise
        return connector

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse everybody for ever, wait for the handles that are out, and close all clients.

        Closing again does nothing, or goes on with what a cancellation left over.

        Arguments:
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            DrainTimeout: handles were still out; the last one of each client closes it.
        """
        limit = self.settings.drain_timeout if drain_timeout is None else drain_timeout
        seconds("drain_timeout", limit)
        gate: Gate = self._start_closing()
        drained = await gate.wait(limit)
        if not drained:
            raise self._still_out(limit)
        if self._timer is not None:
            self._timer.cancel()
        await finish(self._running)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Closing and upkeep

    def _act(self) -> None:
        self._sweep()
        while self._table.index.leaving:
            closer = object()
            entry = self._claim(closer)
            if entry is None:
                return
            self._spawn(self._close_departed(entry, closer))

    async def _close_departed(self, entry: SharedEntry[AsyncConnector[C]], closer: object) -> None:
        closed = False
        try:
            if entry.holder is not None:
                await self._close_quietly(entry.holder, entry.key)
            closed = True
        finally:
            self._gone(closer, closed)
            self._act()

    async def _close_quietly(self, connector: AsyncConnector[C], key: str) -> None:
        try:
            await connector.close()
        except Exception:
            log_failure("closing %s of %r failed", short_key(key), self._name)

    async def _check(self, entry: SharedEntry[AsyncConnector[C]]) -> None:
        healthy = False
        try:
            if entry.holder is not None:
                await entry.holder.health_check()
                healthy = True
        except Exception:
            message = "%s of %r failed its health check"
            runtime_logger().debug(message, short_key(entry.key), self._name, exc_info=True)
        finally:
            self._checked(entry, healthy)

    def _maintain(self) -> None:
        self._timer = None
        for entry in self._due():
            self._spawn(self._check(entry))
        self._act()
        self._look_by(self._next_due())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _look_by(self, due: float) -> None:
        if due == math.inf or self._loop.is_closed():
            return
        at = self._loop.time() + max(0.0, due - self._clock())
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, _look, WeakMethod(self._maintain))

    def _look_now(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: its clients are beyond help
            self._loop.call_soon_threadsafe(_look, WeakMethod(self._maintain))


def _look(weak_maintain: Callable[[], Callable[[], None] | None]) -> None:
    # Weak, so that a timer does not keep what nobody uses any more.
    maintain = weak_maintain()
    if maintain is not None:
        maintain()
