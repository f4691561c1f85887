"""The members of a pool, and which of them may be picked.

What is known about the members is kept in counts, lists and timers, and a change of one member changes
only those: its cost does not grow with the number of members, but for a search and a move of memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from connpool_runtime._concurrency.forks import keep
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.clients.source import REMEDY, UseBrokenOff
from connpool_runtime.errors import (
    AllMembersOpen,
    NoMembers,
    PoolClosed,
    PoolError,
    UnknownMember,
    Unreachable,
)
from connpool_runtime.members.eligibility import Eligibility, Facts
from connpool_runtime.members.ewma import LatencySums
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.labels import NO_LABELS, ROLE, Selector, fits
from connpool_runtime.members.member import Alarm, Member
from connpool_runtime.members.priority_set import PrioritySet
from connpool_runtime.members.timers import Timers

__all__ = ["Membership"]

C = TypeVar("C")
Unavailable: TypeAlias = tuple[tuple[Member[Any], ...], Member[Any] | None, float]
"""Members of which none may be called, who of them became so last, and when the first may be called again."""


ByLabel: TypeAlias = dict[tuple[str, str], dict[Member[Any], None]]


class RefusalFacts(NamedTuple):
    """The facts about the members that this client uses, for the error of a refused call.

    Attributes:
        present: how many there are.
        whom: of which pool and which part of it they are.
        unreachable: whether health checks found any unreachable.
        last: the last to fail; None if there are no members.
        again_at: when the first may be called again; None where the membership's `wake_at` says so.
    """

    present: int
    whom: str
    unreachable: bool
    last: Member[Any] | None
    again_at: float | None


MOST_NAMED = 20  # members that the message about an unknown one names
MOST_SELECTIONS = 64  # label selections kept at a time; only callers who make up labels need more


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
        # members that were replaced and are draining, without a name
        self._replaced: dict[Member[C], None] = {}
        self._named = 0
        self._new: list[Member[C]] = []  # members added since the latest update
        self._alarm = Alarm()
        self._facts: dict[Member[Any], Facts] = {}
        self._all = PrioritySet(self.eligibility, self._facts)
        # Created when a call first asks for such labels.
        self._selections: dict[Selector, PrioritySet] = {}
        # The members by each of their labels; None before a call first asks for labels.
        self._by_label: ByLabel | None = None
        self._timers = Timers()
        self._ejected = self._limited = self._with_role = 0
        # False during a change, and after an interrupt within one.
        self._whole = True
        # The reason for refusals, worked out once after each change.
        self._refusal_facts: RefusalFacts | None = None
        # the same for members with certain labels
        self._unavailable_with: dict[tuple[Selector, ...], Unavailable] = {}
        # members that joined over the pool's life; the next line: those of them that left
        self.joined = 0
        self.left = 0
        self.closed = False
        self.candidates = Candidates()
        self.has_roles = False  # whether any member has a role, so that routes matter
        self.wake_at = math.inf

    @property
    def members(self) -> tuple[Member[C], ...]:
        """All members, including those that are leaving."""
        return tuple(self._members.copy().values())  # a copy is atomic on every interpreter

    @property
    def by_name(self) -> Mapping[str, Member[C]]:
        """The members by name; the mapping changes with the pool."""
        return self._members

    @property
    def alone(self) -> bool:
        """Whether there is only one member, so that all keys belong together."""
        return len(self._members) == 1

    @property
    def available(self) -> tuple[Member[C], ...]:
        """The members that may be picked, copied at the first access after a change."""
        return self.candidates.members

    @property
    def panic(self) -> bool:
        """Whether so few members are healthy that breakers are ignored."""
        return self._alarm.on

    def has_healthy(self, number: int) -> bool:
        """Return whether so many members take calls regularly: not because of a panic, and not as probes of a breaker.

        Asked after each change while somebody waits for members, so it looks at no more of them than it has to.
        """
        if self._whole and not self._with_role and self._all.well < number:
            return False
        closed, all_of_them = BreakerState.CLOSED, self.eligibility.subset_size is None
        used = self._members.values() if all_of_them else self.used
        well = (member for member in used if member.breaker.state is closed and member.ready)
        return next(islice(well, number - 1, None), None) is not None

    @property
    def used(self) -> tuple[Member[C], ...]:
        """The members that this client uses: its subset, or all if it has none.

        Each role has a subset of its own, which is not known before a call asks for the role: there, all count.
        """
        members = self.members
        return members if self._with_role else self._in_subset(members, self._all)

    @property
    def serves_none(self) -> bool:
        """Whether no call can be served, whatever its route: a role may have a member where the subset of all has none."""
        if self.candidates:
            return False
        has_subsets = self.eligibility.subset_size is not None
        return not (has_subsets and any(member.ready for member in self._members.values()))

    @property
    def ejected(self) -> int:
        """How many members breakers have ejected, without those ejected by hand."""
        return self._ejected

    @property
    def may_lose_one(self) -> bool:
        """Whether one more member may be ejected without a panic, and without leaving none."""
        well = self._all.well - 1
        return well > 0 and not self.panic and not self.eligibility.is_panic(well, self._all.there)

    @property
    def limited(self) -> bool:
        """Whether any member has a limit of concurrent calls."""
        return self._limited > 0

    @property
    def replaced(self) -> tuple[Member[C], ...]:
        """Members whose name another member has taken, until their last calls have ended."""
        return tuple(self._replaced)

    def next_name(self) -> str:
        """Return the next free name of m1, m2, ..."""
        while True:
            self._named += 1
            if (name := f"m{self._named}") not in self._members:
                return name

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse names that are taken or duplicate, and any name if the pool is closed."""
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
        """Add a member. It is a candidate from the next update on, which is due at once."""
        self.check_names([member.name])
        self.joined += 1
        member.number, member.alarm = self.joined, self._alarm
        if self._compares_latency:
            member.latency = LatencySums()
        self.wake_at = -math.inf
        self._new.append(member)
        self._members[member.name] = member
        self._forget_refusal_facts()

    def replace(self, old: Member[C], new: Member[C]) -> bool:
        """Give a member's name and place to another one; return False if it no longer had them."""
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
        self._forget_refusal_facts()
        members, replaced = self._members, self._replaced
        # First, because alone it does no harm: successes are told to the breaker.
        old.steady_generation = None
        # One statement, which no interrupt can split: a member without a name gets no calls.
        members[old.name], replaced[old], old.fast_generation, old.leaving = new, None, None, True
        return True

    def find(self, name: str) -> Member[C]:
        """Return the member with a name."""
        if name not in self._members:
            # some only: the lock is held, and nobody reads thousands of names
            known = ", ".join(map(repr, islice(self._members, MOST_NAMED))) or "none"
            others = len(self._members) - MOST_NAMED
            more = f" and {others} others" if others > 0 else ""
            raise UnknownMember(
                f"pool {self._pool!r} has no member {name!r}; it has {known}{more}",
                pool=self._pool,
            )
        return self._members[name]

    def weigh(self, member: Member[C], weight: int) -> None:
        """Change a member's weight; for the pickers of its groups it leaves and joins again."""
        whole, self._whole = self._whole, False
        groups = [group for one in self._sets for group in one.groups_of(member)]
        warm = [group for group in groups if member in group.warming]
        for group in groups:
            group.remove(member)
        member.weight = weight
        for group in groups:
            group.add(member)
        for group in warm:
            group.warming.set(member, self.eligibility.facts(member).warm_at)
        self._whole = whole

    def forget(self, member: Member[C]) -> bool:
        """Remove a member; return whether it was still there under its name."""
        if member in self._replaced:
            del self._replaced[member]
            self.left += 1
        if self._members.get(member.name) is not member:
            return False
        whole, self._whole = self._whole, False
        del self._members[member.name]
        self._forget_refusal_facts()
        self.left += 1
        self._follow((member,))
        if whole:
            self.has_roles = self._with_role > 0
        self._whole = whole
        return True

    def after_fork(self) -> None:
        """Start anew in a child process: no calls are in flight, and leaving members are gone."""
        stay = {name: member for name, member in self._members.items() if not member.leaving}
        left = [member for member in self._members.values() if member.leaving]
        for member in (*left, *self._replaced):
            member.in_child()
            keep(member.client)
            self.left += 1
        self._members = {name: member.in_child() for name, member in stay.items()}
        self._replaced, self._new = {}, []
        self._forget_refusal_facts()
        self._count_anew()
        self._whole, self.candidates, self.wake_at = False, Candidates(), -math.inf

    def is_spared(self, member: Member[C]) -> bool:
        """Return whether so many other members are ejected that this one must not be."""
        if not self.eligibility.spares:
            return False
        known = self._facts.get(member)
        others = self._ejected - (known is not None and known.ejected)
        return self.eligibility.is_spared(others, len(self._members))

    def refresh(self, now: float = 0.0) -> None:
        """Derive everything anew, with new groups whose order starts over."""
        self._begin()
        self._count_anew()
        self._follow(self._members.values())
        self._end(now)

    def update(self, now: float, *members: Member[C]) -> bool:
        """Follow up on changes of members and on the passing of time; return whether anything changed."""
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
        """Return whether members, or the time, call for an update."""
        if now >= self.wake_at:
            return True
        known = self._facts
        for member in members:  # noqa: SIM110  # mostly one, for each call that fails: no generator
            if known.get(member) != self._look_at(member):
                return True
        return False

    def freed(self, *, all_of_them: bool) -> Iterable[Member[C]]:
        """Return the members that the latest change made available."""
        return self.may_serve if all_of_them else self._all.entered

    def _begin(self) -> None:
        # Readers meanwhile, or after an interrupt, see that an update is due.
        self._whole, self.wake_at = False, -math.inf
        self._forget_refusal_facts()
        for one in self._sets:
            one.entered = []

    def _end(self, now: float) -> None:
        self._alarm.on = panic = self.eligibility.is_panic(self._all.well, self._all.there)
        wake_at = self._timers.first()
        for one in self._sets:
            one.choose(now, panic=panic)
            wake_at = min(wake_at, one.warm_at)
        self.candidates, self._new = self._all.candidates, []
        # Read without the lock, so never while counting: a call would ignore its route.
        self.has_roles = self._with_role > 0
        self._whole, self.wake_at = True, wake_at

    def _look_at(self, member: Member[C]) -> Facts | None:
        there = self._members.get(member.name) is member
        return self.eligibility.facts(member) if there else None

    def _follow(self, members: Iterable[Member[C]]) -> None:
        for member in members:
            before, after = self._facts.get(member), self._look_at(member)
            if before != after:
                self._count(member, before, after)
                for one in self._sets:
                    one.follow(member, before, after)

    def _count(self, member: Member[C], before: Facts | None, after: Facts | None) -> None:
        for facts, sign in ((before, -1), (after, 1)):
            if facts is not None:
                self._ejected += sign * facts.ejected
                self._limited += sign * facts.limited
                self._with_role += sign * (ROLE in facts.labels)
        if self._by_label is not None:
            _follow_labels(self._by_label, member, before, after)
        if after is None:
            self._facts.pop(member, None)
        else:
            self._facts[member] = after
        self._timers.set(member, after.wake_at if after and after.present else math.inf)

    def _count_anew(self) -> None:
        """Reset the counts and the groups, whose order starts over."""
        self._facts, self._timers, self._by_label = {}, Timers(), None
        self._ejected = self._limited = self._with_role = 0
        self._all = PrioritySet(self.eligibility, self._facts)
        self._selections = {
            selector: PrioritySet(self.eligibility, self._facts, selector)
            for selector in self._selections
        }

    @property
    def _sets(self) -> Iterator[PrioritySet]:
        yield self._all
        yield from self._selections.values()

    # Members with certain labels

    def selected(self, selector: Selector) -> Candidates | None:
        """Return the candidates with certain labels; None if no call has asked for these labels yet."""
        if not selector:
            return self.candidates
        found = self._selections.get(selector)
        return None if found is None else found.candidates

    def select_locked(self, selector: Selector, now: float) -> Candidates:
        """Return the same, and keep it up to date from now on."""
        found = self.selected(selector)
        if found is None:
            if len(self._selections) >= MOST_SELECTIONS:
                self._selections = {}
            selected = PrioritySet(self.eligibility, self._facts, selector)
            for member in self._having(selector):
                selected.follow(member, None, self._facts.get(member))
            selected.choose(now, panic=self._alarm.on)
            self._selections = {**self._selections, selector: selected}
            self.wake_at = min(self.wake_at, selected.warm_at)
            found = selected.candidates
        return found

    def _having(self, selector: Selector) -> Iterable[Member[Any]]:
        """Return the members that have the rarest of certain labels: few, where each shard has a label of its own."""
        if not selector:
            return self._members.values()
        by_label = self._by_label
        if by_label is None:
            by_label = ByLabel()
            for member, facts in self._facts.items():
                _follow_labels(by_label, member, None, facts)
            self._by_label = by_label
        none: dict[Member[Any], None] = {}
        return min((by_label.get(label, none) for label in selector), key=len)

    def unavailable_with(self, selectors: tuple[Selector, ...]) -> Unavailable:
        """Return the members with certain labels, none of which may be called; worked out once after a change."""
        found = self._unavailable_with.get(selectors)
        if found is None:
            if len(self._unavailable_with) >= MOST_SELECTIONS:
                self._unavailable_with = {}
            found = self._unavailable_with[selectors] = self._find_unavailable_with(selectors)
        return found

    def _find_unavailable_with(self, selectors: tuple[Selector, ...]) -> Unavailable:
        found = dict.fromkeys(
            member
            for one in selectors
            for member in self._having(one)
            if not member.leaving and fits(one, member.labels)
        )
        sets = [self._selections[one] for one in selectors if one in self._selections]
        there = self._in_subset(tuple(found), *sets)
        last = max(there, key=_opened_at, default=None)
        return there, last, min((member.wake_at for member in there), default=math.inf)

    @property
    def may_serve(self) -> tuple[Member[C], ...]:
        """The members that some call may be given to."""
        if not self._selections:
            return self.available
        return tuple(one for one in self._members.values() if one.ready)

    def due(self, now: float) -> list[Member[C]]:
        """Return the members for which something is due."""
        if now < self.wake_at:
            return []
        if not self._whole:
            self.refresh(now)
        return self._timers.due(now)

    def refusal(self, now: float) -> PoolError:
        """Return the error that says why no member may be picked."""
        if self.closed:
            return PoolClosed(f"pool {self._pool!r} is closed", pool=self._pool)
        facts = self._refusal_facts = self._refusal_facts or self._find_refusal_facts()
        present, whom, unreachable, last, again_at = facts
        if last is None:
            text = f"pool {self._pool!r} has no members; add_client or add_endpoint adds one"
            return NoMembers(text, pool=self._pool)
        retry_after = max(0.0, (self.wake_at if again_at is None else again_at) - now)
        if last.source.unreachable:
            return self._unreachable(f"{present} endpoints {whom}", last, retry_after)
        when = f"for {retry_after:.3g} s"
        if retry_after == math.inf:
            when = "until a health check passes" if unreachable else "until reset by hand"
        if isinstance(last.unreachable, UseBrokenOff):
            if retry_after == math.inf:
                when = "until they are validated or unejected"
            when += (
                f"; the last call on {last.name!r} was broken off in the middle, and there is no `validate` to tell"
                f" whether its client may be used again: {REMEDY}"
            )
        return AllMembersOpen(
            f"all {present} members {whom} are ejected {when}",
            pool=self._pool,
            cause=_own_copy(last.unreachable or last.breaker.cause),
            retry_after=retry_after,
        )

    def _forget_refusal_facts(self) -> None:
        self._refusal_facts, self._unavailable_with = None, {}

    def _in_subset(
        self, members: tuple[Member[C], ...], *sets: PrioritySet
    ) -> tuple[Member[C], ...]:
        """Return those of some members that are in a subset of this client; all of them if it has none."""
        if self.eligibility.subset_size is None:
            return members
        found = tuple(member for member in members if any(member in one.chosen for one in sets))
        return found or members  # as long as the next update is due

    def _find_refusal_facts(self) -> RefusalFacts:
        everybody = tuple(member for member in self._members.values() if not member.leaving)
        present = self._in_subset(everybody, self._all)
        whom, again_at = f"of pool {self._pool!r}", None
        if (others := len(everybody) - len(present)) > 0:
            whom += f" in this client's subset ({others} others are not used)"
            again_at = min(self.eligibility.facts(member).wake_at for member in present)
        unreachable = any(member.unreachable for member in present)
        if all(member.source.unreachable for member in present):
            last = max(present, key=lambda member: member.source.retry_at, default=None)
        else:
            last = max((one for one in present if not one.source.unreachable), key=_opened_at)
        return RefusalFacts(len(present), whom, unreachable, last, again_at)

    def _unreachable(self, whom: str, last: Member[C], retry_after: float) -> Unreachable:
        return Unreachable(
            f"none of the {whom} can be reached; the next"
            f" attempt to open a client is made in {retry_after:.3g} s",
            pool=self._pool,
            cause=_own_copy(last.source.cause),
            retry_after=retry_after,
        )


def _own_copy(cause: BaseException | None) -> BaseException | None:
    """Return a copy of an error for one caller: raising an error adds frames to it."""
    return None if cause is None else without_traceback(cause)


def _opened_at(member: Member[C]) -> tuple[bool, bool, float]:
    breaker = member.breaker  # ejected by hand, so without a cause
    return member.unreachable is not None, breaker.cause is not None, breaker.opened_at


def _follow_labels(
    by_label: ByLabel, member: Member[Any], before: Facts | None, after: Facts | None
) -> None:
    """Apply a change of one member to the members by label."""
    was = NO_LABELS if before is None else before.labels
    now = NO_LABELS if after is None else after.labels
    if was is now:
        return
    for label in was.items():
        having = by_label.get(label) or {}
        having.pop(member, None)
        if not having:
            by_label.pop(label, None)
    for label in now.items():
        by_label.setdefault(label, {})[member] = None
