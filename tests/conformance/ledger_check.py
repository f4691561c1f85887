"""Whether the ledger accounts for every public member, and says the truth about the wrapper."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from tests.conformance.checkers import public_names
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import Entry, generated
from tests.conformance.loading import load_wrapper
from tests.conformance.workshop import Workshop


def check_ledger(workshop: Workshop, client: Client) -> list[Found]:
    """Compare the ledger with the class, and with what the wrapper has."""
    ledger = generated(workshop, client).ledger
    times = Counter(entry.name for entry in ledger)
    found: list[Found] = [
        (name, "the ledger does not name it")
        for name in public_names(workshop, client)
        if not named(name, times)
    ]
    found += [(name, f"the ledger names it {n} times") for name, n in times.items() if n > 1]
    wrapper = load_wrapper(workshop, client)()
    return found + [(entry.name, text) for entry in ledger if (text := untruth(wrapper, entry))]


def named(name: str, ledger: Counter[str]) -> bool:
    """Whether a member is in the ledger: itself, or what lies in it."""
    return name in ledger or any(entry.startswith(f"{name}.") for entry in ledger)


def untruth(wrapper: Any, entry: Entry) -> str:
    """What an entry says that is not so."""
    if entry.fate == "skipped":
        if not entry.reason:
            return "skipped without a reason"
        # With this one a wrapper explains which names it lacks.
        own = entry.name.rpartition(".")[2] == "__getattr__"
        return "skipped, but the wrapper has it" if has(wrapper, entry.name) and not own else ""
    return "" if has(wrapper, entry.name) else f"{entry.fate}, but the wrapper does not have it"


def has(wrapper: Any, path: str) -> bool:
    """Whether the wrapper's class, or its instance, has the member; properties are not read."""
    *groups, name = path.split(".")
    try:
        owner = functools.reduce(getattr, groups, wrapper)
    except AttributeError:
        return False
    return hasattr(type(owner), name) or name in getattr(owner, "__dict__", ())
