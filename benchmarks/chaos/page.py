"""The table of what was played, and its place in docs/chaos.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.chaos.scenarios import SCENARIOS, Figures

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"
MARKED = re.compile(r"(<!-- table -->\n).*(<!-- /table -->)", re.DOTALL)
HEAD = (
    *("scenario", "servers", "pool", "calls", "lost"),
    *("slowest call s", "ejected after s", "back after s", "falsely ejected"),
)


def table(played: Sequence[Figures]) -> str:
    """Write the table, scenario by scenario."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    order = {scenario.name: place for place, scenario in enumerate(SCENARIOS)}
    for one in sorted(played, key=lambda one: order.get(one.scenario, len(order))):
        counts = (f"{one.calls:,}", f"{one.lost:,}")
        times = (_seconds(one.slowest), _seconds(one.ejected), _seconds(one.returned))
        lines.append(
            _line([one.scenario, one.service, one.kind, *counts, *times, str(one.falsely)])
        )
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _seconds(time: float | None) -> str:
    return "never" if time is None else f"{time:.2f}"


def write(played: Sequence[Figures], skipped: Mapping[str, str]) -> None:
    """Write the table into the page, between the markers, and what was skipped below it."""
    notes = [f"Not played on this machine, {name}: {reason}\n" for name, reason in skipped.items()]
    text = "\n".join([table(played), *notes])
    PAGE.write_text(MARKED.sub(lambda found: f"{found[1]}{text}{found[2]}", PAGE.read_text()))
