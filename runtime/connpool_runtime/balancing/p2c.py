"""Balancers that pick the less loaded of two random members ("power of two choices")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, cycle, repeat
from math import exp

from connpool_runtime.balancing.base import BalancerContext, GroupPicker, Random
from connpool_runtime.members.ewma import MEMORY
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import AnyMember

__all__ = ["LeastRequest", "Pair", "PeakEwma"]

Pair = tuple[AnyMember, AnyMember]
SMALL = 64  # members, up to which pairs are drawn in advance
TABLE = 1024  # pairs in a table; so many that their order shows no rhythm
# the largest difference in age of two latencies that is considered, in units of `MEMORY`
LONG_AGO = 500.0


class PairPicker(GroupPicker):
    """Base of the balancers that compare two different members, drawn for each call.

    For a small group the pairs are drawn in advance, in rounds: in each one every member is the first
    once and the second once. That costs a third of drawing for each pick, and is more even: among
    members that are equally busy, where the first is taken, each gets the same share. In a large group
    the firsts go round, and so do the seconds, which fall back by one member in each round; so nothing
    has to be drawn anew when the group changes.
    """

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        self._draw: Callable[[], Pair]
        self._is_large = False
        # lengthens the rounds of second members, so that pairs change from round to round
        self._extra = self._members[0]
        self._weights: dict[int, int] = {}
        for member in self._members:
            self._count(member, 1)
        self._look()

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Draw new pairs at the next pick, if the group is small."""
        was_even = len(self._weights) == 1
        self._count(member, 1 if joined else -1)
        is_even = len(self._weights) == 1
        shrank = len(self._members) <= SMALL // 2
        if not self._is_large or shrank or is_even is not was_even or member is self._extra:
            self._look()

    def _count(self, member: AnyMember, change: int) -> None:
        left = self._weights.get(member.weight, 0) + change
        if left:
            self._weights[member.weight] = left
        else:
            del self._weights[member.weight]

    def _look(self) -> None:
        members = self._members
        self._is_large = len(members) > SMALL
        if len(members) == 1:
            self.pick = cycle(tuple(members)).__next__
        elif self._is_large:
            self._extra = members[0]
            self.pick = self._comparing(self._rounds())
        else:
            self.pick = self._comparing(None)

    def _comparing(self, draw: Callable[[], Pair] | None) -> Callable[[], AnyMember]:
        """Return a picker that compares the pairs from `draw`, or from a table made at the first pick."""
        raise NotImplementedError

    def _table(self) -> Callable[[], Pair]:
        members = tuple(self._members)
        rounds = -(-TABLE // len(members))
        random = self._context.random
        return cycle([pair for _ in range(rounds) for pair in _round(members, random)]).__next__

    def _rounds(self) -> Callable[[], Pair]:
        members, random = self._members, self._context.random
        firsts = chain(_from_somewhere(members, random), chain.from_iterable(repeat(members)))
        late = chain.from_iterable(cycle((members, (self._extra,))))
        seconds = chain(_from_somewhere(members, random), late)
        return zip(firsts, seconds, strict=False).__next__


class LeastRequest(PairPicker):
    """Picks the less busy of two members, by calls in flight for each unit of weight.

    Comparing two members is nearly as good as comparing all, and calls do not all rush to the member that was
    idle a moment ago (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"). The two are
    always different members; otherwise a member that hangs could be compared with itself and picked.
    """

    def _comparing(self, draw: Callable[[], Pair] | None) -> Callable[[], AnyMember]:
        if len(self._weights) > 1:
            return self._comparing_weights(draw)
        members, table = self._members, self._table

        def pick() -> AnyMember:
            nonlocal draw
            if draw is None:
                draw = table()
            one, other = draw()
            if one is other:
                other = _another(members, one)
            if one.taken - one.served <= other.taken - other.served:
                return one
            return other

        return pick

    def _comparing_weights(self, draw: Callable[[], Pair] | None) -> Callable[[], AnyMember]:
        members, table = self._members, self._table

        def pick() -> AnyMember:
            nonlocal draw
            if draw is None:
                draw = table()
            one, other = draw()
            if one is other:
                other = _another(members, one)
            # Compares fractions without dividing; the new call is counted too, so that weights matter for idle
            # members.
            load = (one.taken - one.served + 1) * other.weight
            if load <= (other.taken - other.served + 1) * one.weight:
                return one
            return other

        return pick


class PeakEwma(PairPicker):
    """Picks the member of two with the lower expected time: latency (a peak EWMA), calls in flight and weight.

    A member whose latency is unknown gets one call, and no other before that call ends.
    """

    def _comparing(self, draw: Callable[[], Pair] | None) -> Callable[[], AnyMember]:
        members, table = self._members, self._table

        # Accepts a method and its arguments, like the pickers of balancers that see the call.
        def pick(_method: object = None, _args: object = None) -> AnyMember:
            nonlocal draw
            if draw is None:
                draw = table()
            one, other = draw()
            if one is other:
                other = _another(members, one)
            seconds, at = one.latency.known
            other_seconds, other_at = other.latency.known
            load = (one.taken - one.served + 1) * other.weight
            other_load = (other.taken - other.served + 1) * one.weight
            if seconds == 0.0 or other_seconds == 0.0:
                return _untried(one, other, load, other_load)
            # Latencies fade with time; only the difference of their ages matters here.
            if at != other_at:
                seconds *= exp(min((at - other_at) / MEMORY, LONG_AGO))
            return one if seconds * load <= other_seconds * other_load else other

        return pick


def _untried(one: AnyMember, other: AnyMember, load: float, other_load: float) -> AnyMember:
    """Choose where the latency of one or both is unknown: an idle unknown member goes first, a busy one last."""
    first, second = (_rank_of(member) for member in (one, other))
    if first == second:
        return one if load <= other_load else other
    return one if first < second else other


def _rank_of(member: AnyMember) -> int:
    if member.latency.known[0] == 0.0:
        return 2 if member.taken > member.served else 0
    return 1


def _another(members: Sequence[AnyMember], one: AnyMember) -> AnyMember:
    """Return a member other than this one, if there are two."""
    return members[-1] if members[0] is one else members[0]


def _from_somewhere(members: list[AnyMember], random: Random) -> Iterator[AnyMember]:
    found = iter(members)
    found.__setstate__(int(random() * len(members)))  # type: ignore[attr-defined]  # of list iterators
    return found


def _round(members: Sequence[AnyMember], random: Random) -> Iterator[Pair]:
    drawn = sorted(members, key=lambda _: random())
    return zip(drawn, [*drawn[1:], drawn[0]], strict=True)
