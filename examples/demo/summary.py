"""How the demo ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of the calls and of the member whose server was killed.

    Args:
        calls: how many calls were made.
        lost: what the calls that failed raised.
        ejected_after: seconds from the kill until the member got no more calls; None if never.
        recovered_after: seconds from the restart until the member served again; None if never.
    """

    calls: int
    lost: list[Exception]
    ejected_after: float | None
    recovered_after: float | None

    @property
    def is_good(self) -> bool:
        """Whether no call was lost, and the member was ejected and came back."""
        moved = self.ejected_after is not None and self.recovered_after is not None
        return moved and self.calls > 0 and not self.lost

    def table(self) -> Table:
        """Lay the summary out."""
        table = Table(show_header=False)
        table.add_row("calls", f"{self.calls:,}")
        table.add_row("calls lost", f"{len(self.lost)}")
        table.add_row("time to eject the killed server", _seconds(self.ejected_after))
        table.add_row("time to recover after its restart", _seconds(self.recovered_after))
        for text, count in Counter(map(repr, self.lost)).most_common(3):
            table.add_row(f"{count} times", Text(text))
        return table


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.3f} s"
