"""Draws one of several groups of members, by the groups' shares of the calls."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from connpool_runtime.balancing.base import Picker, Random
from connpool_runtime.members.group import Candidates, Group, LivePicker
from connpool_runtime.members.member import AnyMember

__all__ = ["draw_group", "grouped_picker"]


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
