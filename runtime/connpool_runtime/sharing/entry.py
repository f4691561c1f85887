"""One client that several callers share, and what each of them has of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

__all__ = ["SharedReference", "SharedEntry", "SharedEntryState", "SharedClientStats", "Waiter"]

T = TypeVar("T")


class SharedEntryState(Enum):
    """How far a shared client has come."""

    OPENING = "opening"  # its first caller is at it, others wait
    OPEN = "open"
    FAILED = "failed"  # could not be opened: everybody who waited gets the error
    ABANDONED = "abandoned"  # its first caller was interrupted: somebody else has to open it
    LEAVING = "leaving"  # nobody has it any more; to be closed, or closed


class SharedEntry(Generic[T]):
    """One shared client. Guarded by the lock of its owner; only the table changes it.

    `references` counts the callers who have it, or wait for it to be opened.
    """

    __slots__ = (
        "check_at",
        "checked_at",
        "checking",
        "closer",
        "error",
        "gate",
        "healthy",
        "holder",
        "key",
        "opened_at",
        "references",
        "retired",
        "state",
        "unused_since",
    )

    def __init__(self, key: str, gate: Any) -> None:
        self.key = key
        self.gate = gate  # of the owner's colour; opens when OPENING is over
        self.state = SharedEntryState.OPENING
        self.holder: T | None = None  # what opens, checks and closes the client
        self.error: Exception | None = None
        self.references = 0
        self.retired = False  # nobody new gets it
        self.healthy = False
        self.opened_at = 0.0
        self.checked_at = 0.0
        self.check_at = math.inf
        self.checking = False
        self.closer: object = None  # who is closing it; None while that is for anybody to do
        self.unused_since: float | None = None

    @property
    def was_opened(self) -> bool:
        """Whether its client is the table's to have closed."""
        return self.state in (SharedEntryState.OPEN, SharedEntryState.LEAVING)

    @property
    def unused(self) -> bool:
        """Whether it is open and nobody has it."""
        return self.state is SharedEntryState.OPEN and self.references == 0

    def __repr__(self) -> str:
        retired = " retired" if self.retired else ""
        return f"<{short_key(self.key)} {self.state.value}{retired} references={self.references}>"


class SharedReference(Generic[T]):
    """What one caller has of an entry. Given back once; giving it back again does nothing."""

    __slots__ = ("entry", "held", "opens")

    def __init__(self) -> None:
        self.entry: SharedEntry[T] | None = None
        self.held = False
        self.opens = False  # whether this caller has to open the client

    def take(self, entry: SharedEntry[T]) -> None:
        """Take an entry: one statement, so that an interrupt finds it taken or untouched."""
        entry.references, self.held, self.entry = entry.references + 1, True, entry
        entry.unused_since = None


class Waiter(Generic[T]):
    """A caller who waits for room. It is granted an entry in its absence, or leaves without."""

    __slots__ = ("gate", "key", "reference")

    def __init__(self, key: str, reference: SharedReference[T], gate: Any) -> None:
        self.key = key
        self.reference = reference
        self.gate = gate  # opens when there is a grant, or never will be


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedClientStats:
    """One moment of a shared client, without secrets.

    `key` is the beginning of its config's key; `references` counts who has it now; `created` and
    `last_check` are seconds since the generation. A `retired` client is kept only for those who have it.
    """

    key: str
    endpoints: tuple[str, ...]
    references: int
    created: float
    last_check: float
    healthy: bool
    retired: bool


def short_key(key: str) -> str:
    """Return as much of a key as people can compare: its kind and 8 more characters."""
    kind, between, digest = key.rpartition(":")
    return f"{kind}{between}{digest[:8]}"
