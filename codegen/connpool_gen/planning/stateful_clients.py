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
# What ends a transaction, and what breaks it off: a client that has both keeps it from call to call.
COMMITS = ("commit", "commit_transaction")
ROLLBACKS = ("rollback", "rollback_transaction", "abort_transaction")
# What changes the connection of one client, and so one member only.
CHANGES_OF_ONE = ("login", "authenticate", "starttls", "stls", "cwd", "chdir", "select_db")
REMEDY = "run what belongs together on one member, in a lease: pool.lease()"


def stateful_notes(facts: ClassFacts, ledger: Ledger) -> list[str]:
    """Warn if a call needs the member of an earlier one: because it reads what that left, or ends what it began."""
    found = (reading_note(facts, ledger), transaction_note(facts, ledger), change_note(ledger))
    return [note for note in found if note is not None]


def transaction_note(facts: ClassFacts, ledger: Ledger) -> str | None:
    """Warn of a client that keeps a transaction from call to call, as connections of the DB-API do."""
    wrapped = wrapped_names(ledger)
    members = {m.name: m for m in facts.runtime.members if m.name in wrapped}

    def of(names: Sequence[str]) -> list[str]:
        there = [members[name] for name in names if name in members]
        return [m.name for m in there if takes_nothing_as_far_as_known(facts, m)]

    commits, rollbacks = of(COMMITS), of(ROLLBACKS)
    if not (commits and rollbacks):
        return None
    return (
        f"{listed([*commits, *rollbacks])}: a transaction is of one member, and each call may meet another, so what "
        f"one call began is not what the next one ends; {REMEDY}"
    )


def change_note(ledger: Ledger) -> str | None:
    """Warn of methods that log one client in, or change its directory or database."""
    wrapped = wrapped_names(ledger)
    if not (changing := [name for name in CHANGES_OF_ONE if name in wrapped]):
        return None
    return (
        f"{listed(changing)}: only the member of that call is changed, and the next call may meet another; do so on "
        "each client before you add it, or in a lease: pool.lease()"
    )


def wrapped_names(ledger: Ledger) -> set[str]:
    """Return the members that the pool calls."""
    return {entry.name for entry in ledger.entries if entry.fate is Fate.WRAPPED}


def reading_note(facts: ClassFacts, ledger: Ledger) -> str | None:
    """Warn of methods that read what an earlier call left."""
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
