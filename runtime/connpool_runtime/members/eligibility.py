"""Which of the members are candidates, and in what groups: before any balancer picks.

Preferred groups take all calls while enough of their members are well, and pass a share of them on
as that changes, as Envoy's priority levels do. Too few members well in all is a panic: then it is
likelier that the evidence is wrong, or the load too high for the rest, than that all are ill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.members.member import Member

__all__ = ["Candidates", "Eligibility"]

AnyMember = Member[Any]
RAMP_FLOOR = 0.1  # a newcomer's first share of its weight, as in Envoy


class Candidates(tuple[AnyMember, ...]):
    """Members that may be picked, and all that is not even between them.

    `groups` are (share of the calls, members); one group with share 1.0 is the usual case.
    `warming` are members that start slowly.
    """

    groups: Sequence[tuple[float, tuple[AnyMember, ...]]] = ()
    warming: frozenset[AnyMember] = frozenset()
    slow_start: float = 0.0

    def ramp(self, member: AnyMember, now: float) -> float:
        """Return what share of its weight a warming member has at this time."""
        return max(RAMP_FLOOR, (now - member.breaker.closed_at) / self.slow_start)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """How candidates are chosen; `PoolSettings` explains each number."""

    zone: str | None = None
    overprovisioning_factor: float = 1.4
    subset_size: int | None = None
    client_id: str = ""
    max_ejection_share: float = 1.0
    panic_threshold: float = 0.0
    slow_start: float = 0.0

    def eligible(self, present: Sequence[AnyMember], scores: dict[str, int]) -> Sequence[AnyMember]:
        """Return the members that this client uses at all.

        The best by the hash of client and member (rendezvous hashing): each client has others, the
        same ones every time, and a change of members changes few of them. Scores are remembered.
        """
        if self.subset_size is None or len(present) <= self.subset_size:
            return present
        from connpool_runtime.balancing.ring_hash import point_of

        for member in present:
            if member.name not in scores:
                scores[member.name] = point_of((self.client_id, member.name))
        best = sorted(present, key=lambda member: scores[member.name])
        chosen = set(best[: self.subset_size])
        return [member for member in present if member in chosen]

    def is_spared(self, member: AnyMember, present: Iterable[AnyMember]) -> bool:
        """Whether so many others are cut off that this member must not be, too."""
        if self.max_ejection_share == 1:
            return False
        others = [one for one in present if one is not member]
        ejected = sum(map(_is_ejected, others))
        allowed = int(self.max_ejection_share * (len(others) + 1))
        return ejected >= (max(1, allowed) if self.max_ejection_share else 0)

    def is_panic(self, eligible: Sequence[AnyMember]) -> bool:
        """Whether too few of the members that can be reached are well to believe breakers."""
        if self.panic_threshold == 0:
            return False
        there = [member for member in eligible if member.unreachable is None]
        well = sum(member.breaker.admits for member in there)
        return well < self.panic_threshold * len(there)

    def candidates(self, eligible: Sequence[AnyMember], now: float) -> Candidates:
        """Return those that are ready, in groups if more than one is needed."""
        if self.zone is None and not any(member.priority for member in eligible):
            found = Candidates(member for member in eligible if member.ready)
        else:
            groups = self._groups(eligible)
            found = Candidates(member for _, members in groups for member in members)
            found.groups = groups if len(groups) > 1 else ()
        if self.slow_start:
            self._warm_up(found, now)
        return found

    def _warm_up(self, found: Candidates, now: float) -> None:
        warming = frozenset(member for member in found if self.warm_at(member) > now)
        if warming and len(warming) < len(found):  # if all are new there is nobody to spare them
            found.warming, found.slow_start = warming, self.slow_start

    def warm_at(self, member: AnyMember) -> float:
        """Return when a member has its whole weight."""
        return member.breaker.closed_at + self.slow_start

    def _groups(
        self, eligible: Sequence[AnyMember]
    ) -> Sequence[tuple[float, tuple[AnyMember, ...]]]:
        left, found = 1.0, list[tuple[float, tuple[AnyMember, ...]]]()
        for _, level in groupby(sorted(eligible, key=self._rank), key=self._rank):
            members = tuple(level)
            ready = tuple(member for member in members if member.ready)
            takes = min(left, self.overprovisioning_factor * len(ready) / len(members))
            if takes > 0:
                found.append((takes, ready))
                left -= takes
        # What is left when all levels together are too ill is shared out in proportion.
        return [(takes / (1.0 - left), ready) for takes, ready in found]

    def _rank(self, member: AnyMember) -> tuple[int, bool]:
        return member.priority, self.zone is not None and member.zone != self.zone


def _is_ejected(member: AnyMember) -> bool:
    breaker = member.breaker
    return breaker.state is not BreakerState.CLOSED and not breaker.forced_open
