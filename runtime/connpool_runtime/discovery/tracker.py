"""The bookkeeping of a discovery: which endpoints have a member, which are being opened, and which leave.

Nothing here waits or uses a client: `AsyncDiscovery` and `Discovery` do that, and report the results. The
owner guards it by a lock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count, islice
from typing import Any, NamedTuple

from connpool_runtime.backoff import growing
from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.reconcile import Changes, surplus

__all__ = ["Entry", "Job", "Opened", "Plan", "EndpointTracker"]


class Opened(NamedTuple):
    """A client that was opened and verified, with the functions that close and validate it.

    `connector` is what opened it, if that is one.
    """

    client: Any
    close: Callable[[], object]
    validate: Callable[[], object] | None
    connector: Any = None


class Job:
    """One attempt to open a client of an endpoint.

    Attributes:
        endpoint: what it is opened for.
        deadline: when it is given up.
        given_up: whether it was given up; a client that it still opens is closed.
        ended: whether it has ended.
    """

    __slots__ = ("deadline", "ended", "endpoint", "error", "given_up", "opened")

    def __init__(self, endpoint: Endpoint, deadline: float) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.given_up = self.ended = False
        self.opened: Opened | None = None
        self.error: Exception | None = None


class Entry:
    """One endpoint of the tracker.

    Attributes:
        endpoint: as it is to be.
        joined: the endpoint that the member's client was opened for; None as long as there is no member.
        job: the attempt that runs.
        ticket: of the next attempt; 0 if none is wanted.
        attempts: how many failed in a row.
        error: why the last one failed.
        tracked: what the health monitor knows it by.
    """

    __slots__ = ("attempts", "endpoint", "error", "job", "joined", "ticket", "tracked")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.joined: Endpoint | None = None
        self.job: Job | None = None
        self.ticket = 0
        self.attempts = 0
        self.error: Exception | None = None
        self.tracked: Any = None


@dataclass(slots=True)
class Plan:
    """What the pool has to do after a change: members to change in place, members to restore."""

    place: list[Endpoint] = field(default_factory=list[Endpoint])
    restore: list[Endpoint] = field(default_factory=list[Endpoint])


class EndpointTracker:
    """The endpoints of one discovery by id.

    Arguments:
        backoff: seconds before an endpoint that could not be opened is tried again.
        backoff_max: what they grow to.
        random: floats in [0, 1).
    """

    def __init__(self, backoff: float, backoff_max: float, random: Callable[[], float]) -> None:
        self._backoff = backoff
        self._backoff_max = backoff_max
        self._random = random
        self.wanted: dict[str, Entry] = {}
        # Endpoints that are gone, whose members still serve.
        self.leaving: dict[str, Entry] = {}
        self.draining: dict[str, Entry] = {}  # members that get no new calls
        # how many wanted endpoints have a member; the next line: could not be opened
        self.joined = 0
        self.failed = 0
        self.running: dict[Job, None] = {}
        self.stuck: dict[str, Job] = {}  # attempts given up that have not ended, by address
        self.done: deque[Job] = deque()
        self._todo: list[tuple[float, int, str]] = []
        self._tickets = count(1)

    # Wanted endpoints

    def apply(self, changes: Changes, now: float) -> Plan:
        """Apply the changes of a source; return what the pool has to do at once."""
        plan = Plan()
        for endpoint in changes.removed:
            self._remove(endpoint.id)
        for endpoint in changes.added:
            self._add(endpoint, plan, now)
        for _, endpoint in (*changes.moved, *changes.changed):
            entry = self.wanted.get(endpoint.id)
            if entry is not None:
                self._change(entry, endpoint, plan, now)
        return plan

    def _add(self, endpoint: Endpoint, plan: Plan, now: float) -> None:
        entry = self.leaving.pop(endpoint.id, None)
        if entry is not None:
            self.wanted[endpoint.id] = entry
            self.joined += 1
            self._change(entry, endpoint, plan, now)
            return
        self.wanted[endpoint.id] = entry = Entry(endpoint)
        before = self.draining.get(endpoint.id)
        if before is not None and before.endpoint.address == endpoint.address:
            plan.restore.append(endpoint)
        self.schedule(entry, now)

    def _change(self, entry: Entry, endpoint: Endpoint, plan: Plan, now: float) -> None:
        moved = entry.endpoint.address != endpoint.address
        entry.endpoint = endpoint
        if entry.joined is not None and entry.joined.address == endpoint.address:
            entry.job, entry.ticket = None, 0  # also if the endpoint was about to move, and is back
            entry.joined = endpoint
            plan.place.append(endpoint)
            return
        if moved:
            entry.attempts = 0
        # Also if it was about to move when it was removed: removing it has ended that attempt.
        if moved or (entry.job is None and not entry.ticket):
            self.schedule(entry, now)
        if entry.joined is not None:  # until the new client is open
            plan.place.append(endpoint)

    def _remove(self, name: str) -> None:
        entry = self.wanted.pop(name, None)
        if entry is None:
            return
        self._set_error(entry, None)
        entry.job, entry.ticket = None, 0
        if entry.joined is not None:
            self.joined -= 1
            self.leaving[name] = entry

    def restored(self, name: str) -> Entry:
        """Note that a draining member gets calls again."""
        entry = self.draining.pop(name)
        entry.endpoint = entry.joined = self.wanted[name].endpoint
        self.wanted[name] = entry
        self.joined += 1
        return entry

    def look_for_lost(self, there: Container[str], now: float) -> None:
        """Open clients again for wanted endpoints whose members were removed by others."""
        for name, entry in self.wanted.items():
            if entry.joined is not None and name not in there:
                entry.joined = entry.error = None
                self.joined -= 1
                self.schedule(entry, now)

    # Leaving members

    def release(self) -> list[Entry]:
        """Return the members that may leave now, as far as new ones have replaced them."""
        number = surplus(
            wanted=len(self.wanted),
            joined=self.joined,
            failed=self.failed,
            leaving=len(self.leaving),
        )
        names = list(islice(self.leaving, number))
        released = [self.leaving.pop(name) for name in names]
        self.draining |= zip(names, released, strict=True)
        return released

    def drained(self, there: Container[str]) -> None:
        """Forget the members that have left."""
        for name in [name for name in self.draining if name not in there]:
            del self.draining[name]

    # Opening clients

    def follow_settings(self, backoff: float, backoff_max: float) -> None:
        """Use other back-off times from the next failure on."""
        self._backoff, self._backoff_max = backoff, backoff_max

    def reopen_all(self, when: float) -> None:
        """Open a new client for every endpoint, to replace the one that it has so far."""
        for entry in self.wanted.values():
            entry.attempts = 0
            self.schedule(entry, when)

    def schedule(self, entry: Entry, when: float) -> None:
        """Schedule the opening of a client for an endpoint, replacing any running attempt."""
        entry.job, entry.ticket = None, next(self._tickets)
        heappush(self._todo, (when, entry.ticket, entry.endpoint.id))

    @property
    def next_due(self) -> float:
        """When the next client is to be opened; `inf` if none is."""
        while self._todo and not self._is_wanted(*self._todo[0]):
            heappop(self._todo)
        return self._todo[0][0] if self._todo else math.inf

    def _is_wanted(self, _when: float, ticket: int, name: str) -> bool:
        entry = self.wanted.get(name)
        return entry is not None and entry.ticket == ticket

    def next_job(self, now: float, timeout: float) -> Job | None:
        """Return the next attempt that is due, None if there is none. The caller reports its end to `end`."""
        while self.next_due <= now:
            _, _, name = heappop(self._todo)
            entry = self.wanted[name]
            address = entry.endpoint.address
            if address in self.stuck:  # another attempt on this address would hang too
                self._failed(entry, TimeoutError("the previous attempt still hangs"), now)
                continue
            entry.ticket, entry.job = 0, Job(entry.endpoint, now + timeout)
            self.running[entry.job] = None
            return entry.job
        return None

    def end(self, job: Job) -> bool:
        """Note that an attempt has ended; return whether its result is still wanted."""
        job.ended = True
        self.running.pop(job, None)
        if self.stuck.get(job.endpoint.address) is job:
            del self.stuck[job.endpoint.address]
        if not job.given_up:
            self.done.append(job)
        return not job.given_up

    def give_up_late(self, now: float) -> int:
        """Give up the attempts that are over time; return how many."""
        late = [job for job in self.running if job.deadline <= now]
        for job in late:
            job.given_up = True
            del self.running[job]
            self.stuck[job.endpoint.address] = job
            job.error = TimeoutError("it took longer than `connect_timeout`")
            self.done.append(job)
        return len(late)

    def give_up_all(self) -> list[Opened]:
        """Give up all attempts for good; return the clients that are no longer wanted."""
        for job in self.running:
            job.given_up = True
        unwanted = [job.opened for job in self.done if job.opened is not None]
        self.running, self.done, self._todo = {}, deque(), []
        return unwanted

    def collect(self, now: float) -> tuple[list[tuple[Entry, Opened]], list[Opened], list[Entry]]:
        """Return the entries with their opened clients, the clients no longer wanted, and the failed entries."""
        ready: list[tuple[Entry, Opened]] = []
        unwanted: list[Opened] = []
        failed: list[Entry] = []
        while self.done:
            job = self.done.popleft()
            entry = self.wanted.get(job.endpoint.id)
            current = entry is not None and entry.job is job
            # The client of an attempt that was given up is closed by the helper that opened it.
            opened = None if job.given_up else job.opened
            if opened is not None and not current:
                unwanted.append(opened)
            elif entry is not None and current and opened is not None:
                ready.append((entry, opened))
            elif entry is not None and current:
                self._failed(entry, job.error or TimeoutError("it did not end"), now)
                failed.append(entry)
        return ready, unwanted, failed

    def join(self, entry: Entry, endpoint: Endpoint) -> None:
        """Note that an endpoint has a member."""
        if entry.joined is None:
            self.joined += 1
        self.draining.pop(endpoint.id, None)
        self._set_error(entry, None)
        entry.joined, entry.job, entry.ticket, entry.attempts = endpoint, None, 0, 0

    def fail(self, entry: Entry, error: Exception, now: float) -> None:
        """Note that an endpoint could not become a member; it is retried."""
        self._failed(entry, error, now)

    def _failed(self, entry: Entry, error: Exception, now: float) -> None:
        entry.attempts += 1
        self._set_error(entry, error)
        wait = growing(entry.attempts, self._backoff, self._backoff_max, self._random())
        self.schedule(entry, now + wait)

    def _set_error(self, entry: Entry, error: Exception | None) -> None:
        if entry.joined is None:
            self.failed += (error is not None) - (entry.error is not None)
        entry.error = error

    def begin_anew(self, now: float) -> None:
        """In a child process, reopen what was being opened, and forget members that were leaving."""
        self.running, self.stuck, self.done = {}, {}, deque()
        self.draining, self._todo = {}, []
        for entry in self.wanted.values():
            if entry.job is not None or entry.ticket:
                self.schedule(entry, now)
