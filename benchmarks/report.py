"""The table, for the terminal and for README.md."""

import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import picture
from benchmarks.measurement import Bar

README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("bars.svg")
COST = Path(__file__).with_name("cost.svg")
# The summary in the main README: each text with the cost that it describes.
GLANCE = (
    ("a bare call of a client that does nothing", "bare call", "fair"),
    ("through a pool of three", "pooled call", "good"),
    ("the same, with retries", "call with Retry", "good"),
    ("with retries, deadlines and logs", "call with bundle", "good"),
    ("one observe() of a Prometheus histogram", "bare call that observes", "bad"),
    ("pybreaker, prometheus_client and cycle by hand", "composed by hand", "bad"),
    ("tenacity's retry around the bare call", "bare call with tenacity", "bad"),
    ("stamina's retry around the bare call", "bare call with stamina", "bad"),
)
LABEL = 64  # letters of a row's text that fit into the picture
HEAD = ("what", "measured", "spread", "bar", "moonshot", "verdict")
MARKED = re.compile(r"(<!-- table -->\n).*(<!-- /table -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One bar and what the processes measured for it."""

    bar: Bar
    figures: Sequence[float]

    @property
    def figure(self) -> float:
        """The median over the processes."""
        return statistics.median(self.figures)

    @property
    def is_met(self) -> bool:
        """Whether the bar is met; a count must be right in every process."""
        judged = self.figures if self.bar.better == "exact" else [self.figure]
        return all(self.bar.is_met(figure) for figure in judged)

    def cells(self) -> list[str]:
        """The row's texts, in the order of `HEAD`."""
        write = self.bar.write
        return [
            self.bar.what,
            write(self.figure),
            f"{write(min(self.figures))} .. {write(max(self.figures))}",
            self._limit(self.bar.bar),
            self._limit(self.bar.moonshot),
            self.bar.verdict(self.figure) if self.is_met else "MISSED",
        ]

    def _limit(self, limit: float | None) -> str:
        sign = {"lower": "<= ", "higher": ">= ", "exact": ""}[self.bar.better]
        return "-" if limit is None else sign + self.bar.write(limit)


def machine() -> str:
    """Name the interpreter and the machine's size, which is what a reader needs to judge the figures."""
    return f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"


def show(rows: Sequence[Row], costs: dict[str, float]) -> None:
    """Print the table, and below it the costs that the ratios come from."""
    table = Table(*HEAD, title=machine())
    for row in rows:
        table.add_row(*row.cells())
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for name, cost in costs.items():
        console.print(f"{name:>26} {cost:8.0f} ns")


def write(rows: Sequence[Row], costs: dict[str, float]) -> None:
    """Write the same into README.md, between the markers."""
    lines = [f"{machine()}.", "", _markdown(HEAD), _markdown(["---"] * len(HEAD))]
    lines += [_markdown(row.cells()) for row in rows]
    lines += ["", _markdown(["cost of one", "ns"]), _markdown(["---", "---:"])]
    lines += [_markdown([name, f"{cost:.0f}"]) for name, cost in costs.items()]
    table = "\n".join(lines)
    README.write_text(MARKED.sub(rf"\g<1>{table}\n\g<2>", README.read_text()))
    PICTURE.write_text(draw(rows))
    COST.write_text(draw_costs(costs))


def draw(rows: Sequence[Row]) -> str:
    """Draw how much of its bar each figure takes; the marks are the bar and the moonshot."""
    bars: list[picture.Bar] = []
    for row in rows:
        if row.bar.bar is None or row.bar.moonshot is None or row.bar.better == "exact":
            continue
        # What must be high is drawn by its inverse, so that short is good everywhere.
        sign = 1 if row.bar.better == "lower" else -1
        share, moonshot = ((f / row.bar.bar) ** sign for f in (row.figure, row.bar.moonshot))
        verdict = row.bar.verdict(row.figure)
        colour = {"moonshot": "good", "met": "fair"}.get(verdict, "bad")
        label = row.bar.what if len(row.bar.what) <= LABEL else row.bar.what[: LABEL - 3] + "..."
        text = f"{row.bar.write(row.figure)} of {row.bar.write(row.bar.bar)}"
        bars.append(picture.Bar(label, share, text, colour, (1.0, moonshot)))
    return picture.draw(
        "Each figure as a share of its bar: the right mark is the bar, the left one the moonshot",
        bars,
    )


def draw_costs(costs: dict[str, float]) -> str:
    """Draw what a call costs, beside the alternatives."""
    bars = [
        picture.Bar(text, costs[key], f"{costs[key] / 1000:.2f} \N{MICRO SIGN}s", colour)
        for text, key, colour in GLANCE
        if key in costs
    ]
    return picture.draw("What one call costs (less is better; green: connpool-gen)", bars)


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
