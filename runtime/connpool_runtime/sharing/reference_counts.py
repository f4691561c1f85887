"""Reference counts of shared clients: one entry per client, one reference per caller."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.single_flight import Attempt, AttemptState

__all__ = ["SharedClientStats", "SharedEntry", "SharedReference", "Waiter"]

T = TypeVar("T")


class SharedEntry(Attempt, Generic[T]):
    """One shared client, its reference count, and the attempt to open it. Guarded by the owner's lock.

    Only the table changes it. `references` counts the callers who have it, or wait for it to be opened.

    Arguments:
        key: of its config.
        gate: where callers wait while it is being opened.
    """

    __slots__ = (
        "check_at",
        "checked_at",
        "checking",
        "closer",
        "healthy",
        "holder",
        "key",
        "leaving",
        "opened_at",
        "references",
        "retired",
        "unused_since",
    )

    def __init__(self, key: str, gate: Any) -> None:
        super().__init__(gate)
        self.key = key
        self.holder: T | None = None  # the connector that opens, checks and closes the client
        self.leaving = False  # has no users any more: to be closed, or closed
        self.references = 0
        self.retired = False  # gets no new users
        self.healthy = False
        self.opened_at = 0.0
        self.checked_at = 0.0
        self.check_at = math.inf
        self.checking = False
        self.closer: object = None  # the closer that is closing it; None while any may do it
        self.unused_since: float | None = None

    @property
    def was_opened(self) -> bool:
        """Whether a client was opened that the table has to have closed."""
        return self.state is AttemptState.DONE

    @property
    def is_open(self) -> bool:
        """Whether its client is open and not about to be closed."""
        return self.was_opened and not self.leaving

    @property
    def unused(self) -> bool:
        """Whether it is open and has no users."""
        return self.is_open and self.references == 0

    def __repr__(self) -> str:
        state = "leaving" if self.leaving else _WORDS[self.state]
        retired = " retired" if self.retired else ""
        return f"<{short_key(self.key)} {state}{retired} references={self.references}>"


_WORDS = {
    AttemptState.RUNNING: "opening",
    AttemptState.DONE: "open",
    AttemptState.FAILED: "failed",
    AttemptState.ABANDONED: "abandoned",
}


class SharedReference(Generic[T]):
    """One caller's reference to an entry. Given back once; giving it back again does nothing."""

    __slots__ = ("entry", "held", "opens")

    def __init__(self) -> None:
        self.entry: SharedEntry[T] | None = None
        self.held = False
        self.opens = False  # whether this caller has to open the client

    @property
    def abandoned(self) -> bool:
        """Whether the entry belongs to the parent of this process."""
        return self.entry is not None and self.entry.state is AttemptState.ABANDONED

    def take(self, entry: SharedEntry[T]) -> None:
        """Take an entry: one statement, so that an interrupt finds it taken or untouched."""
        entry.references, self.held, self.entry = entry.references + 1, True, entry
        entry.unused_since = None


class Waiter(Generic[T]):
    """A caller who waits because `max_clients` are open, until another caller's release gives it an entry."""

    __slots__ = ("gate", "key", "reference")

    def __init__(self, key: str, reference: SharedReference[T], gate: Any) -> None:
        self.key = key
        self.reference = reference
        self.gate = gate  # opens when the caller has an entry, or will never get one


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedClientStats:
    """One moment of a shared client, without secrets.

    `key` is the beginning of its config's key; `references` counts its present users; `created` and
    `last_check` are seconds since the epoch. A `retired` client is kept only for its present users.
    """

    key: str
    endpoints: tuple[str, ...]
    references: int
    created: float
    last_check: float
    healthy: bool
    retired: bool


def short_key(key: str) -> str:
    """Return a part of a key that people can compare: its kind and 8 more characters."""
    kind, between, digest = key.rpartition(":")
    return f"{kind}{between}{digest[:8]}"
