"""Finds the members that open and close a client; they belong to the pool and are never balanced."""

from __future__ import annotations

from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.plan import Skip
from connpool_gen.reading.facts import (
    VARIADIC,
    ClassFacts,
    Expression,
    ResultKind,
    RuntimeMember,
    StaticMember,
    StaticSignature,
)

CLOSERS = ("close", "aclose")
CLOSERS_OF_LAST_RESORT = ("shutdown", "disconnect")
# Methods that may close a client, for the advice where no other member is known to do so. A `shutdown` that
# closes a client is in the list of known ones; any other, such as that of a database, may stop the server.
LIKELY_CLOSERS = (
    *(*CLOSERS, "disconnect", "quit", "unbind", "terminate"),
    *("close_async", "close_sync"),
)
# Methods that may do so where a client is something to enter and to leave; on another they may be commands.
LIKELY_LEAVERS = ("stop", "logout")
UNCLOSED = "members are not closed when they leave, since no member is known to be for that alone"
OPENERS = ("connect", "open", "initialize")
# Results that are awaited for what they give.
AWAITED = (ResultKind.COROUTINE, ResultKind.AWAITABLE)
# Words in the names of parameters that say where a server is.
ADDRESSES = frozenset(
    [
        "host",
        "hostname",
        "server",
        "servers",
        "address",
        "addr",
        "ip",
        "port",
        "path",
        "socket",
        "url",
        "urls",
        "uri",
        "uris",
        "endpoint",
        "endpoints",
        "dsn",
        "broker",
        "brokers",
        "target",
        "node",
        "nodes",
    ]
)


def closers(facts: ClassFacts) -> tuple[str, ...]:
    """Find the members that close a client.

    `shutdown` is one only where nothing else closes, or where leaving the client calls it: on Redis it
    is a command that stops the server. A `close` that needs arguments or answers with a value is a
    command too.
    """
    names = [
        m.name
        for m in facts.runtime.members
        if m.name in CLOSERS + CLOSERS_OF_LAST_RESORT
        if ends_something(m, facts.static.get(m.name))
    ]
    found = tuple(name for name in CLOSERS if name in names)
    others = tuple(name for name in CLOSERS_OF_LAST_RESORT if name in names)
    if not found:
        return others[:1]
    called = called_to_leave(facts)
    return found + tuple(name for name in others if name in called)


def called_to_leave(facts: ClassFacts) -> frozenset[str]:
    """Find the methods that `__exit__` and `__aexit__` call on the client."""
    return frozenset(name for member in facts.runtime.members for name in member.calls)


def closes(name: str, facts: ClassFacts) -> bool:
    """Return whether a member closes a client."""
    # All members are looked at for few names only: a client has hundreds, and is asked about each.
    return name in CLOSERS + CLOSERS_OF_LAST_RESORT and name in closers(facts)


def leaver(facts: ClassFacts, *, asynchronous: bool) -> str | None:
    """Find the member by which a client is left, `__exit__` or `__aexit__`."""
    name = "__aexit__" if asynchronous else "__exit__"
    return name if any(member.name == name for member in facts.runtime.members) else None


def closing_of(facts: ClassFacts, *, asynchronous: bool) -> str | None:
    """Find the member that closes a client when it leaves the pool; the asynchronous one if there are two.

    Where leaving the client calls only `shutdown` or `disconnect`, that is the method: the `close` beside it
    may be a command to the server. Without a closing method it is the method that leaves the client, if
    entering the client does nothing but return it. If entering does more, leaving may only undo that, and
    members have not been entered.
    """
    possible = closers(facts)
    called = called_to_leave(facts).intersection(possible)
    found = min(possible if called.intersection(CLOSERS) or not called else called, default=None)
    leaving = leaver(facts, asynchronous=asynchronous)
    if found is not None or leaving is None:
        return found
    entering = leaving.replace("exit", "enter")
    plainly = any(m.name == entering and m.returns_receiver for m in facts.runtime.members)
    return leaving if plainly else None


def leaving_entry(facts: ClassFacts, *, asynchronous: bool) -> Skip | None:
    """Say for the ledger what leaving a client is for, where no other member closes it."""
    name = leaver(facts, asynchronous=asynchronous)
    if name is None or closers(facts):
        return None
    closes_members = closing_of(facts, asynchronous=asynchronous) == name
    said = "members are closed with it" if closes_members else UNCLOSED
    return Skip(name, f"lifecycle: {said}", Fate.POOL)


def unclosed_note(facts: ClassFacts, *, asynchronous: bool) -> str | None:
    """Say that members are not closed, and how to name what closes them; None where they are, or nothing seems to."""
    named = {member.name for member in facts.runtime.members}
    leaving = leaver(facts, asynchronous=asynchronous)
    possible = LIKELY_CLOSERS + (LIKELY_LEAVERS if leaving else ())
    likely = [name for name in possible if name in named]
    if closing_of(facts, asynchronous=asynchronous) or not (likely or leaving):
        return None
    example = f"client.{likely[0]}" if likely else "..."
    return f"{UNCLOSED}; name one where you add a client: pool.add_client(client, close={example})"


