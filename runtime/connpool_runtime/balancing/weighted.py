"""The balancers that distribute calls by weight alone."""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import accumulate, chain, cycle
from operator import length_hint

from connpool_runtime.balancing.base import BalancerContext, GroupPicker
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import AnyMember

__all__ = ["WeightedRandom", "WeightedRoundRobin"]

# the golden ratio's multiples are evenly spread in [0, 1), however many there are
GOLDEN = 0.6180339887498949
# turns of a round that is stored as a list, which each change copies
MOST_TURNS = 4096
REDRAWS = 64  # draws, each with a chance of at least one half

Turn = tuple[float, int, AnyMember]  # position on the circle, number of the member, member
Entry = tuple[int, float, int, int, int, AnyMember]


def _phase(member: AnyMember) -> float:
    """Return the position of a member's first turn, as a share of the distance between its turns."""
    return (0.5 + member.number * GOLDEN) % 1.0


def _turns(member: AnyMember) -> list[Turn]:
    phase, weight = _phase(member), member.weight
    return [((turn + phase) / weight, member.number, member) for turn in range(weight)]


def _turn_from(at: tuple[float, ...], member: AnyMember) -> int:
    """Return the number of a member's first turn from a position on; its weight if there is none in this round."""
    phase, weight = _phase(member), member.weight
    # Searched for, not written out: a weight may be a million.
    return bisect_left(range(weight), at, key=lambda turn: ((turn + phase) / weight, member.number))


class WeightedRandom(GroupPicker):
    """Picks a random member, with chances in proportion to the weights.

    Members whose weights have the same number of bits are in one class. A pick draws a class by the
    sum of its weights, then a member of that class, which is accepted with a probability of its weight
    divided by the largest weight of the class. So neither a pick nor a change depends on the number of
    members.
    """

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        self._classes: dict[int, list[AnyMember]] = {}
        self._sums: dict[int, int] = {}
        self._places: dict[AnyMember, int] = {}
        for member in self._members:
            self._add(member)
        self._look()

    def _add(self, member: AnyMember) -> None:
        bits = member.weight.bit_length()
        members = self._classes.setdefault(bits, [])
        self._places[member] = len(members)
        members.append(member)
        self._sums[bits] = self._sums.get(bits, 0) + member.weight

    def _remove(self, member: AnyMember) -> None:
        bits, place = member.weight.bit_length(), self._places.pop(member)
        members = self._classes[bits]
        self._sums[bits] -= member.weight
        if len(members) == 1:  # the list is left as it is for threads that draw from it
            del self._classes[bits], self._sums[bits]
        elif (last := members.pop()) is not member:
            members[place], self._places[last] = last, place

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Add a member to its class, or remove it."""
        if joined:
            self._add(member)
        else:
            self._remove(member)
        self._look()

    def _look(self) -> None:
        order, random = sorted(self._classes), self._context.random
        edges = list(accumulate(self._sums[bits] for bits in order))
        classes = [(self._classes[bits], (1 << bits) - 1) for bits in order]
        total = edges[-1]

        def pick() -> AnyMember:
            members, most = classes[bisect(edges, random() * total)]
            for _ in range(REDRAWS):
                try:
                    member = members[int(random() * len(members))]
                except IndexError:  # a member has just left
                    continue
                if member.weight == most or random() * most < member.weight:
                    return member
            return members[0]

        self.pick = pick


class WeightedRoundRobin(GroupPicker):
    """Picks members in proportion to their weights: exactly so in each round, and evenly spread.

    A round is a circle. A member of weight w has w turns on it, at equal distances. The position of its
    first turn depends on the member only: when members come and go, the others keep their turns, and the
    picks continue from the same position.

    A round of up to `MOST_TURNS` turns is stored as a list, and a pick is one atomic step of an iterator. The
    next turns of a longer one are in a heap, one for each member, and a pick takes the logarithm of the number of
    members. So neither depends on how large the weights are.
    """

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        self._turns = sum(member.weight for member in self._members)
        # The position on the circle, with the number of the next member if several share the position.
        self._at: tuple[float, ...] = (context.random(),)
        self._untouched = True
        self._written = self._turns <= MOST_TURNS
        if self._written:
            self._write_all()
        else:
            self._heap_up()

    def pause(self) -> None:
        """Note the position on the circle, unless no member was picked so far."""
        if self._written:
            self._untouched = self._untouched and length_hint(self._first) == self._left
            if not self._untouched:
                self._at = self._order[next(self._indices)][:2]
        elif self._picked:
            self._untouched = False
            self._round, *at = self._heap[0][:3]
            self._at = tuple(at)

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Add or remove a member's turns, and continue from the same position."""
        self._turns += member.weight if joined else -member.weight
        if self._written and self._turns <= MOST_TURNS:
            order, picks = self._order, self._picks[:]
            for turn in _turns(member):
                place = bisect_left(order, turn)
                if joined:
                    order.insert(place, turn)
                    picks.insert(place, member)
                else:
                    del order[place], picks[place]
            self._write(order, picks)
        elif not self._written and self._turns > MOST_TURNS // 2:
            self._change_heap(member, joined=joined)
        elif self._written:
            self._written = False
            self._heap_up()
        else:
            self._written = True
            self._write_all()

    # A round stored as a list. `_order` is read under the pool's lock only and changes in place. Threads
    # pick from `_picks` without a lock: that list is never changed, only replaced.

    def _write_all(self) -> None:
        order = sorted(turn for one in self._members for turn in _turns(one))
        self._write(order, [member for _, _, member in order])

    def _write(self, order: list[Turn], picks: list[AnyMember]) -> None:
        if self._untouched:
            self._at = order[int(self._context.random() * len(order))][:2]
        place = bisect_left(order, self._at) % len(order)
        self._order, self._picks = order, picks
        self._first = iter(range(place, len(order)))
        self._left = len(order) - place
        self._indices: Iterator[int] = cycle(chain(self._first, range(place)))
        self.pick = map(picks.__getitem__, self._indices).__next__

    # A round stored as a heap: the next turn of each member, as (round, position on the circle, ...).

    def _heap_up(self) -> None:
        self._picked = False
        self._round = self._token = 0
        self._tokens: dict[AnyMember, int] = {}  # the valid heap entry of each member
        self._heap: list[Entry] = []
        for member in self._members:
            self._push(member)
        guard = self._context.guard

        def pick() -> AnyMember:
            with guard:
                return self._pop()

        self.pick = pick

    def _push(self, member: AnyMember) -> None:
        self._token += 1
        token = self._tokens[member] = self._token
        later = _turn_from(self._at, member)
        lap, turn = (self._round, later) if later < member.weight else (self._round + 1, 0)
        place = (turn + _phase(member)) / member.weight
        heappush(self._heap, (lap, place, member.number, turn, token, member))

    def _pop(self) -> AnyMember:
        heap = self._heap
        while True:
            lap, _, number, turn, token, member = heap[0]
            if self._tokens.get(member) != token:  # the member left, or has a newer entry
                heappop(heap)
                continue
            lap, turn = (lap, turn + 1) if turn + 1 < member.weight else (lap + 1, 0)
            place = (turn + _phase(member)) / member.weight
            heapreplace(heap, (lap, place, number, turn, token, member))
            self._picked = True
            return member

    def _change_heap(self, member: AnyMember, *, joined: bool) -> None:
        with self._context.guard:
            if not joined:
                del self._tokens[member]
            else:
                self._push(member)
            if len(self._heap) > 2 * len(self._tokens):
                self._heap = [one for one in self._heap if self._tokens.get(one[5]) == one[4]]
                heapify(self._heap)
