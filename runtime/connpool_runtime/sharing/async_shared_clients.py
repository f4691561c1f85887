"""Clients shared by config, for tasks: equal configs get the same client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

from connpool_runtime._concurrency.interrupts import run_in_thread_if_interrupted
from connpool_runtime._concurrency.tasks import ASYNC, Gate, Helpers, PeriodicWorker
from connpool_runtime._log import extra, log_failure, runtime_logger
from connpool_runtime.options.validation import seconds
from connpool_runtime.sharing.base import BaseSharing
from connpool_runtime.sharing.handle import Handle
from connpool_runtime.sharing.reference_counts import SharedEntry, SharedReference, short_key
from connpool_runtime.sharing.settings import SharingOptions

if TYPE_CHECKING:
    from connpool_runtime.connectors.config.base import ConnectorConfig
    from connpool_runtime.connectors.protocols import AsyncConnector

__all__ = ["Acquiring", "AsyncSharedClients"]

K = TypeVar("K", bound="ConnectorConfig")
C = TypeVar("C")


if ASYNC:

    class Acquiring(Generic[C]):
        """A client that was asked for: `await` gives a handle, `async with` the client. For one use."""

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
    """Opens one client for each config, counts its users, and closes it some time after the last one.

    Equal are configs that mean the same: `config.key()` decides. A client that fails its health check is
    given to no new caller: the next `acquire` opens another client, unless a later check passes. Present
    users keep the old client; it is closed when the last of them releases it. For the tasks of one event
    loop, the one that makes it.

    Arguments:
        connector: makes a connector for a config, without I/O; a connector class for example.
        name: how errors and logs call this.
        options: see `SharingSettings`.

    Raises:
        ValueError: an option is not allowed.
    """

    def __init__(
        self,
        connector: Callable[[K], AsyncConnector[C]],
        name: str = "clients",
        **options: Unpack[SharingOptions],
    ) -> None:
        super().__init__(connector, name, options, Gate)
        if ASYNC:
            Gate()  # raises where no event loop runs: the clients belong to the running loop
        self._helpers = Helpers(f"{name}-helper")
        self._worker: PeriodicWorker = PeriodicWorker(
            f"{name}-maintenance", self._maintain, self._clock
        )

    def acquire(self, config: K, timeout: float | None = None) -> Acquiring[C]:
        """Return a handle of the config's client, opening the client if it is not open.

        `handle = await clients.acquire(config)`, or `async with clients.acquire(config) as client`.

        Arguments:
            config: which client.
            timeout: seconds to wait while `max_clients` are in use, or while another caller opens the
                client; the setting `acquire_timeout` if not given.

        Raises:
            ConnectFailed: it could not be opened; all waiting callers get this error.
            ClientsExhausted: as many clients as are allowed were in use all the time.
            AcquireTimeout: another caller was still opening it.
            PoolClosed: `close` was called.
        """
        limit = self.settings.acquire_timeout if timeout is None else timeout
        seconds("timeout", limit)
        if ASYNC:
            return Acquiring(lambda: self._acquire(config, limit))
        else:
            return self._acquire(config, limit)

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
            self._worker.try_start()
            connector = self._new_connector(config)
            await connector.connect()
            self._opened(entry, connector)
        except BaseException as error:
            try:
                self._failed(entry, error)
            finally:
                if connector is not None and not entry.was_opened:
                    if ASYNC:  # a cancelled task must not wait again
                        self._helpers.start(self._close_quietly, connector, entry.key)
                    else:
                        self._close_quietly(connector, entry.key)
            raise
        return connector

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new callers for good, wait for handles in use, and close all clients.

        Closing again does nothing, or closes what a cancelled `close` has left over.

        Arguments:
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            DrainTimeout: handles were still out; the last one of each client closes it.
        """
        limit = self.settings.drain_timeout if drain_timeout is None else drain_timeout
        seconds("drain_timeout", limit)
        beside = (
            False
            if ASYNC
            else run_in_thread_if_interrupted(f"closing {self.name!r}", self.close, drain_timeout)
        )
        if beside:
            return
        deadline = self._clock() + limit
        gate: Gate = self._start_closing()
        if not await gate.wait(limit):
            raise self._still_out(limit)
        self._worker.stop()
        await self._worker.join(max(0.0, deadline - self._clock()))
        await self._helpers.join(max(0.0, deadline - self._clock()))

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

    # Closing and maintenance

    def _act(self) -> None:
        self._sweep()
        while self._table.index.leaving and self._close_one():
            pass

    if ASYNC:

        def _close_one(self) -> bool:
            """Start closing a client that is to be closed; return whether there was one."""
            closer = object()
            entry = self._claim(closer)
            if entry is not None:
                self._helpers.start(self._close_claimed, entry, closer)
            return entry is not None

        async def _close_claimed(
            self, entry: SharedEntry[AsyncConnector[C]], closer: object
        ) -> None:
            closed = False
            try:
                if entry.holder is not None:
                    await self._close_quietly(entry.holder, entry.key)
                closed = True
            finally:
                self._gone(closer, closed)
                self._act()

    else:

        def _close_one(self) -> bool:
            """Close a client that is to be closed; return whether there was one."""
            closer, closed, told = object(), False, False
            try:
                entry = self._claim(closer)
                if entry is not None and entry.holder is not None:
                    self._close_quietly(entry.holder, entry.key)
                closed = True
                self._gone(closer, closed)
                told = True
            finally:
                if not told:  # after an interrupt, another caller may close the rest
                    self._gone(closer, closed)
            return entry is not None

    async def _close_quietly(self, connector: AsyncConnector[C], key: str) -> None:
        try:
            await connector.close()
        except Exception:
            log_failure(
                "closing %s of %r failed",
                *(short_key(key), self._name),
                event_name="close_failed",
                pool=self._name,
            )

    async def _maintain(self) -> float:
        """Do what is due; slow work goes to helpers, so that nothing else waits for it."""
        for entry in self._due():
            self._helpers.start(self._check, entry)
        if ASYNC:
            self._act()
        else:
            if self._has_to_act():
                self._helpers.start(self._act)
        if self._finished():
            self._worker.stop()
        return self._next_due()

    async def _check(self, entry: SharedEntry[AsyncConnector[C]]) -> None:
        healthy = False
        try:
            if entry.holder is not None:
                await entry.holder.health_check()
                healthy = True
        except Exception:
            runtime_logger().debug(
                "%s of %r failed its health check",
                *(short_key(entry.key), self._name),
                exc_info=True,
                extra=extra(event_name="health_check_failed", pool=self._name),
            )
        finally:
            self._checked(entry, healthy)
