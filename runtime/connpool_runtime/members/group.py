"""Groups of members that may be picked: lists that change in place, with the pickers that use them.

A group changes under the pool's lock and is read without it. So its list is never empty once it had a
member: when the last member leaves, the list keeps it for late readers, and `size` is 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

from connpool_runtime.members.member import AnyMember
from connpool_runtime.members.timers import Timers

__all__ = ["Candidates", "Group", "LivePicker"]


class LivePicker(Protocol):
    """Picks from a group, and keeps its position while the group changes."""

    pick: Callable[..., AnyMember]

    def pause(self) -> None:
        """Note which member is next; the group is about to change."""

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Continue from there: one member has joined or left the group."""


class Group:
    """Members of one rank that are ready, in the order in which they joined the pool."""

    __slots__ = ("members", "numbers", "pickers", "size", "warming")

    def __init__(self) -> None:
        self.members: list[AnyMember] = []
        self.numbers: list[int] = []  # of the same members, for bisection
        self.size = 0
        self.pickers: dict[str, LivePicker] = {}
        self.warming = Timers()  # members in slow start, and when that ends

    def has(self, member: AnyMember) -> bool:
        """Return whether a member belongs to the group; the pool's lock must be held."""
        place = bisect_left(self.numbers, member.number)
        return place < self.size and self.members[place] is member

    def add(self, member: AnyMember) -> None:
        """Add a member; its turn comes in order, and no other member loses its turn."""
        if self.size == 0:
            # New lists, because late readers may still use the old ones.
            self.members, self.numbers, self.pickers = [member], [member.number], {}
        else:
            for picker in self.pickers.values():
                picker.pause()
            # Inserting moves eight bytes for each member behind it: 2 us among 10,000.
            place = bisect_left(self.numbers, member.number)
            self.members.insert(place, member)
            self.numbers.insert(place, member.number)
            for picker in self.pickers.values():
                picker.resume(member, joined=True)
        self.size += 1

    def remove(self, member: AnyMember) -> None:
        """Remove a member."""
        self.warming.discard(member)
        self.size -= 1
        if self.size == 0:
            self.pickers = {}
            return
        for picker in self.pickers.values():
            picker.pause()
        place = bisect_left(self.numbers, member.number)
        del self.members[place], self.numbers[place]
        for picker in self.pickers.values():
            picker.resume(member, joined=False)


class Candidates:
    """The members that may be picked at one moment, in groups with their shares of the calls.

    Attributes:
        groups: (share of the calls, group); the shares add up to 1.
        slow_start: seconds in which newcomers get their whole weight; 0 if none is warming.
    """

    __slots__ = ("_members", "groups", "slow_start")

    def __init__(
        self, groups: tuple[tuple[float, Group], ...] = (), slow_start: float = 0.0
    ) -> None:
        self.groups = groups
        self.slow_start = slow_start
        self._members: tuple[AnyMember, ...] | None = None

    @property
    def members(self) -> tuple[AnyMember, ...]:
        """The members, copied at the first access."""
        if self._members is None:
            self._members = tuple(chain.from_iterable(group.members for _, group in self.groups))
        return self._members

    def __bool__(self) -> bool:
        return bool(self.groups)

    def __len__(self) -> int:
        return sum(group.size for _, group in self.groups)

    def __iter__(self) -> Iterator[AnyMember]:
        return iter(self.members)

    def has(self, member: AnyMember) -> bool:
        """Return whether a member may be picked; the pool's lock must be held."""
        return any(group.has(member) for _, group in self.groups)

    def is_warming(self, member: AnyMember) -> bool:
        """Return whether a member is in slow start."""
        return any(member in group.warming for _, group in self.groups)
