"""Round robin and random: the balancers that ignore load and weight."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, cycle, islice
from operator import length_hint

from connpool_runtime.balancing.base import BalancerContext, GroupPicker
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import AnyMember

__all__ = ["AtRandom", "RoundRobin"]


class RoundRobin(GroupPicker):
    """Picks one member after the other; weights are ignored. Each pick is one atomic step of an iterator.

    The first one is drawn, or the first member would get the first call of each of many processes.
    When members come and go, the others keep their turns.
    """

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        self._next: AnyMember | None = None
        self._start(int(context.random() * len(self._members)))

    def _start(self, place: int) -> None:
        # Makes no copy: the cycle collects the members in its first round.
        self._first = iter(self._members)
        self._first.__setstate__(place)  # type: ignore[attr-defined]  # of every list iterator
        self._untouched = len(self._members) - place
        self.pick = cycle(chain(self._first, islice(self._members, place))).__next__

    def pause(self) -> None:
        """Note which member is next, unless none was picked so far."""
        started = length_hint(self._first) != self._untouched
        self._next = self.pick() if started or self._next is not None else None

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Go on with the member that was next, or with the one after it."""
        if self._next is None:
            self._start(int(self._context.random() * len(self._members)))
        else:
            self._start(bisect_left(self._numbers, self._next.number) % len(self._members))


class AtRandom(GroupPicker):
    """Picks a random member, with equal chances; weights are ignored."""

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        members, random = self._members, context.random

        def pick() -> AnyMember:
            try:
                return members[int(random() * len(members))]
            except IndexError:  # a member has just left
                return members[0]

        self.pick = pick
