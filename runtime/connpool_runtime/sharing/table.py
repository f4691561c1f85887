"""Which caller shares which client, and which callers wait because the limit of open clients is reached.

Decides only. Time is an argument; the owner claims from the index what has to be closed, and reports
`gone` when that is done. An entry counts against the limit until then: the limit is one of open
clients.

An interrupt may come between any two lines, so changes come in an order in which what is left over
can be found and done again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.fifo import WaitLine
from connpool_runtime._concurrency.single_flight import AttemptState
from connpool_runtime.sharing.index import EntryIndex
from connpool_runtime.sharing.reference_counts import SharedEntry, SharedReference, Waiter

__all__ = ["SharedClientTable"]

T = TypeVar("T")


class SharedClientTable(Generic[T]):
    """Entries by key, their references, and waiting callers. Guarded by the owner's lock.

    Arguments:
        max_clients: how many may be open at a time; infinite if there is no limit.
        idle_ttl: seconds that an unused client stays open.
        new_gate: makes the gate that others wait at; a `Gate` for threads or for tasks, like the owner.
    """

    def __init__(self, max_clients: float, idle_ttl: float, new_gate: Callable[[], Any]) -> None:
        self.max_clients = max_clients
        self.idle_ttl = idle_ttl
        self.index: EntryIndex[T] = EntryIndex()
        self.closed = False
        self.empty: Any = None  # after closing: the gate that opens when the last client is closed
        self._emptied = False
        self._new_gate = new_gate
        self._line: WaitLine[Waiter[T]] = WaitLine()

    @property
    def waiting(self) -> int:
        """How many callers wait until one more client may be opened."""
        return len(self._line)

    # Taking and giving back

    def request(self, key: str, reference: SharedReference[T]) -> Waiter[T] | None:
        """Take the entry of a key, creating it if there is none; at the limit, join the queue.

        An entry that was made is for this caller to open: `reference.opens`.

        Returns:
            None, or the waiter that waits in the queue for this caller.
        """
        reference.opens = False
        if self._take(key, reference):
            return None
        waiter = Waiter(key, reference, self._new_gate())
        self._line.join(waiter)
        self._evict()
        return waiter

    def _take(self, key: str, reference: SharedReference[T]) -> bool:
        """Take the entry of a key, or a new one if the limit allows it; return False otherwise."""
        entry = self.index.find(key)
        if entry is not None:
            reference.take(entry)
        elif self.index.size < self.max_clients:
            entry = SharedEntry[T](key, self._new_gate())
            reference.opens = True
            # Before other callers can find it: this caller has to open it, or to remove it.
            reference.take(entry)
            self.index.put(entry)
        return entry is not None

    def leave_line(self, reference: SharedReference[T]) -> bool:
        """End a caller's wait; return whether it was given an entry meanwhile."""
        for waiter in self._line:
            if waiter.reference is reference:
                self._line.leave(waiter)
        return reference.held

    def withdraw(self, reference: SharedReference[T], now: float) -> None:
        """Undo whatever a caller has begun, wherever it was interrupted. Harmless if there is nothing."""
        held = self.leave_line(reference)
        if held and reference.opens and reference.entry is not None:
            self.failed(reference.entry, None)
        self.release(reference, now)
        self._serve()

    def release(self, reference: SharedReference[T], now: float) -> bool:
        """Give an entry back; return False if that was done already."""
        entry = reference.entry
        if not reference.held or entry is None:
            return False
        reference.held, entry.references = False, entry.references - 1
        self._settle(entry, now)
        return True

    def _settle(self, entry: SharedEntry[T], now: float) -> None:
        """Retire, keep or close an entry that has no users any more."""
        if not entry.unused:
            return
        if entry.unused_since is None:
            entry.unused_since = now
        if self.index.find(entry.key) is not entry or now - entry.unused_since >= self.idle_ttl:
            self.index.depart(entry)
        else:
            self._evict()

    # Opening

    def opened(self, entry: SharedEntry[T], holder: T, now: float, check_at: float) -> None:
        """Store the opened client of an entry, and wake the callers who waited for it."""
        entry.holder = holder
        entry.healthy = True
        entry.opened_at = entry.checked_at = now
        entry.check_at = check_at
        entry.succeed()

    def failed(self, entry: SharedEntry[T], error: BaseException | None) -> None:
        """Remove an entry that could not be opened; see `Attempt.fail` for the error.

        Harmless if the opening has ended already.
        """
        if entry.state is AttemptState.RUNNING:
            self.index.forget(entry)
            entry.fail(error)
            self._serve()

    # Health and retirement

    def retire(self, entry: SharedEntry[T], now: float) -> None:
        """Give an entry to no new caller; it is closed when it has no users. Harmless if done already."""
        if self.index.retire(entry):
            self._settle(entry, now)

    def due_checks(self, now: float) -> list[SharedEntry[T]]:
        """Return the entries whose health has to be checked now; each is checked once at a time."""
        due = [entry for entry in self.index if entry.check_at <= now and not entry.checking]
        for entry in due:
            entry.checking = True
        return due

    def checked(self, entry: SharedEntry[T], healthy: bool, now: float, check_at: float) -> None:
        """Record the result of a check. An entry that was retired meanwhile stays as it was."""
        entry.checking = False
        if entry.is_open and not self.closed:
            entry.healthy, entry.checked_at, entry.check_at = healthy, now, check_at

    def expire(self, now: float) -> None:
        """Retire entries that were unused for `idle_ttl`, or that an interrupt left behind."""
        for entry in list(self.index):
            self._settle(entry, now)

    def gone(self, closer: object, *, closed: bool = True) -> None:
        """Note that a closer has ended; for each client that it closed another one may be opened."""
        self.index.unclaim(closer, closed=closed)
        self._serve()

    def close(self, now: float) -> None:
        """Refuse everything from now on, and retire all entries. Harmless if done already."""
        if self.empty is None:
            self.empty = self._new_gate()
        self.closed = True
        self._line.dismiss()
        for entry in list(self.index):
            self.retire(entry, now)
        self.expire(now)
        self._look_if_empty()

    def _look_if_empty(self) -> None:
        if self.closed and not self._emptied and not self.index.size:
            self._emptied = True
            self.empty.open()

    # Waiting callers

    def _serve(self) -> None:
        """Give entries to waiting callers in order; a key that has an entry needs no new client."""
        self._line.serve_any(self._grant)
        self._evict()
        self._look_if_empty()

    def _grant(self, waiter: Waiter[T]) -> bool:
        return waiter.reference.held or self._take(waiter.key, waiter.reference)

    def _evict(self) -> None:
        """Close the clients that were unused for longest: one per waiter that no pending close will serve."""
        wanted = len({waiter.key for waiter in self._line}) - self.index.leaving
        if wanted > 0:
            for entry in self.index.unused()[:wanted]:
                self.index.depart(entry)
