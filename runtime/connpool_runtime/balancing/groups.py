"""Draws one of several groups of members by their shares, and reduces the share of members in slow start."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate

from connpool_runtime.balancing.types import AnyMember, Picker, Random
from connpool_runtime.members.group import Candidates, Group, LivePicker

__all__ = ["draw_group", "grouped_picker", "warming_picker"]

DRAWS = 16  # then the last drawn member is used: nine of ten members may be in slow start


def draw_group(candidates: Candidates, random: Random) -> Group:
    """Return the group that serves a call, drawn by the groups' shares."""
    groups = candidates.groups
    if len(groups) == 1:
        return groups[0][1]
    return groups[_index(list(accumulate(share for share, _ in groups)), random)][1]


def grouped_picker(candidates: Candidates, pickers: Sequence[LivePicker], random: Random) -> Picker:
    """Return a picker that draws one of several groups, then asks the picker of that group."""
    edges = list(accumulate(share for share, _ in candidates.groups))

    def pick() -> AnyMember:
        return pickers[_index(edges, random)].pick()

    return pick


def _index(edges: Sequence[float], random: Random) -> int:
    # Rounding may leave the last edge slightly below 1.
    return min(bisect(edges, random()), len(edges) - 1)


def warming_picker(
    pick: Picker, candidates: Candidates, random: Random, clock: Callable[[], float]
) -> Picker:
    """Return a picker that rejects members in slow start, less and less often as they warm up, and draws again.

    That makes its weight so much less for every balancer, also for those that know no weights.
    """

    def pick_warming() -> AnyMember:
        member = pick()
        for _ in range(DRAWS):
            if not candidates.is_warming(member) or random() < candidates.ramp(member, clock()):
                break
            member = pick()
        return member

    return pick_warming
