"""Chooses the subset of members that this client uses, if it does not use all.

The best by the hash of client and member (rendezvous hashing): each client has others, the same ones
every time, and a change of members changes one of them at most.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from connpool_runtime.members.member import AnyMember

__all__ = ["Subset"]

Change = tuple[AnyMember, bool]


class Subset:
    """The members by score; the first `size` are chosen, all of them if it is None.

    Arguments:
        size: how many are chosen.
        score: returns the score of a member's name.
    """

    def __init__(self, size: int | None, score: Callable[[str], int]) -> None:
        self._size = size
        self._score = score
        self._order: list[tuple[int, int, AnyMember]] = []

    def add(self, member: AnyMember) -> list[Change]:
        """Add a member; return the members that enter the subset (True) and leave it (False)."""
        if self._size is None:
            return [(member, True)]
        entry = self._entry(member)
        place = bisect_left(self._order, entry)
        insort(self._order, entry)
        if place >= self._size:
            return []
        out = self._order[self._size : self._size + 1]
        return [*((other, False) for _, _, other in out), (member, True)]

    def remove(self, member: AnyMember) -> list[Change]:
        """Remove a member; return the same."""
        if self._size is None:
            return [(member, False)]
        place = bisect_left(self._order, self._entry(member))
        del self._order[place]
        if place >= self._size:
            return []
        successor = self._order[self._size - 1 : self._size]
        return [(member, False), *((other, True) for _, _, other in successor)]

    def _entry(self, member: AnyMember) -> tuple[int, int, AnyMember]:
        return self._score(member.name), member.number, member
