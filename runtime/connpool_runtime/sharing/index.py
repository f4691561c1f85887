"""Which shared clients there are: those the next caller gets, those kept for who has them, those that leave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, TypeVar

from connpool_runtime.sharing.entry import Share, ShareState

__all__ = ["Shelf"]

T = TypeVar("T")


class Shelf(Generic[T]):
    """Shares by key. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self._listed: dict[str, Share[T]] = {}
        self._retired: set[Share[T]] = set()
        self._leaving: set[Share[T]] = set()  # to be closed, and not known to be

    @property
    def size(self) -> int:
        """How many clients are open, being opened or being closed."""
        return len(self._listed) + len(self._retired) + len(self._leaving)

    @property
    def leaving(self) -> int:
        """How many clients are being closed."""
        return len(self._leaving)

    def __iter__(self) -> Iterator[Share[T]]:
        yield from self._listed.values()
        yield from self._retired

    def find(self, key: str) -> Share[T] | None:
        """Return what the next caller with this key would get, if it is there."""
        share = self._listed.get(key)
        if share is not None and share in self._leaving:  # an interrupt left it here
            self.forget(share)
            return None
        return share

    def put(self, share: Share[T]) -> None:
        """Let a share be found by its key."""
        self._listed[share.key] = share

    def retire(self, share: Share[T]) -> bool:
        """Let a share be found no more; tell whether it could be."""
        if self._listed.get(share.key) is not share:
            return False
        share.retired = True
        self._retired.add(share)
        del self._listed[share.key]
        return True

    def depart(self, share: Share[T]) -> None:
        """Take a share that nobody has down, to be closed."""
        self._leaving.add(share)  # first: what comes after can be done again
        share.state = ShareState.LEAVING
        self.forget(share)

    def forget(self, share: Share[T]) -> None:
        """Take a share down."""
        if self._listed.get(share.key) is share:
            del self._listed[share.key]
        self._retired.discard(share)

    @property
    def departed(self) -> bool:
        """Whether a share is to be closed that nobody is closing, nor checking: that is a use too."""
        return any(share.closer is None and not share.checking for share in self._leaving)

    def claim(self, closer: object) -> Share[T] | None:
        """Return a departed share for its closer to close, if there is one."""
        for share in self._leaving:
            if share.closer is None and not share.checking:
                share.closer = closer
                self.depart(share)
                return share
        return None

    def unclaim(self, closer: object, *, closed: bool) -> None:
        """Note that a closer is done with what it claimed; what it did not close is anybody's again."""
        for share in [share for share in self._leaving if share.closer is closer]:
            if closed:
                self._leaving.remove(share)
            else:
                share.closer = None

    def unused(self) -> list[Share[T]]:
        """Return those that could be found and that nobody has, longest unused first."""
        return sorted(
            (share for share in self._listed.values() if share.unused),
            key=lambda share: share.unused_since or 0.0,
        )

    def next_due(self, linger: float) -> float:
        """Return when a share has been unused for that long, or is to be checked."""
        due = math.inf
        for share in self:
            if share.unused_since is not None and share.unused:
                due = min(due, share.unused_since + linger)
            if not share.checking:
                due = min(due, share.check_at)
        return due
