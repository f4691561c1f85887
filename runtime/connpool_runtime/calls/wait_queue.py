"""Callers who wait for a member: one line per pool, first come, first served.

Whoever gives a member back hands it to the caller who waits longest; newcomers join behind, so
nobody is overtaken (a FIFO with direct hand-off, as psycopg_pool and Finagle have it). A line in
front of each member would make callers wait behind a slow one while others are free.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from connpool_runtime.calls.lease import Lease
from connpool_runtime.errors import PoolError
from connpool_runtime.members.member import Member
from connpool_runtime.stats.histogram import Histogram

__all__ = ["WaitQueue", "Waiter"]


class Waiter:
    """One caller in line, whose waiting is over when its lease is held or when it is refused.

    `signal` is of the pool's colour. Its `set` wakes the caller, from anywhere and any number of
    times, and tells whether there is still one.
    """

    __slots__ = ("lease", "refusal", "signal", "since")

    def __init__(self, lease: Lease[Any], signal: Any, since: float) -> None:
        self.lease = lease
        self.signal = signal
        self.since = since
        self.refusal: PoolError | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.lease.held or self.refusal is not None


class WaitQueue:
    """The callers in line, oldest first. Guarded by the pool's lock.

    `due` says that somebody may have to be served: a `freed` member can take one more call, or the
    available members changed. Whoever sees it serves, which can be repeated without harm.
    """

    __slots__ = ("due", "freed", "waiters", "waits")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()
        self.due = False
        self.freed: deque[Member[Any]] = deque()
        self.waits = Histogram(bounds)  # how long those waited who were served

    def join(self, waiter: Waiter) -> None:
        """Stand at the end."""
        self.waiters[waiter] = None

    def leave(self, waiter: Waiter) -> bool:
        """Go, from wherever in the line; tell whether the waiter was still there."""
        if waiter not in self.waiters:
            return False
        del self.waiters[waiter]
        return True

    def first(self) -> Waiter | None:
        """Return who waits longest."""
        return next(iter(self.waiters), None)

    def free(self, *members: Member[Any]) -> None:
        """Note, if anybody waits, that these may be able to take one more call."""
        if self.waiters:
            self.due = True
            self.freed.extend(members)

    def serve(self, waiter: Waiter, now: float) -> None:
        """Let a waiter go with its member."""
        if self.leave(waiter):
            self.waits.record(now - waiter.since)
