"""Finds the members that open and close a client; they belong to the pool and are never balanced."""

from __future__ import annotations

from connpool_gen.reading.facts import (
    VARIADIC,
    ClassFacts,
    ResultKind,
    RuntimeMember,
    StaticMember,
    StaticSignature,
)

CLOSERS = ("close", "aclose")
CLOSERS_OF_LAST_RESORT = ("shutdown", "disconnect")
OPENERS = ("connect", "open", "initialize")


def closers(facts: ClassFacts) -> tuple[str, ...]:
    """Find the members that close a client.

    `shutdown` is one only where nothing else closes: on Redis it is a command that stops the
    server. A `close` that needs arguments or answers with a value is a command too.
    """
    names = [
        m.name
        for m in facts.runtime.members
        if m.name in CLOSERS + CLOSERS_OF_LAST_RESORT
        if ends_something(m, facts.static.get(m.name))
    ]
    found = tuple(name for name in CLOSERS if name in names)
    return found or tuple(name for name in CLOSERS_OF_LAST_RESORT if name in names)[:1]


def closes(name: str, facts: ClassFacts) -> bool:
    """Return whether a member closes a client."""
    # All members are looked at for few names only: a client has hundreds, and is asked about each.
    return name in CLOSERS + CLOSERS_OF_LAST_RESORT and name in closers(facts)


def ends_something(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether a member can be called without arguments and returns no value, as a closing method does."""
    return takes_nothing(member) and gives_nothing(static)


def opens_everything(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether an opening method means the same for every client: no parameters, no result."""
    return member.name in OPENERS and not member.params and gives_nothing(static)


def opens_one(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether an opening method needs arguments, such as one client's address."""
    return member.name in OPENERS and bool(member.params) and gives_nothing(static)


def takes_nothing(member: RuntimeMember) -> bool:
    """Return whether a member can be called without arguments."""
    return member.params is not None and all(
        p.default is not None or p.kind in VARIADIC for p in member.params
    )


def gives_nothing(static: StaticMember | None) -> bool:
    """Return whether a member's result is None, the client itself, or unknown."""
    if static is None or static.is_any:
        return True
    return bool(static.signatures) and all(is_empty(s) for s in static.signatures)


def is_empty(signature: StaticSignature) -> bool:
    """Return whether a signature's result is nothing that a caller would use."""
    returned = signature.inner if signature.result is ResultKind.COROUTINE else signature.returns
    if returned is None or signature.result is ResultKind.ANY or signature.returns_client:
        return True
    return returned.parts in (("None",), ("None", " | None")) or "".join(
        part if isinstance(part, str) else part.qualname for part in returned.parts
    ) in ("bool", "Any", "bool | None")
