"""Who belongs to the pool, and who of them may be picked.

What is known about the members is kept in counts, lists and timers, and a change of one member changes
only those: its cost does not grow with the number of members, but for a search and a move of memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.forks import keep
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.errors import (
    AllMembersOpen,
    NoMembers,
    PoolClosed,
    PoolError,
    UnknownMember,
    Unreachable,
)
from connpool_runtime.members.eligibility import Eligibility, Facts, Rank
from connpool_runtime.members.ewma import LatencySums
from connpool_runtime.members.group import Candidates, Group
from connpool_runtime.members.member import Alarm, Member
from connpool_runtime.members.subset import Subset
from connpool_runtime.members.timers import Timers

__all__ = ["Membership"]

C = TypeVar("C")


class Level:
    """The members of one rank: how many there are, those that are ready, and those that are in a panic."""

    __slots__ = ("groups", "present")

    def __init__(self, kinds: int) -> None:
        self.present = 0
        self.groups = tuple(Group() for _ in range(kinds))


class Tally:
    """All that is known about the members together. It is made anew if an interrupt leaves it half done."""

    def __init__(self, eligibility: Eligibility) -> None:
        self.facts: dict[Member[Any], Facts] = {}
        self.levels: dict[Rank, Level] = {}
        self.subset = Subset(eligibility.subset_size, eligibility.score)
        self.chosen: set[Member[Any]] = set()
        self.timers = Timers()
        self.ejected = 0
        self.limited = 0
        self.there = 0  # of those chosen, as is the next
        self.well = 0
        self.entered: list[Member[Any]] = []  # who joined a group in the latest change


class Membership(Generic[C]):
    """The members by name. Guarded by the pool's lock.

    `candidates` is replaced, never changed, and read without the lock. Its groups change in place; see
    `Group` for what a reader may rely on.
    """

    def __init__(
        self,
        pool: str,
        eligibility: Eligibility | None = None,
        *,
        compares_latency: bool = False,
    ) -> None:
        self._pool = pool
        self._compares_latency = compares_latency
        self.eligibility = eligibility or Eligibility()
        self._members: dict[str, Member[C]] = {}
        self._replaced: dict[Member[C], None] = {}  # who drain without a name
        self._named = 0
        self._new: list[Member[C]] = []  # since the latest update
        self._alarm = Alarm()
        self._tally = Tally(self.eligibility)
        self._whole = (
            True  # False while something is being changed, and after an interrupt in there
        )
        # Said to each caller who is refused, and looked for once after a change.
        self._ill: tuple[int, bool, Member[C] | None] | None = None
        self.joined = 0  # members over the pool's life, and those of them who left
        self.left = 0
        self.closed = False
        self.candidates = Candidates()
        self.wake_at = math.inf

    @property
    def members(self) -> tuple[Member[C], ...]:
        """All members, those that are leaving included."""
        return tuple(self._members.copy().values())  # a copy is one step, on any interpreter

    @property
    def by_name(self) -> Mapping[str, Member[C]]:
        """The same by their names; it changes with the pool."""
        return self._members

    @property
    def alone(self) -> bool:
        """Whether there is one member only, so that nothing can be apart."""
        return len(self._members) == 1

    @property
    def available(self) -> tuple[Member[C], ...]:
        """The members that may be picked; copied when first asked for after a change."""
        return self.candidates.members

    @property
    def panic(self) -> bool:
        """Whether so few members are well that their breakers are not believed."""
        return self._alarm.on

    @property
    def well(self) -> int:
        """How many members calls may be given to, without a panic, and without a probe of a breaker."""
        closed = BreakerState.CLOSED
        return sum(
            member.breaker.state is closed and member.ready for member in self._members.values()
        )

    @property
    def ejected(self) -> int:
        """How many members breakers have cut off, those opened by hand aside."""
        return self._tally.ejected

    @property
    def may_lose_one(self) -> bool:
        """Whether one more may be cut off without a panic, or without nobody being left."""
        tally = self._tally
        well = tally.well - 1
        return well > 0 and not self.panic and not self.eligibility.is_panic(well, tally.there)

    @property
    def limited(self) -> bool:
        """Whether a member may be too busy for one more call."""
        return self._tally.limited > 0

    @property
    def replaced(self) -> tuple[Member[C], ...]:
        """Those whose name another member has, until their last calls have ended."""
        return tuple(self._replaced)

    def next_name(self) -> str:
        """Return m1, m2, ...: the next one that nobody has."""
        while True:
            self._named += 1
            if (name := f"m{self._named}") not in self._members:
                return name

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names that are taken, or there twice, and any if the pool is closed."""
        if self.closed:
            raise self.refusal(0.0)
        seen = set[str]()
        for name in names:
            if name in self._members or name in seen:
                raise ValueError(
                    f"name {name!r} is taken in pool {self._pool!r}: member names are unique"
                )
            seen.add(name)

    def add(self, member: Member[C]) -> None:
        """Take a member in. It is a candidate from the next update on, which is due at once."""
        self.check_names([member.name])
        self.joined += 1
        member.number, member.alarm = self.joined, self._alarm
        if self._compares_latency:
            member.latency = LatencySums()
        self.wake_at = -math.inf
        self._new.append(member)
        self._members[member.name], self._ill = member, None

    def replace(self, old: Member[C], new: Member[C]) -> bool:
        """Give a member's name and place to another; tell whether the first still had them."""
        if self.closed:
            raise self.refusal(0.0)
        if self._members.get(old.name) is not old:
            return False
        self.joined += 1
        new.number, new.alarm = self.joined, self._alarm
        if self._compares_latency:
            new.latency = LatencySums()
        self.wake_at = -math.inf
        self._new.append(new)
        self._ill = None
        members, replaced = self._members, self._replaced
        # One statement, which no interrupt strikes: who has no name any more gets no calls, either.
        members[old.name], replaced[old], old.fast_generation, old.leaving = new, None, None, True
        return True

    def find(self, name: str) -> Member[C]:
        """Return the member of a name."""
        if name not in self._members:
            known = ", ".join(map(repr, self._members)) or "none"
            raise UnknownMember(
                f"pool {self._pool!r} has no member {name!r}; it has {known}", pool=self._pool
            )
        return self._members[name]

    def weigh(self, member: Member[C], weight: int) -> None:
        """Give a member another weight: for the pickers of its groups it leaves and comes again."""
        whole, self._whole = self._whole, False
        groups = list(self._groups_of(member))
        warm = [group for group in groups if member in group.warming]
        for group in groups:
            group.remove(member)
        member.weight = weight
        for group in groups:
            group.add(member)
        for group in warm:
            group.warming.set(member, self.eligibility.facts(member).warm_at)
        self._whole = whole

    def _groups_of(self, member: Member[C]) -> Iterator[Group]:
        facts = self._tally.facts.get(member)
        if facts is not None and member in self._tally.chosen:
            groups = self._tally.levels[facts.rank].groups
            for group, is_in in zip(groups, (facts.ready, facts.let_in), strict=False):
                if is_in:
                    yield group

    def forget(self, member: Member[C]) -> bool:
        """Drop a member; tell whether it was still there under its name."""
        if member in self._replaced:
            del self._replaced[member]
            self.left += 1
        if self._members.get(member.name) is not member:
            return False
        whole, self._whole = self._whole, False
        del self._members[member.name]
        self._ill = None
        self.left += 1
        self._follow((member,))
        self._whole = whole
        return True

    def after_fork(self) -> None:
        """Begin anew in a child process: nobody is in flight, and who was leaving has left."""
        stay = {name: member for name, member in self._members.items() if not member.leaving}
        left = [member for member in self._members.values() if member.leaving]
        for member in (*left, *self._replaced):
            member.in_child()
            keep(member.client)
            self.left += 1
        self._members = {name: member.in_child() for name, member in stay.items()}
        self._replaced, self._new, self._ill = {}, [], None
        self._tally, self._whole = Tally(self.eligibility), False
        self.candidates, self.wake_at = Candidates(), -math.inf

    def is_spared(self, member: Member[C]) -> bool:
        """Whether so many others are cut off that this member must not be, too."""
        if not self.eligibility.spares:
            return False
        known = self._tally.facts.get(member)
        others = self._tally.ejected - (known is not None and known.ejected)
        return self.eligibility.is_spared(others, len(self._members))

    def refresh(self, now: float = 0.0) -> None:
        """Derive everything anew. New groups forget whose turn it is."""
        self._begin()
        self._tally = Tally(self.eligibility)
        self._follow(self._members.values())
        self._end(now)

    def update(self, now: float, *members: Member[C]) -> bool:
        """Follow up on what changed about members, or on what time changed; tell whether anything did."""
        if not self._whole:
            self.refresh(now)
            return True
        if not self.differs(now, *members):
            return False
        self._begin()
        self._follow((*members, *self._new))
        self._end(now)
        return True

    def differs(self, now: float, *members: Member[C]) -> bool:
        """Tell whether members, or what time it is, are not as they were at the latest update."""
        if now >= self.wake_at:
            return True
        known = self._tally.facts
        for member in members:  # noqa: SIM110  # mostly one, for each call that fails: no generator
            if known.get(member) != self._facts(member):
                return True
        return False

    def freed(self, *, all_of_them: bool) -> Iterable[Member[C]]:
        """Return those that the latest change made available."""
        return self.available if all_of_them else self._tally.entered

    def _begin(self) -> None:
        # Whoever looks meanwhile, or after an interrupt, finds that something is due.
        self._whole, self.wake_at, self._ill = False, -math.inf, None
        self._tally.entered = []

    def _end(self, now: float) -> None:
        tally, eligibility = self._tally, self.eligibility
        self._alarm.on = eligibility.is_panic(tally.well, tally.there)
        self.candidates = candidates = self._candidates(now)
        wake_at = tally.timers.first()
        if candidates.slow_start:
            wake_at = min(wake_at, *(group.warming.first() for _, group in candidates.groups))
        self._new = []
        self._whole, self.wake_at = True, wake_at

    def _facts(self, member: Member[C]) -> Facts | None:
        there = self._members.get(member.name) is member
        return self.eligibility.facts(member) if there else None

    def _follow(self, members: Iterable[Member[C]]) -> None:
        for member in members:
            before, after = self._tally.facts.get(member), self._facts(member)
            if before != after:
                self._count(member, before, after)
                self._choose(member, before, after)

    def _count(self, member: Member[C], before: Facts | None, after: Facts | None) -> None:
        tally = self._tally
        for facts, sign in ((before, -1), (after, 1)):
            if facts is not None:
                tally.ejected += sign * facts.ejected
                tally.limited += sign * facts.limited
        if after is None:
            tally.facts.pop(member, None)
        else:
            tally.facts[member] = after
        tally.timers.set(member, after.wake_at if after and after.present else math.inf)

    def _choose(self, member: Member[C], before: Facts | None, after: Facts | None) -> None:
        """Keep who is used at all, and place everybody of whom that changes."""
        tally = self._tally
        was, is_present = before is not None and before.present, after is not None and after.present
        changes: list[tuple[Member[Any], bool]] = []
        if is_present and not was:
            changes = tally.subset.add(member)
        elif was and not is_present:
            changes = tally.subset.remove(member)
        elif member in tally.chosen:
            self._place(member, before, after)
        for one, chosen in changes:
            known = before if one is member else tally.facts[one]
            if chosen:
                tally.chosen.add(one)
                self._place(one, None, tally.facts[one])
            elif one in tally.chosen:
                tally.chosen.discard(one)
                self._place(one, known, None)

    def _place(self, member: Member[C], before: Facts | None, after: Facts | None) -> None:
        """Count a member that is used, and put it into the groups that it belongs to."""
        if before is not None and (after is None or before.rank != after.rank):
            level = self._level(before.rank)
            self._sum_up(level, before, -1)
            self._enter(level, member, before, None)
            if level.present == 0:
                del self._tally.levels[before.rank]
            before = None
        if after is not None:
            level = self._level(after.rank)
            if before is not None:
                self._sum_up(level, before, -1)
            self._sum_up(level, after, 1)
            self._enter(level, member, before, after)

    def _level(self, rank: Rank) -> Level:
        levels = self._tally.levels
        if rank not in levels:
            levels[rank] = Level(2 if self.eligibility.panic_threshold else 1)
        return levels[rank]

    def _sum_up(self, level: Level, facts: Facts, sign: int) -> None:
        level.present += sign
        self._tally.there += sign * facts.there
        self._tally.well += sign * facts.well

    def _enter(
        self, level: Level, member: Member[C], before: Facts | None, after: Facts | None
    ) -> None:
        was = (False, False) if before is None else (before.ready, before.let_in)
        now = (False, False) if after is None else (after.ready, after.let_in)
        for group, was_in, is_in in zip(level.groups, was, now, strict=False):
            if is_in and not was_in:
                group.add(member)
                self._tally.entered.append(member)
            elif was_in and not is_in:
                group.remove(member)
            if is_in and after is not None and self.eligibility.slow_start:
                group.warming.set(member, after.warm_at)

    def _candidates(self, now: float) -> Candidates:
        levels = [level for _, level in sorted(self._tally.levels.items(), key=itemgetter(0))]
        groups = [level.groups[self._alarm.on] for level in levels]
        counts = [(group.size, level.present) for group, level in zip(groups, levels, strict=True)]
        shares = zip(self.eligibility.shares(counts), groups, strict=True)
        used = tuple((share, group) for share, group in shares if share > 0)
        if not self.eligibility.slow_start:
            return Candidates(used)
        for _, group in used:
            for member in group.warming.due(now):
                group.warming.discard(member)
        found = Candidates(used, self.eligibility.slow_start)
        warming = sum(len(group.warming) for _, group in used)
        # If all are new there is nobody to spare them.
        return found if 0 < warming < len(found) else Candidates(used)

    def due(self, now: float) -> list[Member[C]]:
        """Return the members that have something to do at this time."""
        if now < self.wake_at:
            return []
        if not self._whole:
            self.refresh(now)
        return self._tally.timers.due(now)

    def refusal(self, now: float) -> PoolError:
        """Say why nobody can be picked."""
        if self.closed:
            return PoolClosed(f"pool {self._pool!r} is closed", pool=self._pool)
        present, ill, last = self._ill = self._ill or self._look_for_ill()
        if last is None:
            text = f"pool {self._pool!r} has no members; add_client or add_endpoint adds one"
            return NoMembers(text, pool=self._pool)
        if last.source.unreachable:
            return self._unreachable(present, last, now)
        retry_after = max(0.0, self.wake_at - now)
        when = f"for {retry_after:.3g} s"
        if retry_after == math.inf:
            when = "until a health check passes" if ill else "until reset by hand"
            if isinstance(last.unreachable, UseBrokenOff):
                when = "until they are validated or unejected"
        return AllMembersOpen(
            f"all {present} members of pool {self._pool!r} are cut off {when}",
            pool=self._pool,
            cause=_own_copy(last.unreachable or last.breaker.cause),
            retry_after=retry_after,
        )

    def _look_for_ill(self) -> tuple[int, bool, Member[C] | None]:
        """Return how many are present, whether health checks found some ill, and who became so last."""
        present = [member for member in self._members.values() if not member.leaving]
        ill = any(member.unreachable for member in present)
        if all(member.source.unreachable for member in present):
            last = max(present, key=lambda member: member.source.retry_at, default=None)
        else:
            last = max((one for one in present if not one.source.unreachable), key=_opened_at)
        return len(present), ill, last

    def _unreachable(self, present: int, last: Member[C], now: float) -> Unreachable:
        retry_after = max(0.0, self.wake_at - now)
        return Unreachable(
            f"none of the {present} endpoints of pool {self._pool!r} can be reached; the next"
            f" attempt to open a client is made in {retry_after:.3g} s",
            pool=self._pool,
            cause=_own_copy(last.source.cause),
            retry_after=retry_after,
        )


def _own_copy(cause: BaseException | None) -> BaseException | None:
    """Return a cause for one caller, who may raise it again, which gives it frames."""
    return None if cause is None else without_traceback(cause)


def _opened_at(member: Member[C]) -> tuple[bool, bool, float]:
    breaker = member.breaker  # which has no cause if it was opened by hand
    return member.unreachable is not None, breaker.cause is not None, breaker.opened_at
