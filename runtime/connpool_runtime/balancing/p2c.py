"""Balancers that look at how busy the members are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from connpool_runtime.balancing.types import AnyMember, BalancerContext, Picker, Random

__all__ = ["Pair", "least_request", "pairs", "peak_ewma"]

Pair = tuple[AnyMember, AnyMember]
TABLE = 1024  # pairs drawn in advance for a small pool; many, so that their order has no rhythm
UNKNOWN = 1e6  # seconds, more than any latency: for a member whose first call has not ended
ROUNDS = 8  # at least, so that each member of a large pool meets sixteen others


def least_request(members: Sequence[AnyMember], tools: BalancerContext) -> Picker:
    """The less busy of two, by calls in flight for each unit of weight.

    Two choices are nearly as good as a look at all, and no herd runs to the member that was idle
    a moment ago (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"). The two
    are never the same, else one that hangs would keep being picked against itself.
    """
    if len(members) == 1:
        return cycle(members).__next__
    draw = pairs(members, tools.random)
    if len({member.weight for member in members}) > 1:
        return _weighted(draw)

    def pick() -> AnyMember:
        one, other = draw()
        if one.taken - one.served <= other.taken - other.served:
            return one
        return other

    return pick


def _weighted(draw: Callable[[], Pair]) -> Picker:
    def pick() -> AnyMember:
        one, other = draw()
        # Fractions compared without dividing; the call to come is counted too, for the idle ones.
        load = (one.taken - one.served + 1) * other.weight
        if load <= (other.taken - other.served + 1) * one.weight:
            return one
        return other

    return pick


def peak_ewma(members: Sequence[AnyMember], tools: BalancerContext) -> Picker:
    """Of two, the one that will be done sooner: by latency, calls in flight and weight.

    A member that nothing is known about is tried with one call, and gets no other before it ends.
    """
    if len(members) == 1:
        return cycle(members).__next__
    draw, clock = pairs(members, tools.random), tools.clock

    def pick() -> AnyMember:
        one, other = draw()
        now = clock()
        if _load(one, now) * other.weight <= _load(other, now) * one.weight:
            return one
        return other

    return pick


def _load(member: AnyMember, now: float) -> float:
    pending = member.taken - member.served
    seconds = member.latency.at(now)
    if seconds == 0.0 and pending > 0:
        return UNKNOWN + pending
    return seconds * (pending + 1)


def pairs(members: Sequence[AnyMember], random: Random) -> Callable[[], Pair]:
    """Return a function that gives two different members, one atomic step of an iterator each.

    They are drawn in advance, in rounds: in each one every member is the first once and the second
    once. That costs a third of drawing for each pick, and is more even: among members that are
    equally busy, where the first is taken, each gets the same share.
    """
    rounds = max(ROUNDS, TABLE // len(members))
    return cycle([pair for _ in range(rounds) for pair in _round(members, random)]).__next__


def _round(members: Sequence[AnyMember], random: Random) -> Iterator[Pair]:
    drawn = sorted(members, key=lambda _: random())
    return zip(drawn, [*drawn[1:], drawn[0]], strict=True)
