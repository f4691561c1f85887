"""Waits until a file changes and then stays unchanged; watchfiles (extra `files`) reports changes at once."""

from __future__ import annotations

from contextlib import aclosing
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from connpool_runtime._concurrency import tasks
from connpool_runtime._concurrency.is_async import ASYNC

__all__ = ["AsyncFileChanges", "Signature", "signature_of", "watches"]

SLICE = 2.0  # seconds after which the file is read again, whatever the system has reported

Signature: TypeAlias = tuple[int, int, int] | None
"""Tells one content of a file from another: its number, time and size; None if there is no such file."""


def watches() -> bool:
    """Return whether watchfiles is installed, to report changes at once."""
    return find_spec("watchfiles") is not None


def signature_of(path: Path) -> Signature:
    """Return a signature of a file that changes with its content."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class AsyncFileChanges:
    """Waits for changes of one file. For the tasks of one event loop.

    Arguments:
        path: the file; it need not be there.
        interval: seconds between two looks where watchfiles is not installed.
    """

    def __init__(self, path: str, interval: float) -> None:
        self._path = Path(path)
        self._folder = self._path.absolute().parent
        self._watches = watches()
        self.interval = interval

    def signature(self) -> Signature:
        """Return a signature that changes with the content."""
        return signature_of(self._path)

    async def wait(self, before: Signature, seconds: float) -> bool:
        """Wait up to a number of seconds until the file differs from a signature; return whether it does."""
        until = tasks.monotonic() + seconds
        while self.signature() == before:
            left = until - tasks.monotonic()
            if left <= 0:
                return False
            await self._doze(left)
        return True

    async def settled(self, before: Signature, settle: float, until: float) -> Signature:
        """Wait until the file no longer changes; return its signature.

        Arguments:
            before: the signature of the last look.
            settle: seconds for which it must stay as it is.
            until: when the wait is over whatever it does, in monotonic seconds.
        """
        while settle and tasks.monotonic() < until:
            await tasks.sleep(settle)
            now = self.signature()
            if now == before:
                break
            before = now
        return before

    async def _doze(self, seconds: float) -> None:
        """Wait for a change in the file's folder."""
        if not (self._watches and self._folder.is_dir()):
            await tasks.sleep(min(self.interval, seconds))
            return
        watchfiles: Any = import_module("watchfiles")  # some of its types are unknown
        options: dict[str, Any] = {
            "watch_filter": None,
            "debounce": 50,
            "step": 10,
            "rust_timeout": max(1, int(min(SLICE, seconds) * 1000)),
            "yield_on_timeout": True,
            "recursive": False,
        }
        folder = self._folder
        watch: Any = watchfiles.awatch if ASYNC else watchfiles.watch
        changes: Any = watch(folder, **options)
        async with aclosing(changes):
            async for _ in changes:
                break
