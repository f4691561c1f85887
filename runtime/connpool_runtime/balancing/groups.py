"""Pickers around pickers: shares of several groups of members, and slow starts."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from connpool_runtime.balancing.types import AnyMember, BalancerContext, Picker, Random
from connpool_runtime.members.eligibility import Candidates

__all__ = ["draw_group", "grouped_picker"]

DRAWS = 16  # then whoever was drawn: of ten members nine may be warming


def draw_group(candidates: Sequence[AnyMember], random: Random) -> tuple[int, Sequence[AnyMember]]:
    """Return the group that serves a call, by the groups' shares, and its number."""
    if not isinstance(candidates, Candidates) or not candidates.groups:
        return 0, candidates
    edges = list(accumulate(share for share, _ in candidates.groups))
    index = _index(edges, random)
    return index, candidates.groups[index][1]


def grouped_picker(
    make: Callable[[Sequence[AnyMember], BalancerContext], Picker],
    candidates: Sequence[AnyMember],
    tools: BalancerContext,
) -> Picker:
    """Make the picker of a balancer for candidates that may be in groups and may be warming."""
    if not isinstance(candidates, Candidates):
        return make(candidates, tools)
    pick = _grouped(make, candidates, tools) if candidates.groups else make(candidates, tools)
    return _warming(pick, candidates, tools) if candidates.warming else pick


def _grouped(
    make: Callable[[Sequence[AnyMember], BalancerContext], Picker],
    candidates: Candidates,
    tools: BalancerContext,
) -> Picker:
    pickers = [make(group, tools) for _, group in candidates.groups]
    edges = list(accumulate(share for share, _ in candidates.groups))
    random = tools.random

    def pick() -> AnyMember:
        return pickers[_index(edges, random)]()

    return pick


def _index(edges: Sequence[float], random: Random) -> int:
    # The last edge may be a hair below 1.
    return min(bisect(edges, random()), len(edges) - 1)


def _warming(pick: Picker, candidates: Candidates, tools: BalancerContext) -> Picker:
    """Turn a warming member down as often as its share of its weight says, and draw again.

    That makes its weight so much less for every balancer, also for those that know no weights.
    """
    warming, random, clock = candidates.warming, tools.random, tools.clock

    def pick_warming() -> AnyMember:
        member = pick()
        for _ in range(DRAWS):
            if member not in warming or random() < candidates.ramp(member, clock()):
                break
            member = pick()
        return member

    return pick_warming
