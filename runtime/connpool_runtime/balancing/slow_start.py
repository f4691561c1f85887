"""Slow start: a new member, or one that is back, gets a growing share of its weight.

Which members are in slow start, and until when, is kept by `members/priority_set.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from connpool_runtime.balancing.base import Picker, Random
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.member import AnyMember

__all__ = ["slow_start_picker"]

FLOOR = 0.1  # the share of its weight that a member starts with, as in Envoy
DRAWS = 16  # draws before the last drawn member is used: nine of ten members may be in slow start


def slow_start_picker(
    pick: Picker, candidates: Candidates, random: Random, clock: Callable[[], float]
) -> Picker:
    """Return a picker that rejects members in slow start, less and less often as they warm up, and draws again.

    That reduces their weight for every balancer, also for those that ignore weights.
    """

    def pick_in_slow_start() -> AnyMember:
        member = pick()
        for _ in range(DRAWS):
            if not candidates.is_warming(member):
                break
            if random() < share_of_weight(member, candidates.slow_start, clock()):
                break
            member = pick()
        return member

    return pick_in_slow_start


def share_of_weight(member: AnyMember, slow_start: float, now: float) -> float:
    """Return the share of its weight that a member has at a time of its slow start."""
    return max(FLOOR, (now - member.breaker.closed_at) / slow_start)
