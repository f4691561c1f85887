"""What a pool tells its listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from connpool_runtime.core.breaker import BreakerState

__all__ = [
    "BreakerChanged",
    "Event",
    "Listener",
    "MemberAdded",
    "MemberDrained",
    "MemberLeaving",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened to a member of a pool."""

    pool: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAdded(Event):
    """A member joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeaving(Event):
    """A member gets no new calls; those in flight go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDrained(Event):
    """The last call of a leaving member has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged(Event):
    """A breaker went from one state to another; `cause` is the error that opened it.

    In a dry run it is not `enforced`: nobody is really cut off.
    """

    before: BreakerState
    after: BreakerState
    cause: BaseException | None
    enforced: bool = True


Listener: TypeAlias = Callable[[Event], object]
