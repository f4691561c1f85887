"""Times at which something is due for members: a heap with lazy deletion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from connpool_runtime.members.member import AnyMember

__all__ = ["Timers"]

SLACK = 64  # outdated entries, beyond the number of valid ones, after which the heap is rebuilt


class Timers:
    """One time for each member, in order of time. Setting one takes logarithmic time."""

    __slots__ = ("_at", "_heap")

    def __init__(self) -> None:
        self._at: dict[AnyMember, float] = {}
        self._heap: list[tuple[float, int, AnyMember]] = []

    def set(self, member: AnyMember, when: float) -> None:
        """Set the time of a member; `inf` is never."""
        if when == math.inf:
            self.discard(member)
        elif self._at.get(member) != when:
            self._at[member] = when
            heappush(self._heap, (when, member.number, member))
            if len(self._heap) > 2 * len(self._at) + SLACK:
                self._heap = [(at, one.number, one) for one, at in self._at.items()]
                heapify(self._heap)

    def discard(self, member: AnyMember) -> None:
        """Remove the time of a member, if it has one."""
        self._at.pop(member, None)

    def first(self) -> float:
        """Return the earliest time; `inf` if there is none."""
        heap = self._heap
        while heap and self._at.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else math.inf

    def due(self, now: float) -> list[AnyMember]:
        """Return the members whose time has come, in the order in which they joined."""
        found = {member for member in self._due(now) if self._at.get(member, math.inf) <= now}
        return sorted(found, key=lambda member: member.number)

    def _due(self, now: float) -> Iterator[AnyMember]:
        # No entry of a heap is earlier than its parent, so only due entries and their children are looked at.
        heap, places = self._heap, [0]
        while places:
            place = places.pop()
            if place < len(heap) and heap[place][0] <= now:
                yield heap[place][2]
                places += (2 * place + 1, 2 * place + 2)

    def __contains__(self, member: object) -> bool:
        return member in self._at

    def __len__(self) -> int:
        return len(self._at)
