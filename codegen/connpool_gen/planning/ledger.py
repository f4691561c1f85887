"""The ledger: what each public member became, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

LEFT_OUT = "left out by --include/--exclude"
DYNAMIC = "__getattr__"
UNLISTED = "the names that it answers cannot be enumerated, and the wrapper has none of them: lease a member for those"
ONLY_STATIC = "only type checkers see it; the running class does not have it"


def counted(number: int, noun: str) -> str:
    """`1 member`, `2 members`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Fate(Enum):
    """What a member can become."""

    WRAPPED = "wrapped"
    PASSED = "passed through"
    BROADCAST = "broadcast"
    POOL = "pool"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What one member became; `reason` is set for everything but plain wrapping.

    `untyped` says that Any stands where the client has a real type, or has none itself.
    """

    name: str
    fate: Fate
    reason: str = ""
    untyped: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """All members of one target, in the order of the output."""

    entries: tuple[LedgerEntry, ...]

    def counts(self) -> dict[str, int]:
        """Count members by fate, including fates without members."""
        found = Counter(entry.fate for entry in self.entries)
        return {fate.value: found[fate] for fate in Fate}

    def skipped(self) -> list[LedgerEntry]:
        """List the members that the wrapper lacks."""
        return [entry for entry in self.entries if entry.fate is Fate.SKIPPED]

    def gaps(self) -> list[LedgerEntry]:
        """List what `--strict` does not accept: skipped members, and Any in place of a type."""
        lost = "Any stands in place of a type"
        return [
            replace(entry, reason=entry.reason or lost)
            for entry in self.entries
            if (entry.fate is Fate.SKIPPED or entry.untyped) and entry.reason != LEFT_OUT
        ]

    @staticmethod
    def from_data(data: list[dict[str, str]]) -> Ledger:
        """Convert plain data that `as_data` has written."""
        return Ledger(
            tuple(
                LedgerEntry(name=e["name"], fate=Fate(e["fate"]), reason=e["reason"]) for e in data
            )
        )

    def as_data(self) -> list[dict[str, str]]:
        """Convert the entries to plain data, for JSON."""
        return [{"name": e.name, "fate": e.fate.value, "reason": e.reason} for e in self.entries]

    def table(self) -> str:
        """Return a plain text table: name, fate, reason; the counts below it."""
        width = max((len(entry.name) for entry in self.entries), default=0)
        rows = [f"{e.name:<{width}}  {e.fate.value:<14}  {e.reason}".rstrip() for e in self.entries]
        return "\n".join([*rows, "", self.summary(), ""])

    def summary(self) -> str:
        """Return the counts: `402 wrapped, 2 passed through, 9 skipped`, without zeros."""
        return ", ".join(f"{count} {fate}" for fate, count in self.counts().items() if count)
