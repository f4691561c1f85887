# Made by tools/derive_sync.py from async_shared_clients.py; edit that.
"""Clients shared by config, for threads: equal configs get the same client."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar, Unpack

from connpool_runtime._concurrency.interrupts import run_in_thread_if_interrupted
from connpool_runtime._concurrency.threads import Gate, Helpers, PeriodicWorker
from connpool_runtime._log import extra, log_failure, runtime_logger
from connpool_runtime.options.validation import seconds
from connpool_runtime.sharing.base import BaseSharing
from connpool_runtime.sharing.handle import Handle
from connpool_runtime.sharing.reference_counts import SharedEntry, SharedReference, short_key
from connpool_runtime.sharing.settings import SharingOptions

if TYPE_CHECKING:
    from connpool_runtime.connectors.config.base import ConnectorConfig
    from connpool_runtime.connectors.protocols import Connector

__all__ = ["Handle", "SharedClients"]

K = TypeVar("K", bound="ConnectorConfig")
C = TypeVar("C")


class SharedClients(BaseSharing[K, "Connector[C]"], Generic[K, C]):
    """Opens one client for each config, counts its users, and closes it some time after the last one.

    Equal are configs that mean the same: `config.key()` decides. A client that fails its health check is
    given to no new caller: the next `acquire` opens another client, unless a later check passes. Present
    users keep the old client; it is closed when the last of them releases it. Safe
    for threads.

    Arguments:
        connector: makes a connector for a config, without I/O; a connector class for example.
        name: how errors and logs call this.
        options: see `SharingSettings`.

    Raises:
        ValueError: an option is not allowed.
    """

    def __init__(
        self,
        connector: Callable[[K], Connector[C]],
        name: str = "clients",
        **options: Unpack[SharingOptions],
    ) -> None:
        super().__init__(connector, name, options, Gate)
        self._helpers = Helpers(f"{name}-helper")
        self._worker: PeriodicWorker = PeriodicWorker(
            f"{name}-maintenance", self._maintain, self._clock
        )

    def acquire(self, config: K, timeout: float | None = None) -> Handle[C]:
        """Return a handle of the config's client, opening the client if it is not open.

        `handle = clients.acquire(config)`, or `with clients.acquire(config) as client`.

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
        return self._acquire(config, limit)

    def _acquire(self, config: K, limit: float) -> Handle[C]:
        reference: SharedReference[Connector[C]] = SharedReference()
        handle: Handle[C] = Handle(self, reference)
        try:
            handle.give(self._hold(reference, config, limit).client)
        except BaseException:
            self._withdraw(reference)
            raise
        return handle

    def _hold(
        self, reference: SharedReference[Connector[C]], config: K, limit: float
    ) -> Connector[C]:
        key, deadline = config.key(), self._clock() + limit
        while True:
            gate: Gate | None = self._request(key, reference)
            if gate is not None:
                gate.wait(max(0.0, deadline - self._clock()))
                self._granted(reference, limit)
            entry = reference.entry
            assert entry is not None
            if reference.opens:
                return self._open(entry, config)
            entry.gate.wait(max(0.0, deadline - self._clock()))
            holder = self._usable(reference, limit)
            if holder is not None:
                return holder
            self._withdraw(reference)

    def _open(self, entry: SharedEntry[Connector[C]], config: K) -> Connector[C]:
        connector: Connector[C] | None = None
        try:
            self._worker.try_start()
            connector = self._new_connector(config)
            connector.connect()
            self._opened(entry, connector)
        except BaseException as error:
            try:
                self._failed(entry, error)
            finally:
                if connector is not None and not entry.was_opened:
                    self._close_quietly(connector, entry.key)
            raise
        return connector

    def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new callers for good, wait for handles in use, and close all clients.

        Closing again does nothing, or closes what an interrupted `close` has left over.

        Arguments:
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            DrainTimeout: handles were still out; the last one of each client closes it.
        """
        limit = self.settings.drain_timeout if drain_timeout is None else drain_timeout
        seconds("drain_timeout", limit)
        beside = run_in_thread_if_interrupted(f"closing {self.name!r}", self.close, drain_timeout)
        if beside:
            return
        deadline = self._clock() + limit
        gate: Gate = self._start_closing()
        if not gate.wait(limit):
            raise self._still_out(limit)
        self._worker.stop()
        self._worker.join(max(0.0, deadline - self._clock()))
        self._helpers.join(max(0.0, deadline - self._clock()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    # Closing and maintenance

    def _act(self) -> None:
        self._sweep()
        while self._table.index.leaving and self._close_one():
            pass

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

    def _close_quietly(self, connector: Connector[C], key: str) -> None:
        try:
            connector.close()
        except Exception:
            log_failure(
                "closing %s of %r failed",
                *(short_key(key), self._name),
                event_name="close_failed",
                pool=self._name,
            )

    def _maintain(self) -> float:
        """Do what is due; slow work goes to helpers, so that nothing else waits for it."""
        for entry in self._due():
            self._helpers.start(self._check, entry)
        if self._has_to_act():
            self._helpers.start(self._act)
        if self._finished():
            self._worker.stop()
        return self._next_due()

    def _check(self, entry: SharedEntry[Connector[C]]) -> None:
        healthy = False
        try:
            if entry.holder is not None:
                entry.holder.health_check()
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
