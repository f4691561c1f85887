"""Warns about clients that are talked to in several calls: each call of a wrapper may meet another member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.lifecycle import parameters, takes_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.planning.ledger import Ledger
    from connpool_gen.reading.facts import ClassFacts, RuntimeMember

# What reads the rows of an earlier call, by the names of the DB-API.
READERS = ("fetchone", "fetchmany", "fetchall", "fetchval", "nextset", "rowcount", "lastrowid")
# What does so on a client whose methods return the client itself, where it needs no arguments.
READERS_OF_FLUENT_CLIENTS = ("fetch", "next", "result", "results")
REMEDY = "run what belongs together on one member, in a lease: pool.lease()"


def stateful_note(facts: ClassFacts, ledger: Ledger) -> str | None:
    """Warn if a call needs the member of an earlier one, because it reads what that has left."""
    fates = {entry.name: entry.fate for entry in ledger.entries}
    pooled = [m for m in facts.runtime.members if fates.get(m.name) in (Fate.WRAPPED, Fate.PASSED)]
    # Class methods, which are passed through, make new clients.
    fluent = [m.name for m in pooled if fates[m.name] is Fate.WRAPPED and is_fluent(facts, m.name)]
    readers = [
        member.name
        for member in pooled
        if reads_on(member.name, fluent=bool(fluent))
        and takes_nothing_as_far_as_known(facts, member)
    ]
    if (
        not readers
    ):  # a method such as `with_options` returns a client, and nothing need be kept in between
        return None
    return (
        f"{listed(readers)}: what an earlier call left on its member is read from any member, which gives "
        f"another query's data; {REMEDY}"
    )


def takes_nothing_as_far_as_known(facts: ClassFacts, member: RuntimeMember) -> bool:
    """Return whether a member can be called without arguments, or is no method, or nobody knows what it takes."""
    static = facts.static.get(member.name)
    return parameters(member, static) is None or takes_nothing(member, static)


def is_fluent(facts: ClassFacts, name: str) -> bool:
    """Return whether a method returns the client itself, or may; entering a client is not meant."""
    static = facts.static.get(name)
    if static is None or name.startswith("__"):
        return False
    return any(signature.returns_client for signature in static.signatures)


def reads_on(name: str, *, fluent: bool) -> bool:
    """Return whether a member reads what an earlier call left, by its name."""
    if fluent and (name.startswith("fetch") or name in READERS_OF_FLUENT_CLIENTS):
        return True
    return name in READERS


def listed(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
