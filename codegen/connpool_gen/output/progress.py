"""Shows the current step of a run that has taken longer than a second."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

PATIENCE = 1.0


class ProgressLine:
    """Shows the current step; a timer starts showing it after `PATIENCE` seconds.

    The timer's thread and the caller's both print; the lock decides who starts the spinner.
    """

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._console = console
        self._step = ""
        self._lock = threading.Lock()
        self._shown = False
        self._status = console.status("", spinner="dots") if console.is_terminal else None
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._enabled = enabled

    def __enter__(self) -> ProgressLine:
        if self._enabled:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._shown and self._status is not None:
                self._status.stop()
            self._shown = False
            self._enabled = False

    def __call__(self, step: str) -> None:
        """Note that a step begins."""
        with self._lock:
            self._step = step
            if self._shown:
                self._print()

    def _show(self) -> None:
        with self._lock:
            if not self._enabled:
                return
            self._shown = True
            if self._status is not None:
                self._status.start()
            self._print()

    def _print(self) -> None:
        if self._status is not None:
            self._status.update(f"{self._step} ...")
        else:
            self._console.print(f"{self._step} ...", highlight=False)
