"""Consistent hashing: calls with the same key go to the same member, for warm caches and sessions.

A ring of points as in Karger et al., "Consistent Hashing and Random Trees": when a member comes or
goes, only the keys that it gains or loses move. The bound on the load is that of Mirrokni, Thorup
and Zadimoghaddam, "Consistent Hashing with Bounded Loads": a member that is busy above its share
passes calls on to the next one on the ring, so that a hot key heats more than one member.
"""

from __future__ import annotations

import math
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from struct import unpack
from typing import Any, cast

from connpool_runtime._hashing import point_of, tagged, text_of
from connpool_runtime.balancing.base import BalancerContext, GroupPicker
from connpool_runtime.balancing.p2c import LeastRequest
from connpool_runtime.balancing.weight_limits import MOST_WEIGHT_ON_RING
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.keys import common_key
from connpool_runtime.calls.method import Method
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import AnyMember

__all__ = ["ByHash"]

POINTS = 128  # points for each unit of weight: shares deviate by about 9 per cent
DIGEST = 64  # bytes of a digest, which give eight points
PER_ARC = 16  # average number of points in an arc, above which the ring is cut into shorter arcs
Arc = tuple[tuple[int, ...], tuple[AnyMember, ...]]


class ByHash(GroupPicker):
    """Picks the member that owns a call's key; calls without a key go to the least busy of two members.

    Neither a pick nor a change of the group depends on the number of members.
    """

    def __init__(self, group: Group, context: BalancerContext) -> None:
        super().__init__(group, context)
        self._ring = _Ring(self._members)
        self._factor = context.load_factor
        self._without_key = LeastRequest(group, context)
        self._load = 0
        self._measure_in = 0
        self._limit = self._factor / self._ring.weight
        self.pick = self._pick

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Put a member's points on the ring, or remove them."""
        if joined:
            self._ring.add(member)
        else:
            self._ring.remove(member)
        self._limit = self._factor / self._ring.weight
        self._without_key.resume(member, joined=joined)

    def _pick(self, call: Call, passed_over: Sequence[AnyMember]) -> AnyMember:
        key = call.key
        if key is None:
            member = self._without_key.pick()
            if member not in passed_over:
                return member
            key = member.name  # continue along the ring from this member
        return self._owner(point_of(key), passed_over)

    def for_calls(self) -> Callable[[Method[Any, Any], tuple[Any, ...]], AnyMember]:
        """Return a picker for the fast path, which reads the key from the method's packed arguments."""
        ring, without_key, owner = self._ring, self._without_key, self._owner
        digest, number, pool = blake2b, int.from_bytes, self._context.pool

        def pick(method: Method[Any, Any], args: tuple[Any, ...]) -> AnyMember:
            index = method.hash_key
            if index is None:
                key = None if method.hash_keys is None else common_key(method, args, pool)
            else:
                key = args[index] if index < len(args) else None
            if key is None:
                pick_any = without_key.pick
                return pick_any()
            # `point_of` and `_owner` inlined, for the most common types of keys and an idle member.
            if type(key) is str:
                text = key.encode("utf-8", "surrogatepass")
                if "{" in key:
                    text = tagged(text)
            else:
                text = b"%d" % key if type(key) is int else text_of(key)
            point = number(digest(text, digest_size=8).digest(), "little")
            shift, arcs = ring.arcs
            points, owners = arcs[point >> shift]
            place = bisect(points, point)
            if place < len(owners):
                home = owners[place]
                if home.taken <= home.served:
                    return home
            return owner(point, ())

        return pick

    def _owner(self, point: int, tried: Sequence[AnyMember]) -> AnyMember:
        """Return the first member on the ring from a point that was not tried and is not too busy."""
        passed: list[AnyMember] = []
        home: AnyMember | None = None
        for member in self._ring.members_from(point):
            home = home or member
            if member not in tried:
                if self._has_room(member):
                    return member
                passed.append(member)
        # All are too busy, which only an outdated measurement can say, or all were tried.
        return passed[0] if passed else home or self._members[0]

    def _has_room(self, member: AnyMember) -> bool:
        if not member.free:
            return False
        in_flight = member.taken - member.served
        # A member may always have one call.
        return in_flight <= 0 or in_flight + 1 <= self._limit_of(member)

    def _limit_of(self, member: AnyMember) -> float:
        if self._factor == math.inf:
            return math.inf
        # The sum over all members is measured once for a number of picks equal to an eighth of the members, so
        # the cost of a pick does not grow with their number. Any thread may measure it.
        self._measure_in -= 1
        if self._measure_in < 0:
            members = tuple(self._members)
            self._load = sum(one.in_flight for one in members)
            self._measure_in = len(members) // 8
        return math.ceil(self._limit * (self._load + 1) * _units(member))


class _Ring:
    """The points of all members on the hash ring, cut into arcs of equal length.

    `arcs` says how far a point is shifted to get the number of its arc; each arc is replaced as a whole,
    so that it can be read without a lock.
    """

    def __init__(self, members: Sequence[AnyMember]) -> None:
        self.weight = 0
        self._size = 0
        self.arcs: tuple[int, list[Arc]] = (63, [((), ()), ((), ())])
        for member in members:
            self.add(member)

    def add(self, member: AnyMember) -> None:
        """Add the points of a member to the ring."""
        self.weight += _units(member)
        self._size += 1
        # Before the points come: each of them copies an arc.
        while self.weight * POINTS > 2 * PER_ARC * len(self.arcs[1]):
            self._cut_finer()
        shift, arcs = self.arcs
        for point in _points(member):
            points, owners = arcs[point >> shift]
            place = bisect(points, point)
            arcs[point >> shift] = (
                (*points[:place], point, *points[place:]),
                (*owners[:place], member, *owners[place:]),
            )

    def remove(self, member: AnyMember) -> None:
        """Remove the points of a member from the ring."""
        self.weight -= _units(member)
        self._size -= 1
        shift, arcs = self.arcs
        for point in _points(member):
            points, owners = arcs[point >> shift]
            place = owners.index(member, bisect_left(points, point))
            arcs[point >> shift] = (
                points[:place] + points[place + 1 :],
                owners[:place] + owners[place + 1 :],
            )

    def members_from(self, point: int) -> Iterator[AnyMember]:
        """Iterate over the members along the ring; each comes once."""
        shift, arcs = self.arcs
        first = point >> shift
        place, seen, size = bisect(arcs[first][0], point), set[AnyMember](), self._size
        for number in range(first, first + len(arcs) + 1):
            here = arcs[number % len(arcs)][1]
            for member in here[place:] if number == first else here:
                if member not in seen:
                    yield member
                    seen.add(member)
                    if len(seen) == size:
                        return

    def _cut_finer(self) -> None:
        shift, arcs = self.arcs
        halves: list[Arc] = []
        for number, (points, owners) in enumerate(arcs):
            place = bisect_left(points, (2 * number + 1) << (shift - 1))
            halves += (points[:place], owners[:place]), (points[place:], owners[place:])
        self.arcs = (shift - 1, halves)


def _units(member: AnyMember) -> int:
    """Return a member's weight on the ring: a call may ask for one in a pool of another balancer."""
    return min(member.weight, MOST_WEIGHT_ON_RING)


def _points(member: AnyMember) -> Iterator[int]:
    name = member.name.encode(errors="surrogatepass")
    for block in range(POINTS * _units(member) * 8 // DIGEST):
        digest = blake2b(b"%d:%b" % (block, name), digest_size=DIGEST).digest()
        yield from cast("tuple[int, ...]", unpack("<8Q", digest))
