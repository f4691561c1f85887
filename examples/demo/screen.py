"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from connpool_runtime import BreakerState, MemberStats, Pool, PoolStats
from demo.load import Load

REFRESH = 0.25  # seconds between two states of the table
PLAIN_REFRESH = 1.0  # seconds between two plain lines
COLOURS = {
    BreakerState.CLOSED: "green",
    BreakerState.HALF_OPEN: "yellow",
    BreakerState.OPEN: "red",
}


class Screen:
    """Shows the members of a pool inside its `with` block.

    Args:
        console: where to.
        pool: whose members to show.
        load: whose calls to show.
    """

    def __init__(self, console: Console, pool: Pool[Any], load: Load) -> None:
        self._console = console
        self._pool = pool
        self._load = load
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(text)

    def watch(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Keep showing for so long, or until a condition holds."""
        end = monotonic() + seconds
        while not until() and (left := end - monotonic()) > 0:
            sleep(min(left, REFRESH if self._live else PLAIN_REFRESH))
            self._show(self._pool.stats())

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, stats: PoolStats) -> None:
        if self._live is not None:
            self._live.update(self._table(stats), refresh=True)
        else:
            members = "  ".join(_plain(member) for member in stats.members)
            self._console.print(f"{self._totals()}  {members}", highlight=False, soft_wrap=True)

    def _table(self, stats: PoolStats) -> Table:
        table = Table("member", "calls", "failures", "breaker", title=self._totals())
        for member in stats.members:
            table.add_row(
                member.name,
                f"{member.successes + member.failures:,}",
                f"{member.failures:,}",
                f"[{COLOURS[member.state]}]{member.state.value}",
            )
        return table

    def _totals(self) -> str:
        return f"{self._load.calls:,} calls, {len(self._load.lost)} lost"


def _plain(member: MemberStats) -> str:
    failed = f", [red]{member.failures:,} failed[/]" if member.failures else ""
    state = f"[{COLOURS[member.state]}]{member.state.value}[/]"
    return f"{member.name}: {member.successes:,} ok{failed}, {state}"
