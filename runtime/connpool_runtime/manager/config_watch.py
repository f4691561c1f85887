# Made by tools/derive_sync.py from async_config_watch.py; edit that.
"""Reloads a config whenever its file changes."""

from __future__ import annotations

from collections.abc import Callable

from connpool_runtime._concurrency.threads import PeriodicWorker, monotonic
from connpool_runtime._log import log_failure
from connpool_runtime.config.sections import ReloadSettings
from connpool_runtime.discovery.file_changes import FileChanges, Signature

__all__ = ["ConfigWatch"]

SLICE = 2.0  # seconds after which it is checked whether the watch has ended
LONGEST_SETTLING = 30.0  # seconds after which a file that keeps changing is read all the same


class ConfigWatch:
    """Watches one file until it is closed. Safe for threads.

    Arguments:
        file: which.
        reload: is called after each change. An error that it raises is logged.
        settings: returns the numbers, which a reload may change.
        seen: the signature of what was read of the file; a change since then is noticed, too.
    """

    def __init__(
        self,
        file: str,
        reload: Callable[[], object],
        settings: Callable[[], ReloadSettings],
        seen: Signature,
    ) -> None:
        self._file = file
        self._reload = reload
        self._settings = settings
        self._closed = False
        self._changes = FileChanges(file, settings().interval)
        self._read = seen
        self._worker = PeriodicWorker(f"watch of {file}", self._look, monotonic)
        self._worker.start()

    @property
    def seen(self) -> Signature:
        """The signature of what was read of the file last."""
        return self._read

    @property
    def closed(self) -> bool:
        """Whether watching has ended."""
        return self._closed

    def stop(self) -> None:
        """Stop watching, without waiting for a running reload."""
        self._closed = True
        self._worker.stop()

    def close(self) -> None:
        """Stop watching."""
        self.stop()
        self._worker.join(SLICE)

    def _look(self) -> float:
        """Wait some time for a change, and reload if there is one; return when to look again: at once."""
        settings = self._settings()
        self._changes.interval = settings.interval
        if self._changes.wait(self._read, SLICE) and not self._closed:
            now, until = self._changes.signature(), monotonic() + LONGEST_SETTLING
            self._read = self._changes.settled(now, settings.settle, until)
            self._reload_once()
        return monotonic()

    def _reload_once(self) -> None:
        if self._read is None:  # it was removed, and may be about to be replaced
            return
        try:
            self._reload()
        except Exception:
            log_failure(
                "reloading after a change of %s failed", self._file, event_name="reload_failed"
            )
