"""How the demo ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from demo.load import Found

FOUND = 0.99  # what a cache has to find once its keys have settled


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of the calls and of the member whose server was killed.

    Args:
        title: which pool that was.
        calls: how many calls were made.
        lost: what the calls that failed raised.
        ejected_after: seconds from the kill until the member got no more calls; None if never.
        recovered_after: seconds from the restart until the member served again; None if never.
        found: what a cache found before the kill, in the moment after it, and later; None for what is none.
    """

    title: str
    calls: int
    lost: list[Exception]
    ejected_after: float | None
    recovered_after: float | None
    found: tuple[Found, Found, Found] | None = None

    @property
    def is_good(self) -> bool:
        """Whether no call was lost, the member was ejected and came back, and a cache found its keys."""
        moved = self.ejected_after is not None and self.recovered_after is not None
        settled = self.found is None or min(self.found[0].share, self.found[2].share) > FOUND
        return moved and settled and self.calls > 0 and not self.lost

    def cells(self) -> list[str]:
        """List the figures, in the order of the rows."""
        found = ["-"] * 3 if self.found is None else [f"{one.share:.1%}" for one in self.found]
        return [
            f"{self.calls:,}",
            f"{len(self.lost)}",
            _seconds(self.ejected_after),
            _seconds(self.recovered_after),
            *found,
        ]


ROWS = [
    "calls",
    "calls lost",
    "time to eject",
    "time to recover",
    "found before the kill",
    "found right after it",
    "found later, before its return",
]


def table(summaries: Sequence[Summary]) -> Table:
    """Lay the summaries out side by side, with the commonest errors if there were any."""
    laid = Table("", *(summary.title for summary in summaries))
    for name, cells in zip(
        ROWS, zip(*(one.cells() for one in summaries), strict=True), strict=True
    ):
        if set(cells) != {"-"}:
            laid.add_row(name, *cells)
    lost = Counter(repr(error) for summary in summaries for error in summary.lost)
    for text, times in lost.most_common(3):
        laid.add_row(f"{times} times", Text(text))
    return laid


def remembered(summaries: Sequence[Summary]) -> str:
    """Say in a few sentences what the figures mean."""
    calls, lost = sum(one.calls for one in summaries), sum(len(one.lost) for one in summaries)
    lines = [f"One server of three was killed under load: {lost} of {calls:,} calls were lost."]
    if lost == 0:
        lines.append(
            "What failed on it was made again elsewhere, and soon nobody asked it any more."
        )
    if any(one.found is not None for one in summaries):
        lines.append(
            "Of a cache its keys are missing until they are stored again, on the next member."
        )
    return "\n".join([*lines, "Ten lines that do this for a client of yours: README.md"])


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.3f} s"
