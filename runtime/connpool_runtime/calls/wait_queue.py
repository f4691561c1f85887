"""The wait queue: calls that wait for a member, one queue per pool, first come, first served.

A member that is given back is handed to the call that waits longest; new calls join behind, so no call is
overtaken (a FIFO with direct hand-off, as psycopg_pool and Finagle have it). A queue in
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


_ANY = "any member"


def _kind_of(waiter: WaitingCall) -> object:
    return _ANY if waiter.wanted is None else waiter.wanted.kind


class WaitQueue:
    """The waiting calls, oldest first. Guarded by the pool's lock.

    `due` is set if a call may have to be served: a `freed` member can take one more call, or the available
    members changed. Any thread that sees `due` serves the queue, which can be repeated without harm.
    """

    __slots__ = ("_by_wanted", "_joined", "due", "freed", "rerouted", "waiters", "waits")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.waiters: OrderedDict[WaitingCall, None] = OrderedDict()
        # The same calls grouped by the members they may use, of which there are few groups: the next call to
        # serve is found without looking at thousands that wait for other members. After an interrupt some calls
        # here may no longer be in `waiters`.
        self._by_wanted: dict[object, OrderedDict[WaitingCall, None]] = {}
        self._joined = 0
        self.due = False
        # Whether the members that waiting calls may use have to be worked out again.
        self.rerouted = False
        self.freed: deque[Member[Any]] = deque()
        self.waits = Histogram(bounds)  # how long served calls have waited

    @property
    def routed(self) -> bool:
        """Whether a call is waiting that only some of the members may serve."""
        return len(self._by_wanted) > (_ANY in self._by_wanted)

    def join(self, waiter: WaitingCall) -> None:
        """Add a call at the end."""
        self._joined += 1
        waiter.number = self._joined
        self._by_wanted.setdefault(_kind_of(waiter), OrderedDict())[waiter] = None
        self.waiters[waiter] = None

    def leave(self, waiter: WaitingCall) -> bool:
        """Remove a call from anywhere in the queue; return whether it was queued."""
        if waiter not in self.waiters:
            return False
        del self.waiters[waiter]
        kind = _kind_of(waiter)
        line = self._by_wanted[kind]
        line.pop(waiter, None)
        if not line:
            del self._by_wanted[kind]
        return True

    def first_for(self, member: Member[Any]) -> WaitingCall | None:
        """Return the longest waiting call that a member may serve."""
        if not self.routed:
            return next(iter(self.waiters), None)
        found: WaitingCall | None = None
        for kind in tuple(self._by_wanted):
            one = self._first_of(kind)
            if one is None or (found is not None and found.number < one.number):
                continue
            if one.lease.held or one.takes(member):
                found = one
        return found

    def awaits(self, member: Member[Any]) -> bool:
        """Return whether a call is waiting that a member may serve."""
        return bool(self.waiters) and self.first_for(member) is not None

    def for_the_same(self) -> list[tuple[WaitingCall, ...]]:
        """Return the waiting calls, grouped by the members they may use."""
        kinds = [kind for kind in tuple(self._by_wanted) if self._first_of(kind)]
        return [tuple(o for o in self._by_wanted[kind] if o in self.waiters) for kind in kinds]

    def _first_of(self, kind: object) -> WaitingCall | None:
        """Return the first call of a group; drop the group if it is empty."""
        line = self._by_wanted[kind]
        while line:
            waiter = next(iter(line))
            if waiter in self.waiters:
                return waiter
            del line[waiter]
        del self._by_wanted[kind]
        return None

    def free(self, *members: Member[Any]) -> None:
        """If calls are waiting, note that these members may be able to take one more call."""
        if self.waiters:
            self.due = True
            self.freed.extend(members)

    def serve(self, waiter: WaitingCall, now: float) -> None:
        """Remove a call that got its member, and record how long it waited."""
        if self.leave(waiter):
            self.waits.record(now - waiter.since)
