"""Calls that wait for a member: one queue per pool, first come, first served.

Whoever gives a member back hands it to the caller who waits longest; newcomers join behind, so
nobody is overtaken (a FIFO with direct hand-off, as psycopg_pool and Finagle have it). A queue in
front of each member would make callers wait behind a slow one while others are free. Calls that only
some of the members may serve are passed over when another one is free.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from connpool_runtime.calls.lease import WaitingCall
from connpool_runtime.members.member import Member
from connpool_runtime.stats.histogram import Histogram

__all__ = ["WaitQueue"]


class WaitQueue:
    """The calls that wait, oldest first. Guarded by the pool's lock.

    `due` says that somebody may have to be served: a `freed` member can take one more call, or the
    available members changed. Whoever sees it serves, which can be repeated without harm.
    """

    __slots__ = ("due", "freed", "rerouted", "routed", "waiters", "waits")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.waiters: OrderedDict[WaitingCall, None] = OrderedDict()
        self.due = False
        self.routed = 0  # how many wait that only some of the members may serve
        self.rerouted = False  # whether these may be others now
        self.freed: deque[Member[Any]] = deque()
        self.waits = Histogram(bounds)  # how long those waited who were served

    def join(self, waiter: WaitingCall) -> None:
        """Put a call at the end."""
        self.waiters[waiter] = None
        self.routed += waiter.wanted is not None

    def leave(self, waiter: WaitingCall) -> bool:
        """Take a call out, wherever it stands; tell whether it was still there."""
        if waiter not in self.waiters:
            return False
        del self.waiters[waiter]
        self.routed -= waiter.wanted is not None
        return True

    def first(self) -> WaitingCall | None:
        """Return the call that waits longest."""
        return next(iter(self.waiters), None)

    def first_for(self, member: Member[Any]) -> WaitingCall | None:
        """Return the call that waits longest of those that a member may serve."""
        if not self.routed:
            return self.first()
        return next((one for one in self.waiters if one.lease.held or one.takes(member)), None)

    def awaits(self, member: Member[Any]) -> bool:
        """Tell whether a call waits that a member may serve."""
        return bool(self.waiters) and self.first_for(member) is not None

    def free(self, *members: Member[Any]) -> None:
        """Note, if anybody waits, that these may be able to take one more call."""
        if self.waiters:
            self.due = True
            self.freed.extend(members)

    def serve(self, waiter: WaitingCall, now: float) -> None:
        """Let a call go with its member."""
        if self.leave(waiter):
            self.waits.record(now - waiter.since)