def ends_something(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether a member can be called without arguments and returns no value, as a closing method does."""
    return takes_nothing(member, static) and gives_nothing(static)


def opens_everything(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether an opening method means the same for every client.

    It needs no arguments and takes no address, and what it returns, if anything, is plain data. If it returns
    an object of the client's package, such as a connection or a session, callers need that object.
    """
    if member.name not in OPENERS:
        return False
    if not parameters(member, static):
        return gives_nothing(static) or gives_data(static)
    known = static is not None and (gives_data(static) or gives_none(static))
    return known and takes_nothing(member, static) and not takes_address(member, static)


def opens_one(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether an opening method needs arguments, such as one client's address.

    If the method returns a value, only `connect` is certain to be one: an `open` may open a file.
    """
    if member.name not in OPENERS or not parameters(member, static):
        return False
    if opens_everything(member, static):
        return False
    if member.gives_value and says_nothing(static) and member.name != "connect":
        return False  # it opens a file, or an address of the web
    connects = member.name == "connect" and gives_no_handle(static)
    return gives_nothing(static) or (
        connects and (gives_data(static) or takes_address(member, static))
    )


def parameters(member: RuntimeMember, static: StaticMember | None) -> dict[str, bool] | None:
    """Return which parameters a member has, and whether a call must give them; None if nobody knows.

    A function of a C extension may have a signature in the stub alone.
    """
    if member.params is not None:
        return {p.name: p.default is None and p.kind not in VARIADIC for p in member.params}
    if static is None or not static.signatures:
        return None
    # Overloads are ways to call it: the one that needs the least is what matters.
    least = min(static.signatures, key=lambda one: sum(p.required for p in one.params))
    return {p.name or f"{place}": p.required for place, p in enumerate(least.params)}


def takes_nothing(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether a member can be called without arguments."""
    known = parameters(member, static)
    return known is not None and not any(known.values())


def takes_address(member: RuntimeMember, static: StaticMember | None) -> bool:
    """Return whether a member has a parameter that says where a server is."""
    words = {word for name in parameters(member, static) or () for word in name.split("_")}
    return not ADDRESSES.isdisjoint(words)


def gives_none(static: StaticMember) -> bool:
    """Return whether a member's result is known to be None."""
    return bool(static.signatures) and all(given(s).parts == ("None",) for s in static.signatures)


def answers(static: StaticMember | None) -> bool:
    """Return whether a member's result is a bool: a closing method says whether it did something."""
    return static is not None and any(
        given(one).plain.startswith("bool") for one in static.signatures
    )


def gives_data(static: StaticMember | None) -> bool:
    """Return whether a member's result is of builtin types alone."""
    if static is None or not static.signatures or not gives_no_handle(static):
        return False
    parts = [part for one in static.signatures for part in given(one).parts]
    return all(isinstance(part, str) or part.module == "builtins" for part in parts)


def gives_no_handle(static: StaticMember | None) -> bool:
    """Return whether a member's result is not something that lives on a connection, or has to be entered."""
    plain = (ResultKind.VALUE, ResultKind.COROUTINE)
    return static is not None and all(
        one.result in plain and not one.bound and not one.may_stream for one in static.signatures
    )


def given(signature: StaticSignature) -> Expression:
    """Return what a call gives in the end, after awaiting it."""
    inner = signature.inner if signature.result in AWAITED else None
    return inner if inner is not None else signature.returns


def gives_nothing(static: StaticMember | None) -> bool:
    """Return whether a member's result is None, the client itself, or unknown."""
    if static is None or static.is_any:
        return True
    return bool(static.signatures) and all(is_empty(s) for s in static.signatures)


def says_nothing(static: StaticMember | None) -> bool:
    """Return whether no type says what a member's result is."""
    return (
        static is None
        or static.is_any
        or any(
            one.result is ResultKind.ANY or given(one).plain == "Any" for one in static.signatures
        )
    )


def is_empty(signature: StaticSignature) -> bool:
    """Return whether a signature's result is nothing that a caller would use."""
    if signature.result is ResultKind.ANY or signature.returns_client:
        return True
    returned = given(signature)
    if returned.parts in (("None",), ("None", " | None")):
        return True
    # Whether all clients answered yes is known when all have answered, which takes a coroutine function.
    answered = () if signature.result is ResultKind.AWAITABLE else ("bool", "bool | None")
    return "".join(part if isinstance(part, str) else part.qualname for part in returned.parts) in (
        "Any",
        *answered,
    )
