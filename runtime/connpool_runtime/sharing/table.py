"""Who shares which client, and the line of those for whom there is no room.

Decides only. Time is an argument; what has to be closed is claimed from the shelf by the owner, who
says `gone` when it is. A share counts against the limit until then: it is one of open clients.

An interrupt may come between any two lines, so changes come in an order in which what is left over
can be found and done again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from connpool_runtime.sharing.entry import Reference, Share, ShareState, Waiter
from connpool_runtime.sharing.index import Shelf

__all__ = ["SharingTable"]

T = TypeVar("T")


class SharingTable(Generic[T]):
    """Shares by key, and who has them. Guarded by its owner's lock.

    Arguments:
        max_clients: how many may be open at a time; infinite if there is no limit.
        linger: seconds that a client nobody has stays open.
        new_gate: makes what others wait at, in the owner's colour.
    """

    def __init__(self, max_clients: float, linger: float, new_gate: Callable[[], Any]) -> None:
        self.max_clients = max_clients
        self.linger = linger
        self.shelf: Shelf[T] = Shelf()
        self.closed = False
        self.empty: Any = None  # once closed: the gate that opens when the last client is closed
        self._emptied = False
        self._new_gate = new_gate
        self._line: deque[Waiter[T]] = deque()

    @property
    def waiting(self) -> int:
        """How many callers wait for room."""
        return len(self._line)

    # Taking and giving back

    def request(self, key: str, reference: Reference[T]) -> Waiter[T] | None:
        """Take the share of a key, making one when there is none; when there is no room, get in line.

        A share that was made is for this caller to open: `reference.opens`.
        """
        reference.opens = False
        if self._take(key, reference):
            return None
        waiter = Waiter(key, reference, self._new_gate())
        self._line.append(waiter)
        self._evict()
        return waiter

    def _take(self, key: str, reference: Reference[T]) -> bool:
        """Take the share of a key, or a new one if there is room."""
        share = self.shelf.find(key)
        if share is not None:
            reference.take(share)
        elif self.shelf.size < self.max_clients:
            share = Share[T](key, self._new_gate())
            reference.opens = True
            reference.take(
                share
            )  # before anybody can find it: then it is ours to open, or to forget
            self.shelf.put(share)
        return share is not None

    def leave_line(self, reference: Reference[T]) -> bool:
        """End a caller's wait for room; tell whether it was granted a share meanwhile."""
        for waiter in [waiter for waiter in self._line if waiter.reference is reference]:
            self._line.remove(waiter)
        return reference.held

    def withdraw(self, reference: Reference[T], now: float) -> None:
        """End whatever a caller is about, wherever it was interrupted. Harmless when that is nothing."""
        held = self.leave_line(reference)
        if held and reference.opens and reference.share is not None:
            self.failed(reference.share, None)
        self.release(reference, now)
        self._serve()

    def release(self, reference: Reference[T], now: float) -> bool:
        """Give a share back; tell whether this did it. Harmless when done already."""
        share = reference.share
        if not reference.held or share is None:
            return False
        reference.held, share.references = False, share.references - 1
        self._settle(share, now)
        return True

    def _settle(self, share: Share[T], now: float) -> None:
        """Decide about a share that nobody has any more."""
        if not share.unused:
            return
        if share.unused_since is None:
            share.unused_since = now
        if self.shelf.find(share.key) is not share or now - share.unused_since >= self.linger:
            self.shelf.depart(share)
        else:
            self._evict()

    # Opening

    def opened(self, share: Share[T], holder: T, now: float, check_at: float) -> None:
        """Give a share its client; those who waited have it now."""
        share.holder = holder
        share.healthy = True
        share.opened_at = share.checked_at = now
        share.check_at = check_at
        share.state = ShareState.OPEN
        share.gate.open()

    def failed(self, share: Share[T], error: Exception | None) -> None:
        """Forget a share that could not be opened; without an error, others may try.

        Harmless when the opening has ended already.
        """
        if share.state is ShareState.OPENING:
            self.shelf.forget(share)
            share.error = error
            share.state = ShareState.ABANDONED if error is None else ShareState.FAILED
            share.gate.open()
            self._serve()

    # Health and leaving

    def retire(self, share: Share[T], now: float) -> None:
        """Give a share to nobody new; it leaves when nobody has it. Harmless when done already."""
        if self.shelf.retire(share):
            self._settle(share, now)

    def due_checks(self, now: float) -> list[Share[T]]:
        """Return the shares whose health is to be checked now; each is out for one check at a time."""
        due = [share for share in self.shelf if share.check_at <= now and not share.checking]
        for share in due:
            share.checking = True
        return due

    def checked(self, share: Share[T], healthy: bool, now: float, check_at: float) -> None:
        """Note what a check came to. A share that left meanwhile stays as it was."""
        share.checking = False
        if share.state is ShareState.OPEN and not self.closed:
            share.healthy, share.checked_at, share.check_at = healthy, now, check_at

    def expire(self, now: float) -> None:
        """Let those leave that nobody had for the time to linger, or that an interrupt left behind."""
        for share in list(self.shelf):
            self._settle(share, now)

    def gone(self, closer: object, *, closed: bool = True) -> None:
        """Note that a closer is done; what it closed makes room."""
        self.shelf.unclaim(closer, closed=closed)
        self._serve()

    def close(self, now: float) -> None:
        """Refuse everybody from now on, and let all leave that nobody has. Harmless when done already."""
        if self.empty is None:
            self.empty = self._new_gate()
        self.closed = True
        while self._line:
            self._line.popleft().gate.open()
        for share in list(self.shelf):
            self.retire(share, now)
        self.expire(now)
        self._look_if_empty()

    def _look_if_empty(self) -> None:
        if self.closed and not self._emptied and not self.shelf.size:
            self._emptied = True
            self.empty.open()

    # The line

    def _serve(self) -> None:
        """Grant what there is room for, first come first served; a key that is there needs no room."""
        for waiter in list(self._line):
            if waiter.reference.held or self._take(waiter.key, waiter.reference):
                self._line.remove(waiter)
                waiter.gate.open()
        self._evict()
        self._look_if_empty()

    def _evict(self) -> None:
        """Let unused shares leave, longest unused first: one for each waiter who has none coming free."""
        wanted = len({waiter.key for waiter in self._line}) - self.shelf.leaving
        if wanted > 0:
            for share in self.shelf.unused()[:wanted]:
                self.shelf.depart(share)
