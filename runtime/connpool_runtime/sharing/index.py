"""The index of shared clients: those to be found by key, those retired, those to be closed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, TypeVar

from connpool_runtime.sharing.reference_counts import SharedEntry

__all__ = ["EntryIndex"]

T = TypeVar("T")


class EntryIndex(Generic[T]):
    """Entries by key. Guarded by the owner's lock."""

    def __init__(self) -> None:
        self._listed: dict[str, SharedEntry[T]] = {}
        self._retired: set[SharedEntry[T]] = set()
        self._leaving: set[SharedEntry[T]] = set()  # to be closed, or being closed

    @property
    def size(self) -> int:
        """How many clients are open, being opened or being closed."""
        return len(self._listed) + len(self._retired) + len(self._leaving)

    @property
    def leaving(self) -> int:
        """How many clients are being closed."""
        return len(self._leaving)

    def __iter__(self) -> Iterator[SharedEntry[T]]:
        yield from self._listed.values()
        yield from self._retired

    @property
    def all(self) -> list[SharedEntry[T]]:
        """All entries, including those being closed."""
        return [*self, *self._leaving]

    def find(self, key: str) -> SharedEntry[T] | None:
        """Return the entry that the next caller with a key gets, if there is one."""
        entry = self._listed.get(key)
        if entry is not None and entry in self._leaving:  # an interrupt left it here
            self.forget(entry)
            return None
        return entry

    def put(self, entry: SharedEntry[T]) -> None:
        """Add an entry to the index."""
        self._listed[entry.key] = entry

    def retire(self, entry: SharedEntry[T]) -> bool:
        """Keep an entry only for its present users; return whether it could be found until now."""
        if self._listed.get(entry.key) is not entry:
            return False
        entry.retired = True
        self._retired.add(entry)
        del self._listed[entry.key]
        return True

    def depart(self, entry: SharedEntry[T]) -> None:
        """Remove an entry without users, and queue its client for closing."""
        self._leaving.add(entry)  # first: the next statement can be repeated
        entry.leaving = True
        self.forget(entry)

    def forget(self, entry: SharedEntry[T]) -> None:
        """Remove an entry."""
        if self._listed.get(entry.key) is entry:
            del self._listed[entry.key]
        self._retired.discard(entry)

    @property
    def departed(self) -> bool:
        """Whether a client waits to be closed, that is neither being closed nor being checked."""
        return any(entry.closer is None and not entry.checking for entry in self._leaving)

    def claim(self, closer: object) -> SharedEntry[T] | None:
        """Return an entry that the closer has to close, if one waits for that."""
        for entry in self._leaving:
            if entry.closer is None and not entry.checking:
                entry.closer = closer
                self.depart(entry)
                return entry
        return None

    def unclaim(self, closer: object, *, closed: bool) -> None:
        """Note that a closer has ended; what it claimed and did not close can be claimed again."""
        for entry in [entry for entry in self._leaving if entry.closer is closer]:
            if closed:
                self._leaving.remove(entry)
            else:
                entry.closer = None

    def unused(self) -> list[SharedEntry[T]]:
        """Return the entries in the index that have no users, longest unused first."""
        return sorted(
            (entry for entry in self._listed.values() if entry.unused),
            key=lambda entry: entry.unused_since or 0.0,
        )

    def next_due(self, idle_ttl: float) -> float:
        """Return when the next entry will have been unused for `idle_ttl`, or has to be checked."""
        due = math.inf
        for entry in self:
            if entry.unused_since is not None and entry.unused:
                due = min(due, entry.unused_since + idle_ttl)
            if not entry.checking:
                due = min(due, entry.check_at)
        return due
