"""What is shown while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connpool_runtime import MemberStats
from fleet.callers import Callers
from fleet.services import Service

REFRESH = 0.2  # seconds between two states of the table
PLAIN_REFRESH = 1.0  # seconds between two plain lines
STYLES = {"closed": "green", "half_open": "yellow", "open": "red", "leaving": "blue"}


class Screen:
    """Shows services inside its `with` block.

    Args:
        console: where to.
        services: whose members are shown.
        callers: whose calls are counted.
    """

    def __init__(self, console: Console, services: Sequence[Service], callers: Callers) -> None:
        self._console = console
        self._services = services
        self._callers = callers
        self._began = monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show_all, daemon=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(f"{self._seconds()}  [bold]{text}", highlight=False)

    def watch(self, seconds: float) -> None:
        """Let it go on for so long."""
        self._ended.wait(seconds)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _show_all(self) -> None:
        while not self._ended.wait(REFRESH if self._live else PLAIN_REFRESH):
            if self._live is not None:
                self._live.update(self._table(), refresh=True)
            else:
                self._console.print(self._line(), highlight=False, markup=False, soft_wrap=True)

    def _seconds(self) -> str:
        return f"{monotonic() - self._began:5.1f} s"

    def _table(self) -> Table:
        table = Table("service", "member", "attempts", "failures", "state")
        for service in self._services:
            told: Any = f"{service.name}: {self._totals(service)}"
            for member in service.pool.stats().members:
                state = _state(member)
                attempts = f"{member.successes + member.failures:,}"
                shown = Text(state, style=STYLES.get(state, ""))
                table.add_row(told, member.name, attempts, f"{member.failures}", shown)
                told = ""
            table.add_section()
        return table

    def _line(self) -> str:
        parts = [self._seconds()]
        for service in self._services:
            members = service.pool.stats().members
            serving = sum(_state(member) == "closed" for member in members)
            parts.append(
                f"{service.name}: {serving} of {len(members)} serve, {self._totals(service)}"
            )
        return "  ".join(parts)

    def _totals(self, service: Service) -> str:
        made, lost = self._callers.made(service.name), self._callers.lost_of(service.name)
        return f"{made:,} calls, {lost} lost"


def _state(member: MemberStats) -> str:
    return "leaving" if member.leaving else member.state.value
