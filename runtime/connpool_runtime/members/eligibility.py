"""Decides which members are candidates, and in which groups, before any balancer picks.

Preferred groups take all calls while enough of their members are healthy, and pass a share of them on
as that changes, as Envoy's priority levels do. Too few members well in all is a panic: then it is
likelier that the evidence is wrong, or the load too high for the rest, than that all are unhealthy.

Here are the decisions, by counts; `membership.py` keeps the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.members.labels import Labels
from connpool_runtime.members.member import AnyMember

__all__ = ["Eligibility", "Facts", "Rank"]

_CLOSED = BreakerState.CLOSED  # looking up a member of an enumeration costs as much as a call
Rank = tuple[int, bool]
"""The priority, and whether a member is in another zone than the pool: the lower, the better."""


class Facts(NamedTuple):
    """What is known about one member. Whenever one of these facts changes, the candidates may change."""

    rank: Rank
    present: bool  # not leaving
    limited: bool
    ejected: bool
    there: bool  # present, and no health check has found it unreachable
    well: bool  # there, and admitted by its breaker
    ready: bool
    let_in: bool  # would be ready in a panic
    warm_at: float  # when it gets its whole weight
    wake_at: float
    labels: Labels


class Eligibility(NamedTuple):
    """How candidates are chosen; `PoolSettings` explains each number."""

    zone: str | None = None
    overprovisioning_factor: float = 1.4
    subset_size: int | None = None
    client_id: str = ""
    max_ejection_share: float = 1.0
    panic_threshold: float = 0.0
    slow_start: float = 0.0

    def facts(self, member: AnyMember) -> Facts:
        """Return the current facts about a member."""
        breaker, present = member.breaker, not member.leaving
        is_closed = breaker.state is _CLOSED
        admits, healthy = is_closed or breaker.admits, member.unreachable is None
        callable_ = present and healthy and not member.source.unreachable
        return Facts(
            (member.priority, self.zone is not None and member.zone != self.zone),
            present,
            present and not member.is_unlimited,
            not is_closed and not breaker.forced_open,
            present and healthy,
            present and healthy and admits,
            callable_ and admits,
            callable_ and (admits or not breaker.forced_open),
            breaker.closed_at + self.slow_start,
            member.source.retry_at if is_closed else member.wake_at,
            member.labels,
        )

    def score(self, name: str) -> int:
        """Return the distance between this client and a member, by hash; a subset consists of the nearest members."""
        from connpool_runtime._hashing import point_of  # its hash function takes 4 ms to import

        return point_of((self.client_id, name))

    @property
    def spares(self) -> bool:
        """Whether the number of ejected members is capped."""
        return self.max_ejection_share != 1

    def is_spared(self, others_ejected: int, members: int) -> bool:
        """Return whether so many other members are ejected that one more must not be."""
        if not self.spares:
            return False
        allowed = int(self.max_ejection_share * members)
        return others_ejected >= (max(1, allowed) if self.max_ejection_share else 0)

    def is_panic(self, well: int, there: int) -> bool:
        """Return whether too few of the reachable members are healthy for breakers to be trusted."""
        return self.panic_threshold != 0 and well < self.panic_threshold * there

    def shares(self, levels: Iterable[tuple[int, int]]) -> list[float]:
        """Return each level's share of the calls, given how many of its members are ready and present."""
        takes = list(self._takes(levels))
        # If all levels together cannot take all calls, the shares are scaled up in proportion.
        total = sum(takes)
        return [share / total for share in takes] if total else takes

    def _takes(self, levels: Iterable[tuple[int, int]]) -> Iterator[float]:
        left = 1.0
        for ready, present in levels:
            takes = min(left, self.overprovisioning_factor * ready / present)
            yield max(0.0, takes)
            left -= takes
