"""Maintains endpoints with a factory in the background: closes, replaces and opens clients.

One worker per pool that has such endpoints decides what is due. It starts when the first client was
opened, ends with the pool, and does not keep a forgotten pool alive. Factories and closings are the
user's and may hang, so each endpoint has helpers of its own for them, of which there are few: one that
opens, and some that close. So a factory that hangs at one endpoint does not delay the others.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any
from weakref import ref

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime._concurrency.tasks import Helpers, PeriodicWorker
from connpool_runtime._log import log_failure
from connpool_runtime.checkout.async_opener import close_discarded, open_idle, reset_returned
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.opening import opening_broke_off, stores_of
from connpool_runtime.checkout.time_limit import TimeLimit
from connpool_runtime.clients.maintenance import next_due, retire_expired, shortfall
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member

__all__ = ["AsyncHousekeeper"]

RESETTERS = 4  # helpers that reset clients of one endpoint at a time
LAST_OPENING = (
    0.5  # seconds that the end of a pool waits at most for clients that are just being opened
)
CLOSERS = 4  # helpers that close clients of one endpoint at a time


class AsyncHousekeeper:
    """Maintains the endpoints of an `AsyncPool`, in a task.

    Arguments:
        checkout: of the pool; held weakly.
    """

    def __init__(self, checkout: AnyCheckout) -> None:
        name = f"housekeeper of pool {checkout.state.name!r}"
        self._openers, self._closers = Helpers(name), Helpers(name)
        self._lock = new_lock()  # guards the attributes below
        self._opening: set[ClientStore[Any]] = set()  # stores with a helper that opens clients
        # number of helpers that reset, by store
        self._resetting: Counter[ClientStore[Any]] = Counter()
        # number of helpers that close, by store
        self._closing: Counter[ClientStore[Any]] = Counter()
        self._worker = worker = PeriodicWorker(name, self._maintain, checkout.state.clock)
        self._checkout = ref(checkout, lambda _: worker.stop())
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the helpers in a child process; the worker and the helpers themselves do the same."""
        self._opening.clear()
        self._closing.clear()
        self._resetting.clear()

    def wake(self) -> None:
        """Look now whether there is something to do."""
        self._worker.try_start()
        self._worker.wake()

    def close_late(self, pool: str, store: ClientStore[Any]) -> None:
        """Close the clients that were opened for an endpoint which had left meanwhile."""
        self._closers.start(close_discarded, pool, store)

    async def stop(self, limit: TimeLimit) -> None:
        """Open nothing any more, and wait for clients that are being closed; called when the pool is closed.

        A client that is just being opened is closed as soon as it is open; a factory that hangs is not waited for.

        Arguments:
            limit: of all that is waited for, one after the other.
        """
        self._worker.stop()
        self._openers.cancel()
        await self._worker.join(limit.left)
        await self._openers.join(min(limit.left, LAST_OPENING))
        await self._closers.join(limit.left)

    async def _maintain(self) -> float:
        """Start the work that is due; return when more will be due."""
        checkout = self._checkout()
        if checkout is None or checkout.state.membership.closed:
            self._worker.stop()
            return math.inf
        for member, store in due(checkout):
            if store.to_close:
                self._begin_closing(checkout.state.name, store)
            if shortfall(store):
                self._begin_opening(checkout, member, store)
            if store.next_to_reset is not None:
                self._begin_resetting(checkout, member, store)
        return next_look(checkout)

    def _begin_closing(self, pool: str, store: ClientStore[Any]) -> None:
        # One helper for each client, since helpers that run may hang. A helper with nothing to close ends at
        # once.
        with self._lock:
            count = min(CLOSERS - self._closing[store], len(store.to_close))
            if count > 0:
                self._closing[store] += count
        for _ in range(count):
            self._closers.start(self._close, pool, store)

    async def _close(self, pool: str, store: ClientStore[Any]) -> None:
        try:
            await close_discarded(pool, store)
        finally:
            with self._lock:
                self._closing[store] -= 1
                if not self._closing[store]:
                    del self._closing[store]
            self._worker.wake()

    def _begin_resetting(
        self, checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]
    ) -> None:
        with self._lock:
            may_begin = self._resetting[store] < RESETTERS
            if may_begin:
                self._resetting[store] += 1
        if may_begin:
            self._closers.start(self._reset, checkout, member, store)

    async def _reset(
        self, checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]
    ) -> None:
        try:
            await reset_returned(checkout, member, store)
        finally:
            with self._lock:
                self._resetting[store] -= 1
                if not self._resetting[store]:
                    del self._resetting[store]
            self._worker.wake()

    def _begin_opening(
        self, checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]
    ) -> None:
        with self._lock:
            may_begin = store not in self._opening
            self._opening.add(store)
        if may_begin:
            self._openers.start(self._open, checkout, member, store)

    async def _open(
        self, checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]
    ) -> None:
        try:
            while shortfall(store) and await open_idle(checkout, member, store):
                pass
        except Exception:
            log_failure(
                "opening a client of %r failed",
                member.name,
                event_name="open_failed",
                pool=checkout.state.name,
                member=member.name,
            )
        except BaseException as error:
            opening_broke_off(checkout, member, store, error)
            raise
        finally:
            with self._lock:
                self._opening.discard(store)
            self._worker.wake()


def due(checkout: AnyCheckout) -> list[tuple[Member[Any], ClientStore[Any]]]:
    """Retire expired clients in all stores, and return the stores that need work, with their members."""
    state = checkout.state
    with state.after_lock, state.lock:
        checkout.router.wake_locked()
        now, found = state.clock(), stores_of(state)
        for member, store in found:
            retire_expired(store, now)
            state.queue.free(member)  # a smaller store may let another one open a client
    return found


def next_look(checkout: AnyCheckout) -> float:
    """Return when work will be due, in seconds of the pool's clock."""
    state = checkout.state
    with state.after_lock, state.lock:
        return min((next_due(store) for _, store in stores_of(state)), default=math.inf)
