"""The candidates for some calls, in groups by rank: all members of a pool, or those with certain labels.

Each has its own levels, shares and subset, as each subset of Envoy's load balancer has its own priorities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from operator import itemgetter

from connpool_runtime.members.eligibility import Eligibility, Facts, Rank
from connpool_runtime.members.group import Candidates, Group
from connpool_runtime.members.labels import ANY_MEMBER, Selector, fits
from connpool_runtime.members.member import AnyMember
from connpool_runtime.members.subset import Subset

__all__ = ["PrioritySet"]


class Level:
    """The members of one rank: how many there are, and those that are ready, normally and in a panic."""

    __slots__ = ("groups", "present")

    def __init__(self, kinds: int) -> None:
        self.present = 0
        self.groups = tuple(Group() for _ in range(kinds))


class PrioritySet:
    """Counts and groups members by the facts about each. Guarded by the pool's lock.

    It is made anew if an interrupt leaves it half done. `candidates` is replaced, never changed, and read
    without the lock.

    Arguments:
        eligibility: how candidates are chosen.
        facts: what is known about each member of the pool; the owner's, who changes it.
        selector: the labels that a member must have.
    """

    def __init__(
        self,
        eligibility: Eligibility,
        facts: Mapping[AnyMember, Facts],
        selector: Selector = ANY_MEMBER,
    ) -> None:
        self._eligibility = eligibility
        self._facts = facts
        self.selector = selector
        self.levels: dict[Rank, Level] = {}
        self._subset = Subset(eligibility.subset_size, eligibility.score)
        self.chosen: set[AnyMember] = set()
        self.there = 0  # of the chosen members; so is the next count
        self.well = 0
        self.entered: list[AnyMember] = []  # members that joined a group in the latest change
        self.candidates = Candidates()

    def follow(self, member: AnyMember, before: Facts | None, after: Facts | None) -> None:
        """Apply a change of one member, and of members that it brings into the subset or out of it."""
        if self.selector:
            before, after = self._mine(before), self._mine(after)
        was, is_present = before is not None and before.present, after is not None and after.present
        changes: list[tuple[AnyMember, bool]] = []
        if is_present and not was:
            changes = self._subset.add(member)
        elif was and not is_present:
            changes = self._subset.remove(member)
        elif member in self.chosen:
            self._place(member, before, after)
        for one, chosen in changes:
            known = before if one is member else self._facts[one]
            if chosen:
                self.chosen.add(one)
                self._place(one, None, self._facts[one])
            elif one in self.chosen:
                self.chosen.discard(one)
                self._place(one, known, None)

    def _mine(self, facts: Facts | None) -> Facts | None:
        return facts if facts is not None and fits(self.selector, facts.labels) else None

    def _place(self, member: AnyMember, before: Facts | None, after: Facts | None) -> None:
        """Count a chosen member, and put it into the right groups."""
        if before is not None and (after is None or before.rank != after.rank):
            level = self._level(before.rank)
            self._sum_up(level, before, -1)
            self._enter(level, member, before, None)
            if level.present == 0:
                del self.levels[before.rank]
            before = None
        if after is not None:
            level = self._level(after.rank)
            if before is not None:
                self._sum_up(level, before, -1)
            self._sum_up(level, after, 1)
            self._enter(level, member, before, after)

    def _level(self, rank: Rank) -> Level:
        if rank not in self.levels:
            self.levels[rank] = Level(2 if self._eligibility.panic_threshold else 1)
        return self.levels[rank]

    def _sum_up(self, level: Level, facts: Facts, sign: int) -> None:
        level.present += sign
        self.there += sign * facts.there
        self.well += sign * facts.well

    def _enter(
        self, level: Level, member: AnyMember, before: Facts | None, after: Facts | None
    ) -> None:
        was = (False, False) if before is None else (before.ready, before.let_in)
        now = (False, False) if after is None else (after.ready, after.let_in)
        for group, was_in, is_in in zip(level.groups, was, now, strict=False):
            if is_in and not was_in:
                group.add(member)
                self.entered.append(member)
            elif was_in and not is_in:
                group.remove(member)
            if is_in and after is not None and self._eligibility.slow_start:
                group.warming.set(member, after.warm_at)

    def choose(self, now: float, *, panic: bool) -> None:
        """Derive the current candidates, and each group's share of the calls."""
        levels = [level for _, level in sorted(self.levels.items(), key=itemgetter(0))]
        groups = [level.groups[panic] for level in levels]
        counts = [(group.size, level.present) for group, level in zip(groups, levels, strict=True)]
        shares = zip(self._eligibility.shares(counts), groups, strict=True)
        used = tuple((share, group) for share, group in shares if share > 0)
        self.candidates = Candidates(used)
        if self._eligibility.slow_start:
            for _, group in used:
                for member in group.warming.due(now):
                    group.warming.discard(member)
            warming = sum(len(group.warming) for _, group in used)
            # If all are new, no other member can take the calls instead.
            if 0 < warming < len(self.candidates):
                self.candidates = Candidates(used, self._eligibility.slow_start)

    @property
    def warm_at(self) -> float:
        """When the first of the candidates in slow start gets its whole weight; `inf` if none is in slow start."""
        candidates = self.candidates
        if not candidates.slow_start:
            return math.inf
        return min(group.warming.first() for _, group in candidates.groups)

    def groups_of(self, member: AnyMember) -> Iterator[Group]:
        """Yield the groups that a member belongs to."""
        facts = self._facts.get(member)
        if facts is not None and member in self.chosen:
            groups = self.levels[facts.rank].groups
            for group, is_in in zip(groups, (facts.ready, facts.let_in), strict=False):
                if is_in:
                    yield group
