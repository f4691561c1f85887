"""What `SharedClients` and `AsyncSharedClients` share: everything that does not wait.

Nothing of the user's runs under the lock: no opening, no check, no closing, no logging. Each owner of the
lock calls `_act` after releasing it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from connpool_runtime._concurrency.deferred_work import DeferredWork
from connpool_runtime._concurrency.forks import keep, new_lock, renew_after_fork
from connpool_runtime._concurrency.single_flight import AttemptState
from connpool_runtime._log import extra, runtime_logger
from connpool_runtime.backoff import jittered
from connpool_runtime.errors import (
    AcquireTimeout,
    ClientsExhausted,
    DrainTimeout,
    PoolClosed,
)
from connpool_runtime.sharing.reference_counts import (
    SharedClientStats,
    SharedEntry,
    SharedReference,
    short_key,
)
from connpool_runtime.sharing.settings import SharingOptions, SharingSettings
from connpool_runtime.sharing.table import SharedClientTable

if TYPE_CHECKING:
    from connpool_runtime.connectors.config.base import ConnectorConfig

__all__ = ["BaseSharing", "SharedConnector", "SharedClientStats"]

K = TypeVar("K", bound="ConnectorConfig")
H = TypeVar("H", bound="SharedConnector")


class SharedConnector(Protocol):
    """What connectors for threads and for tasks have in common."""

    @property
    def config(self) -> ConnectorConfig:
        """The config it was made from."""
        ...

    @property
    def healthy(self) -> bool:
        """The result of the last check, without I/O."""
        ...


class BaseSharing(Generic[K, H]):
    """The entries and their lock; subclasses add opening, checking and closing."""

    _worker: Any  # the subclass's `PeriodicWorker`, for threads or for tasks

    def __init__(
        self,
        connector: Callable[[K], H],
        name: str,
        options: SharingOptions,
        new_gate: Callable[[], Any],
    ) -> None:
        self.settings = SharingSettings.of(options)
        self._name = name
        self._new_connector = connector
        self._clock = self.settings.clock
        self._new_gate = new_gate
        self._lock = new_lock()
        self._table = self._new_table()
        # references of handles that were not released, to be given back
        self._deferred = DeferredWork()
        self._lost: deque[SharedEntry[H]] = deque()  # their entries, to be logged
        renew_after_fork(self)

    def _new_table(self) -> SharedClientTable[H]:
        most = self.settings.max_clients or math.inf
        return SharedClientTable(most, self.settings.idle_ttl, self._new_gate)

    def after_fork(self) -> None:
        """Start without clients in a child process; those of the parent are neither used nor closed."""
        before, self._table = self._table, self._new_table()
        self._table.closed = before.closed
        for entry in before.index.all:
            keep(entry.holder)
            entry.holder, entry.state = None, AttemptState.ABANDONED
        self._deferred = DeferredWork()
        self._lost.clear()

    @property
    def name(self) -> str:
        """The name in errors and logs."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._table.closed

    def remove(self, config: K) -> bool:
        """Give a config's client to no new caller, and close it when its last user has released it.

        The next `acquire` opens another one.

        Returns:
            Whether there was one.
        """
        key = config.key()
        with self._lock:
            entry = self._table.index.find(key)
            if entry is not None:
                self._table.retire(entry, self._clock())
        self._act()
        return entry is not None

    def stats(self) -> tuple[SharedClientStats, ...]:
        """Return what is open now, sorted by key; clients that only wait for their users come last."""
        with self._lock:
            found = [entry for entry in self._table.index if entry.is_open]
            now, wall = self._clock(), time.time()
            ages = [(entry, entry.references, entry.retired, entry.healthy) for entry in found]
        stats = [
            SharedClientStats(
                key=short_key(entry.key),
                endpoints=entry.holder.config.endpoints if entry.holder else (),
                references=references,
                created=wall - (now - entry.opened_at),
                last_check=wall - (now - entry.checked_at),
                healthy=healthy and entry.holder is not None and entry.holder.healthy,
                retired=retired,
            )
            for entry, references, retired, healthy in ages
        ]
        return tuple(sorted(stats, key=lambda one: (one.retired, one.key)))

    def __repr__(self) -> str:
        with self._lock:
            entries = " ".join(map(repr, self._table.index)) or "no clients"
            waiting = f" waiting={self._table.waiting}" if self._table.waiting else ""
        closed = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self._name!r}{closed} {entries}{waiting}>"

    # Taking and giving back

    def give_back(self, reference: SharedReference[H]) -> bool:
        """Give back the client of a handle; return False if it was given back already."""
        with self._lock:
            now = self._clock()
            released = self._table.release(reference, now)
        self._worker.wake_by(now + self.settings.idle_ttl)
        self._act()
        return released

    def drop(self, reference: SharedReference[H]) -> None:
        """Give back from a finalizer, which may run while this very thread holds the lock."""
        self._deferred.add(partial(self._give_back_lost, reference))
        self._worker.wake()

    def _withdraw(self, reference: SharedReference[H]) -> None:
        with self._lock:
            self._table.withdraw(reference, self._clock())
        self._act()

    def _request(self, key: str, reference: SharedReference[H]) -> Any:
        """Take or create an entry; return None, or at the limit the gate to wait at."""
        with self._lock:
            self._refuse_if_closed()
            waiter = self._table.request(key, reference)
        self._act()
        return None if waiter is None else waiter.gate

    def _granted(self, reference: SharedReference[H], waited: float) -> None:
        """End the wait for an entry.

        Raises:
            PoolClosed, ClientsExhausted: none was given.
        """
        with self._lock:
            if self._table.leave_line(reference):
                return
            self._refuse_if_closed()
        raise ClientsExhausted(
            f"all {self.settings.max_clients} clients of {self._name!r} were in use for"
            f" {waited:g} s (max_clients, acquire_timeout)",
            pool=self._name,
        )

    def _usable(self, reference: SharedReference[H], waited: float) -> H | None:
        """Return the connector that another caller opened, if it is usable; None: give it back and ask again.

        Raises:
            AcquireTimeout: it is not open yet.
            Exception: what kept the other caller from opening it.
        """
        entry = reference.entry
        assert entry is not None
        late = AcquireTimeout(
            f"another caller was still opening {short_key(entry.key)} of {self._name!r} after"
            f" {waited:g} s",
            pool=self._name,
        )
        holder = entry.holder if entry.is_done(late) else None
        if holder is None:
            return None
        self._refuse_if_closed()
        if entry.healthy and holder.healthy:
            return holder
        with self._lock:
            self._table.retire(entry, self._clock())
        return None

    def _refuse_if_closed(self) -> None:
        if self._table.closed:
            raise PoolClosed(f"{self._name!r} is closed", pool=self._name)

    # Opening and checking

    def _opened(self, entry: SharedEntry[H], holder: H) -> None:
        now = self._clock()
        check_at = self._next_check(holder, now)
        with self._lock:
            self._table.opened(entry, holder, now, check_at)
            self._refuse_if_closed()
        self._worker.wake_by(check_at)

    def _failed(self, entry: SharedEntry[H], error: BaseException) -> None:
        with self._lock:
            self._table.failed(entry, error)
        self._act()

    def _checked(self, entry: SharedEntry[H], healthy: bool) -> None:
        now = self._clock()
        check_at = math.inf if entry.holder is None else self._next_check(entry.holder, now)
        with self._lock:
            self._table.checked(entry, healthy, now, check_at)
        self._act()  # it may have been retired meanwhile, and has to be closed
        self._worker.wake_by(check_at)

    def _next_check(self, holder: H, now: float) -> float:
        interval = holder.config.health_interval
        if interval == 0:
            return math.inf
        return now + jittered(interval, self.settings.random())

    def _due(self) -> list[SharedEntry[H]]:
        """Retire entries that have been idle for too long; return those whose health has to be checked."""
        with self._lock:
            now = self._clock()
            self._table.expire(now)
            return self._table.due_checks(now)

    def _next_due(self) -> float:
        with self._lock:
            return self._table.index.next_due(self.settings.idle_ttl)

    # Work after releasing the lock

    def _act(self) -> None:
        """Close retired clients, and give back lost handles."""
        raise NotImplementedError

    def _sweep(self) -> None:
        """Give back the clients of lost handles, and log them; never called by a finalizer."""
        if self._deferred.work:
            # Not left to the present holder of the lock: a thread that only reads the stats gives nothing
            # back.
            with self._lock:
                self._deferred.run_locked()
        while self._lost:
            with suppress(IndexError):  # another thread has logged it
                message = "a handle of %s of %r was dropped without being released"
                runtime_logger().warning(
                    message,
                    *(short_key(self._lost.popleft().key), self._name),
                    extra=extra(event_name="handle_dropped", pool=self._name),
                )

    def _give_back_lost(self, reference: SharedReference[H]) -> None:
        if self._table.release(reference, self._clock()) and reference.entry is not None:
            self._lost.append(reference.entry)

    def _claim(self, closer: object) -> SharedEntry[H] | None:
        with self._lock:
            return self._table.index.claim(closer)

    def _has_to_act(self) -> bool:
        """Return whether `_act` would find something to do."""
        with self._lock:
            return bool(self._deferred) or self._table.index.departed

    def _gone(self, closer: object, closed: bool) -> None:
        with self._lock:
            self._table.gone(closer, closed=closed)
        if not closed or self._finished():
            self._worker.wake()

    def _finished(self) -> bool:
        """Return whether everything is closed for good."""
        return self._table.closed and not self._table.index.size

    def _start_closing(self) -> Any:
        with self._lock:
            self._table.close(self._clock())
            gate = self._table.empty
        self._act()
        return gate

    def _still_out(self, waited: float) -> DrainTimeout:
        with self._lock:
            out = sum(entry.references for entry in self._table.index)
        return DrainTimeout(
            f"{out} handles of {self._name!r} were still in use after {waited:g} s; releasing the last handle of"
            " a client closes it",
            pool=self._name,
        )
