"""Who belongs to the pool, and who of them may be picked."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.errors import (
    AllMembersOpen,
    NoMembers,
    PoolClosed,
    PoolError,
    UnknownMember,
    Unreachable,
)
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.members.member import Member

__all__ = ["Membership"]

C = TypeVar("C")


class Membership(Generic[C]):
    """The members by name. Guarded by the pool's lock; `available` is replaced, never changed."""

    def __init__(self, pool: str, eligibility: Eligibility | None = None) -> None:
        self._pool = pool
        self._eligibility = eligibility or Eligibility()
        self._scores: dict[str, int] = {}
        self._members: dict[str, Member[C]] = {}
        self._replaced: dict[Member[C], None] = {}  # who drain without a name
        self._named = 0
        self.joined = 0  # members over the pool's life, and those of them who left
        self.left = 0
        self.closed = False
        self.available: tuple[Member[C], ...] = ()
        self.panic = False
        self.wake_at = math.inf
        self.limited = False  # whether a member may be too busy for one more call

    @property
    def members(self) -> tuple[Member[C], ...]:
        """All members, those that are leaving included."""
        return tuple(self._members.values())

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

    def add(self, member: Member[C]) -> None:
        """Take a member in."""
        if self.closed:
            raise self.refusal(0.0)
        if member.name in self._members:
            raise ValueError(
                f"name {member.name!r} is taken in pool {self._pool!r}: member names are unique"
            )
        self._members[member.name] = member
        self.joined += 1

    def replace(self, old: Member[C], new: Member[C]) -> bool:
        """Give a member's name and place to another; tell whether the first still had them."""
        if self.closed:
            raise self.refusal(0.0)
        if self._members.get(old.name) is not old:
            return False
        self._members[old.name], self._replaced[old] = new, None
        self.joined += 1
        return True

    def find(self, name: str) -> Member[C]:
        """Return the member of a name."""
        if name not in self._members:
            known = ", ".join(map(repr, self._members)) or "none"
            raise UnknownMember(
                f"pool {self._pool!r} has no member {name!r}; it has {known}", pool=self._pool
            )
        return self._members[name]

    def forget(self, member: Member[C]) -> bool:
        """Drop a member; tell whether it was still there under its name."""
        if member in self._replaced:
            del self._replaced[member]
            self.left += 1
        if self._members.get(member.name) is not member:
            return False
        del self._members[member.name]
        self.left += 1
        self._scores.pop(member.name, None)
        return True

    def is_spared(self, member: Member[C]) -> bool:
        """Whether so many others are cut off that this member must not be, too."""
        return self._eligibility.is_spared(member, self._members.values())

    def refresh(self, now: float = 0.0) -> None:
        """Derive `available` and `wake_at` anew."""
        present = [member for member in self._members.values() if not member.leaving]
        eligibility = self._eligibility
        eligible = eligibility.eligible(present, self._scores)
        self.panic = eligibility.is_panic(eligible)
        for member in present:
            member.panic = self.panic and not member.breaker.forced_open
        self.available = candidates = eligibility.candidates(eligible, now)
        self.limited = any(member.limit != math.inf for member in present)
        times = [member.wake_at for member in present]
        times += [eligibility.warm_at(member) for member in candidates.warming]
        self.wake_at = min(times, default=math.inf)

    def due(self, now: float) -> list[Member[C]]:
        """Return the members that have something to do at this time."""
        if now < self.wake_at:
            return []
        return [member for member in self._members.values() if member.wake_at <= now]

    def refusal(self, now: float) -> PoolError:
        """Say why nobody can be picked."""
        if self.closed:
            return PoolClosed(f"pool {self._pool!r} is closed", pool=self._pool)
        present = [member for member in self._members.values() if not member.leaving]
        if not present:
            return NoMembers(f"pool {self._pool!r} has no members", pool=self._pool)
        if all(member.source.unreachable for member in present):
            return self._unreachable(present, now)
        last = max(present, key=_opened_at)
        retry_after = max(0.0, self.wake_at - now)
        when = f"for {retry_after:.3g} s"
        if retry_after == math.inf:
            ill = any(member.unreachable for member in present)
            when = "until a health check passes" if ill else "until reset by hand"
            if isinstance(last.unreachable, UseBrokenOff):
                when = "until they are validated or unejected"
        return AllMembersOpen(
            f"all {len(present)} members of pool {self._pool!r} are cut off {when}",
            pool=self._pool,
            cause=last.unreachable or last.breaker.cause,
            retry_after=retry_after,
        )

    def _unreachable(self, present: list[Member[C]], now: float) -> Unreachable:
        last = max((member.source for member in present), key=lambda source: source.retry_at)
        retry_after = max(0.0, self.wake_at - now)
        return Unreachable(
            f"none of the {len(present)} endpoints of pool {self._pool!r} can be reached; the next"
            f" attempt to open a client is made in {retry_after:.3g} s",
            pool=self._pool,
            cause=last.cause,
            retry_after=retry_after,
        )


def _opened_at(member: Member[C]) -> tuple[bool, bool, float]:
    breaker = member.breaker  # which has no cause if it was opened by hand
    return member.unreachable is not None, breaker.cause is not None, breaker.opened_at
