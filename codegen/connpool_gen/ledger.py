"""The ledger: what became of each public member, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What can become of a member."""

    WRAPPED = "wrapped"
    PASSED = "passed through"
    BROADCAST = "broadcast"
    POOL = "pool"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One member's fate; `reason` is set for all that is not simply wrapped."""

    name: str
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All members of one target, in the order of the output."""

    entries: tuple[LedgerEntry, ...]

    def counts(self) -> dict[str, int]:
        """Members by fate, every fate listed."""
        found = Counter(entry.fate for entry in self.entries)
        return {fate.value: found[fate] for fate in Fate}

    def skipped(self) -> list[LedgerEntry]:
        """The members that the wrapper lacks."""
        return [entry for entry in self.entries if entry.fate is Fate.SKIPPED]

    def summary(self) -> str:
        """`402 wrapped, 2 passed through, 9 skipped`, zero counts left out."""
        return ", ".join(f"{count} {fate}" for fate, count in self.counts().items() if count)
