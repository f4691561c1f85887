"""Which shared clients there are: those the next caller gets, those kept for who has them, those that leave."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from connpool_runtime.core.share import Share, ShareState

__all__ = ["Shelf"]

T = TypeVar("T")


class Shelf(Generic[T]):
    """Shares by key. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self.departed: deque[Share[T]] = deque()  # to be closed by whoever takes them out
        self._listed: dict[str, Share[T]] = {}
        self._retired: set[Share[T]] = set()
        self._leaving: set[Share[T]] = set()  # departed, and not known to be closed

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
        return self._listed.get(key)

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
        share.state = ShareState.LEAVING
        self._leaving.add(share)
        self.forget(share)
        self.departed.append(share)

    def forget(self, share: Share[T]) -> None:
        """Take a share down."""
        if self._listed.get(share.key) is share:
            del self._listed[share.key]
        self._retired.discard(share)

    def gone(self, share: Share[T]) -> None:
        """Note that a departed share is closed."""
        self._leaving.discard(share)

    def unused(self) -> list[Share[T]]:
        """Return those that could be found and that nobody has, longest unused first."""
        return sorted(
            (share for share in self._listed.values() if share.unused_since is not None),
            key=lambda share: share.unused_since or 0.0,
        )

    def next_due(self, linger: float) -> float:
        """Return when a share has been unused for that long, or is to be checked."""
        due = math.inf
        for share in self:
            if share.unused_since is not None:
                due = min(due, share.unused_since + linger)
            if not share.checking:
                due = min(due, share.check_at)
        return due
