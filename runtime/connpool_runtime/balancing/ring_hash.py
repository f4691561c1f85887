"""Consistent hashing: calls with the same key meet the same member, for warm caches and sessions.

A ring of points as in Karger et al., "Consistent Hashing and Random Trees": when a member comes or
goes, only the keys that it gains or loses move. The bound on the load is that of Mirrokni, Thorup
and Zadimoghaddam, "Consistent Hashing with Bounded Loads": a member that is busy above its share
passes calls on to the next one on the ring, so that a hot key heats more than one member.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice
from struct import unpack
from typing import cast

from connpool_runtime.balancing.p2c import least_request
from connpool_runtime.balancing.types import AnyMember, BalancerContext
from connpool_runtime.calls.call import Call

__all__ = ["hashed", "point_of"]

POINTS = 128  # for each unit of weight: shares differ by some 9 per cent of themselves
DIGEST = 64  # bytes, eight points


def hashed(
    members: Sequence[AnyMember], tools: BalancerContext
) -> Callable[[Call, Sequence[AnyMember]], AnyMember]:
    """Return the member that the call's key belongs to; calls without a key go where least is done.

    A pick takes the logarithm of the number of members. The ring is made anew when the candidates
    change, in time in proportion to their weights.
    """
    ring = _Ring(members, tools.load_factor)
    without_key = least_request(members, tools)

    def pick(call: Call, passed_over: Sequence[AnyMember]) -> AnyMember:
        key = call.key
        if key is None:
            member = without_key()
            if member not in passed_over:
                return member
            key = member.name  # from there on, along the ring
        return ring.owner(point_of(key), passed_over)

    return pick


class _Ring:
    """The points of all members, and who is too busy.

    Needs no lock: `_load` is a measurement that any thread may take for all.
    """

    def __init__(self, members: Sequence[AnyMember], load_factor: float) -> None:
        self._members = members
        owned = sorted(
            (point, index) for index, member in enumerate(members) for point in _points(member)
        )
        self._points = [point for point, _ in owned]
        self._owners = [members[index] for _, index in owned]
        self._factor = load_factor / sum(member.weight for member in members)
        self._load = 0
        self._measure_in = 0

    def owner(self, point: int, tried: Sequence[AnyMember]) -> AnyMember:
        """Return the first member from this point on that was not tried and is not too busy."""
        start = bisect(self._points, point) % len(self._owners)
        home = self._owners[start]
        if home.taken <= home.served and home not in tried:
            return home  # the common case, and the cheapest to see
        passed: list[AnyMember] = []
        for member in self._from(start):
            if member not in tried:
                if self._has_room(member):
                    return member
                passed.append(member)
        # All are busy, which only a measurement out of date can say, or all were tried.
        return passed[0] if passed else home

    def _from(self, start: int) -> Iterator[AnyMember]:
        """Go round the ring; each member comes once."""
        owners, seen = self._owners, set[AnyMember]()
        for member in chain(islice(owners, start, None), islice(owners, start)):
            if member not in seen:
                yield member
                seen.add(member)
                if len(seen) == len(self._members):
                    return

    def _has_room(self, member: AnyMember) -> bool:
        if not member.free:
            return False
        in_flight = member.taken - member.served
        # One call at a time is always allowed.
        return in_flight <= 0 or in_flight + 1 <= self._limit(member)

    def _limit(self, member: AnyMember) -> float:
        if self._factor == math.inf:
            return math.inf
        # The sum over all members is taken once for as many picks as an eighth of them, so that a
        # pick costs the same however many they are.
        self._measure_in -= 1
        if self._measure_in < 0:
            self._load = sum(one.in_flight for one in self._members)
            self._measure_in = len(self._members) // 8
        return math.ceil(self._factor * (self._load + 1) * member.weight)


def _points(member: AnyMember) -> Iterator[int]:
    name = member.name.encode(errors="surrogatepass")
    for block in range(POINTS * member.weight * 8 // DIGEST):
        digest = blake2b(b"%d:%b" % (block, name), digest_size=DIGEST).digest()
        yield from cast("tuple[int, ...]", unpack("<8Q", digest))


def point_of(key: object) -> int:
    """Return where a key lies on the ring: the same in every process and on every machine.

    Raises:
        TypeError: the key is of a type that has no text of its own.
    """
    return int.from_bytes(blake2b(_bytes_of(key), digest_size=8).digest(), "little")


def _bytes_of(key: object) -> bytes:
    """The text of a key. b"a" and "a" are one key, as they are for most servers; so are 1 and "1"."""
    if isinstance(key, str):
        return str.encode(key, errors="surrogatepass")
    if isinstance(key, (bytes, bytearray)):
        return bytes(key)
    if isinstance(key, tuple):
        # Each part with its length, else ("ab", "c") and ("a", "bc") would be one key.
        parts = [_bytes_of(part) for part in cast("tuple[object, ...]", key)]
        return b"".join(b"%d:%b" % (len(part), part) for part in parts)
    if not isinstance(key, (int, float)) and type(key).__str__ is object.__str__:
        # Its text would hold its address, or the order of a set: another one in each process.
        raise TypeError(
            f"the key for consistent hashing is {key!r}: it must be text, bytes, a number, a tuple"
            " of these, or something else with a str() of its own"
        )
    return str(key).encode(errors="surrogatepass")
