"""Decides whether a client is asynchronous, and says so of one that can be used both ways."""

from __future__ import annotations

from dataclasses import dataclass

from connpool_gen.planning.members import special
from connpool_gen.planning.methods import ASYNC_RESULTS, PLAIN_RESULTS
from connpool_gen.reading.facts import (
    ClassFacts,
    Expression,
    MemberForm,
    Ref,
    ResultKind,
    RuntimeMember,
    StaticMember,
)

CALLED = (
    MemberForm.FUNCTION,
    MemberForm.GENERATOR,
    MemberForm.COROUTINE,
    MemberForm.ASYNCGEN,
)
# The names of which a client that can be used both ways has both.
ENTERED = {"__enter__", "__aenter__"}
CLOSED = {"close", "aclose"}
# What a wrapper has its own of, and what no one calls for itself.
ENTERED_OR_LEFT = frozenset([*ENTERED, "__exit__", "__aexit__"])
NOTHING = (Expression.of("None"), Expression.of(Ref("typing", "Never")))


@dataclass(frozen=True, slots=True)
class Ways:
    """How many methods a client and its namespaces have, and how many are awaited or iterated with `async for`.

    `mixed`: some are and some are not, without those that only enter and leave it.
    """

    methods: int
    awaited: int
    mixed: bool
    names: frozenset[str]

    @staticmethod
    def of(facts: ClassFacts) -> Ways:
        """Count the methods of a client."""
        members = [
            (member, is_async_member(member, inner.static.get(member.name)))
            for inner in (facts, *facts.namespaces.values())
            for member in inner.runtime.members
            if special(member.name) is None
        ]
        called = [
            (member.name, awaited)
            for member, awaited in members
            if awaited or member.form in CALLED
        ]
        kinds = {awaited for name, awaited in called if name not in ENTERED_OR_LEFT}
        names = frozenset(member.name for member in facts.runtime.members)
        return Ways(len(called), sum(awaited for _, awaited in called), len(kinds) > 1, names)

    @property
    def asynchronous(self) -> bool:
        """Whether enough of the methods are awaited; many asynchronous clients have plain ones too, that only look or prepare."""
        if "__aenter__" in self.names and "__enter__" not in self.names and self.awaited:
            return True
        if self.names >= ENTERED:
            return self.awaited * 3 > self.methods
        return self.awaited > 0 and self.awaited * 6 >= self.methods


def is_asynchronous(facts: ClassFacts) -> bool:
    """Return whether a client is asynchronous: enough of its calls are awaited or iterated with `async for`."""
    values = [member.value_class or "" for member in facts.static.values()]
    return any(value.startswith("grpc.aio.") for value in values) or Ways.of(facts).asynchronous


def both_ways_note(facts: ClassFacts) -> str | None:
    """Note of a client that can be used with and without `await` which pool it got, and why; None for all others."""
    ways = Ways.of(facts)
    if not ways.mixed or not is_for_both(facts):
        return None
    entered = ways.names >= ENTERED
    share = f"of its methods are awaited ({ways.awaited} of {ways.methods})"
    if ways.asynchronous:
        enough = "more than a third" if entered else "at least a sixth"
        chosen = f"is asynchronous, since {enough} {share}; the others block the event loop"
    else:
        enough = "no more than a third" if entered else "less than a sixth"
        chosen = f"is synchronous, since {enough} {share}; it lacks those"
    return f"usable with and without await: the wrapper {chosen}"


def is_for_both(facts: ClassFacts) -> bool:
    """Return whether a client is entered by `with` and by `async with`; if by neither, whether it is closed both ways.

    An `__enter__` that returns None exists only to say that `async with` has to be used.
    """
    members = {member.name: member for member in facts.runtime.members}
    if not ENTERED.isdisjoint(members):
        given = facts.static.get("__enter__")
        refuses = given is not None and any(s.returns in NOTHING for s in given.signatures)
        return members.keys() >= ENTERED and not refuses
    if not members.keys() >= CLOSED:
        return False
    awaited = {name: is_async_member(members[name], facts.static.get(name)) for name in CLOSED}
    return awaited == {"close": False, "aclose": True}


def is_async_member(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether a call of a member has to be awaited."""
    if member.form in (MemberForm.COROUTINE, MemberForm.ASYNCGEN):
        return not is_run_by_decorator(member, static)
    results = {s.result for s in static.signatures} if static else set[ResultKind]()
    return bool(results) and results <= set(ASYNC_RESULTS)


def is_run_by_decorator(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether types say that a decorator runs a coroutine to its end, and gives its result."""
    signatures = static.signatures if static is not None else ()
    plain = all(s.result in PLAIN_RESULTS and not s.bound for s in signatures)
    return bool(signatures) and plain and not member.runs_as_coroutine
