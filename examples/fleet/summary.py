"""How it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from fleet.figures import Figures


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of the calls of one service, and of its members.

    Args:
        service: its name.
        calls: how many were made.
        lost: what those that failed raised.
        figures: what the metrics say.
    """

    service: str
    calls: int
    lost: list[Exception]
    figures: Figures


def is_good(summaries: Sequence[Summary]) -> bool:
    """Whether each service was called and lost nothing, followed the registry, and cut its dead server off."""
    return all(
        one.calls > 0 and not one.lost and one.figures.left > 0 and one.figures.ejections > 0
        for one in summaries
    )


def table(summaries: Sequence[Summary]) -> Table:
    """Lay the summaries out side by side, with the commonest errors if there were any."""
    laid = Table("", *(one.service for one in summaries))
    laid.add_row("calls made", *(f"{one.calls:,}" for one in summaries))
    laid.add_row("calls lost", *(f"{len(one.lost)}" for one in summaries))
    laid.add_row("retries", *(f"{one.figures.retries}" for one in summaries))
    laid.add_row("ejections", *(f"{one.figures.ejections}" for one in summaries))
    laid.add_row("updates of the registry", *(f"{one.figures.updates}" for one in summaries))
    laid.add_row("members that joined", *(f"{one.figures.joined}" for one in summaries))
    laid.add_row("members that left", *(f"{one.figures.left}" for one in summaries))
    lost = Counter(repr(error) for one in summaries for error in one.lost)
    for text, times in lost.most_common(3):
        laid.add_row(f"{times} times", Text(text))
    return laid
