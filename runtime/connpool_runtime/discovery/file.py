"""Endpoints from a TOML, YAML or JSON file that somebody rewrites; watchfiles (extra `files`) tells of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing, closing
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from connpool_runtime._concurrency import tasks, threads
from connpool_runtime._concurrency.sides import ASYNC
from connpool_runtime.connectors.config import files
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Duration, Text
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.errors import InvalidEndpoint, SourceFailed
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncFileSource", "FileSource", "FileSourceConfig"]

SLICE = 2.0  # seconds after which the file is looked at whatever the system has told
KEY = "endpoints"


@dataclass(kw_only=True)
class FileSourceConfig(Record):
    """Which file holds the endpoints.

    Arguments:
        path: a `.toml`, `.yaml`, `.yml` or `.json` file with a list `endpoints`: addresses, or the fields
            of `Endpoint`. It need not be there at first.
        section: where in the file the list is: keys with dots between them; None is at the top.
        wait: for how long a change is waited for before the file is read all the same.
        settle: for how long the file must not have changed before it is read, since who writes it may
            not be done.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    path: Text = Text()
    section: Text = Text()
    wait: Duration = Duration(30.0, reloadable=True)
    settle: Duration = Duration(0.1, reloadable=True)

    def __post_init__(self) -> None:
        if self.path is None:
            raise InvalidConfig("path", "None", "the path of a file")


Signature = tuple[int, int, int] | None
"""Tells one content of a file from another: its number, time and size; None if there is no such file."""


def _signature(path: str) -> Signature:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _watches() -> bool:
    """Tell whether watchfiles is there, to tell of changes at once."""
    return find_spec("watchfiles") is not None


def _endpoints_in(config: FileSourceConfig, name: str) -> list[object]:
    """Return what the file lists.

    Raises:
        SourceFailed: it cannot be read, or is not what its ending says.
        InvalidEndpoint: it has no such list.
    """
    path = cast("str", config.path)
    try:
        found: object = files.read(path, config.section or ()).get(KEY)
    except (OSError, InvalidConfig) as error:
        reason = "unreachable" if isinstance(error, OSError) else "answer"
        raise SourceFailed(f"{name}: {error}", reason=reason, source=name, cause=error) from error
    if not isinstance(found, list):
        shown = "left out" if found is None else type(found).__name__
        raise InvalidEndpoint(KEY, shown, "a list of endpoints", source=name)
    return cast("list[object]", found)


class AsyncFileSource(AsyncSource):
    """Reads endpoints from a file whenever it changes. For the tasks of one event loop.

    A file that is replaced is read at once; one that is written in pieces when it has come to rest. With
    watchfiles (extra `files`) changes are noticed at once, without it within half a second.

    Arguments:
        config: which file.
    """

    interval = 0.0

    def __init__(self, config: FileSourceConfig) -> None:
        refuse_other(config, FileSourceConfig, 'path="endpoints.toml"')
        self._config = config
        self._path = cast("str", config.path)
        self._folder = Path(self._path).absolute().parent
        self._read: Signature = None
        self._slice = SLICE if _watches() else 0.5

    @property
    def name(self) -> str:
        """What errors, events and metrics call this source."""
        section = f" [{self._config.section}]" if self._config.section else ""
        return f"file {self._path}{section}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # nobody sets it: it follows from what is known
        """Seconds for which a change is waited for."""
        return self._config.wait

    async def fetch(self, timeout: float) -> Iterable[object]:
        """Wait for a change, and read the file."""
        until = tasks.monotonic() + self._config.wait
        now = _signature(self._path)
        while now is not None and now == self._read and (left := until - tasks.monotonic()) > 0:
            await self._doze(min(self._slice, left))
            now = _signature(self._path)
        self._read = None  # so that a file which cannot be read is read again
        settled = await self._settled(now, tasks.monotonic() + timeout)
        found = _endpoints_in(self._config, self.name)
        self._read = settled
        return found

    async def _settled(self, before: Signature, until: float) -> Signature:
        """Wait until the file does not change any more."""
        while self._config.settle and tasks.monotonic() < until:
            await tasks.sleep(self._config.settle)
            now = _signature(self._path)
            if now == before:
                break
            before = now
        return before

    async def _doze(self, seconds: float) -> None:
        """Wait for a change in the file's folder."""
        if self._slice < SLICE or not self._folder.is_dir():
            await tasks.sleep(seconds)
            return
        watchfiles: Any = import_module("watchfiles")  # parts of its types are not known
        options: dict[str, Any] = {
            "watch_filter": None,
            "debounce": 50,
            "step": 10,
            "rust_timeout": max(1, int(seconds * 1000)),
            "yield_on_timeout": True,
            "recursive": False,
        }
        folder = self._folder
        watch: Any = watchfiles.awatch if ASYNC else watchfiles.watch
        changes: Any = watch(folder, **options)
        async with aclosing(changes):
            async for _ in changes:
                break


# Made by tools/derive_sync.py from the definitions above; edit those.


class FileSource(Source):
    """Reads endpoints from a file whenever it changes. Safe for threads.

    A file that is replaced is read at once; one that is written in pieces when it has come to rest. With
    watchfiles (extra `files`) changes are noticed at once, without it within half a second.

    Arguments:
        config: which file.
    """

    interval = 0.0

    def __init__(self, config: FileSourceConfig) -> None:
        refuse_other(config, FileSourceConfig, 'path="endpoints.toml"')
        self._config = config
        self._path = cast("str", config.path)
        self._folder = Path(self._path).absolute().parent
        self._read: Signature = None
        self._slice = SLICE if _watches() else 0.5

    @property
    def name(self) -> str:
        """What errors, events and metrics call this source."""
        section = f" [{self._config.section}]" if self._config.section else ""
        return f"file {self._path}{section}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # nobody sets it: it follows from what is known
        """Seconds for which a change is waited for."""
        return self._config.wait

    def fetch(self, timeout: float) -> Iterable[object]:
        """Wait for a change, and read the file."""
        until = threads.monotonic() + self._config.wait
        now = _signature(self._path)
        while now is not None and now == self._read and (left := until - threads.monotonic()) > 0:
            self._doze(min(self._slice, left))
            now = _signature(self._path)
        self._read = None  # so that a file which cannot be read is read again
        settled = self._settled(now, threads.monotonic() + timeout)
        found = _endpoints_in(self._config, self.name)
        self._read = settled
        return found

    def _settled(self, before: Signature, until: float) -> Signature:
        """Wait until the file does not change any more."""
        while self._config.settle and threads.monotonic() < until:
            threads.sleep(self._config.settle)
            now = _signature(self._path)
            if now == before:
                break
            before = now
        return before

    def _doze(self, seconds: float) -> None:
        """Wait for a change in the file's folder."""
        if self._slice < SLICE or not self._folder.is_dir():
            threads.sleep(seconds)
            return
        watchfiles: Any = import_module("watchfiles")  # parts of its types are not known
        options: dict[str, Any] = {
            "watch_filter": None,
            "debounce": 50,
            "step": 10,
            "rust_timeout": max(1, int(seconds * 1000)),
            "yield_on_timeout": True,
            "recursive": False,
        }
        folder = self._folder
        watch: Any = watchfiles.watch
        changes: Any = watch(folder, **options)
        with closing(changes):
            for _ in changes:
                break
