"""One method of a wrapper over one recording member, and the pool's own numbers about it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connpool_runtime import AsyncPool, MemberStats, MethodStats
from tests.conformance.arguments import Given
from tests.conformance.loading import pool_of
from tests.conformance.recorder import Record, Recorder


class Wrong(Exception):
    """What is not as it should be, in words."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Calls in flight, and (successes, failures, neutrals) of the member and of the method."""

    in_flight: int
    member: tuple[int, int, int]
    method: tuple[int, int, int]


def counted(stats: MemberStats | MethodStats) -> tuple[int, int, int]:
    """Outcomes so far; the client's policy decides if an error is a known or an unknown failure."""
    return stats.successes, stats.failures + stats.unknowns, stats.neutrals


class Ground:
    """Where the scenarios play, one method of the wrapper after the other."""

    def __init__(self, wrapper: type) -> None:
        self.record = Record()
        # Breakers stay closed, because the scenarios make many failures. One bucket is enough, and
        # reading the numbers of two thousand methods is quick then.
        self.wrapper: Any = wrapper(max_fails=0, buckets=(1.0,))
        self.pool = pool_of(self.wrapper)
        self.client = Recorder(self.record)
        self.pool.add_client(self.client)

    @property
    def asynchronous(self) -> bool:
        """Whether the wrapper is for an event loop."""
        return isinstance(self.pool, AsyncPool)

    def enter(self, path: str, given: Given) -> None:
        """Turn to a method; remember the numbers so far."""
        self.path = path
        self.given = given
        self.before = self.numbers()

    def start(self, reply: Callable[[], Any]) -> None:
        """From now on calls give what `reply` makes."""
        self.record.reply = reply
        self.record.calls.clear()

    def call(self) -> Any:
        """Call the method."""
        method = functools.reduce(getattr, self.path.split("."), self.wrapper)
        return method(*self.given.args, **self.given.kwargs)

    def numbers(self) -> Numbers:
        """What the pool says about its member and the method."""
        stats = self.pool.stats()
        (member,) = stats.members
        found = [one for one in stats.methods if one.name == self.path]
        return Numbers(
            member.in_flight,
            counted(member),
            counted(found[0]) if found else (0, 0, 0),
        )

    def busy(self) -> None:
        """The member is taken."""
        equal("calls in flight meanwhile", self.numbers().in_flight, 1)

    def free(self) -> None:
        """The member is free again, whatever the outcome was."""
        self.before = self.numbers()
        equal("calls in flight afterwards", self.before.in_flight, 0)

    def settled(self, *, successes: int = 0, failures: int = 0, neutrals: int = 0) -> None:
        """The member is free again, and the outcome was counted as this, for member and method."""
        before, now = self.before, self.numbers()
        self.before = now
        change = (successes, failures, neutrals)
        equal("calls in flight afterwards", now.in_flight, 0)
        equal(
            "(successes, failures, neutrals) of the member",
            moved(before.member, now.member),
            change,
        )
        equal("those of the method", moved(before.method, now.method), change)


def moved(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """How the outcomes changed."""
    return tuple(a - b for a, b in zip(after, before, strict=True))


def equal(what: str, got: object, wanted: object) -> None:
    """Complain unless both are equal."""
    if got != wanted:
        raise Wrong(f"{what}: {got!r}, not {wanted!r}")


def same(what: str, got: object, wanted: object) -> None:
    """Complain unless both are the very same object."""
    if got is not wanted:
        raise Wrong(f"{what}: {got!r}, not {wanted!r} itself")


def fail(error: BaseException) -> None:
    """Raise an error in an expression."""
    raise error


def raised(what: str, error: BaseException, call: Callable[[], Any]) -> None:
    """Complain unless the call raises this very error."""
    try:
        got = call()
    except type(error) as found:
        same(what, found, error)
    else:
        raise Wrong(f"{what}: nothing was raised, but {got!r} returned")
