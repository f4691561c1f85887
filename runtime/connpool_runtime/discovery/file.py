"""Endpoints from a TOML, YAML or JSON file; watchfiles (extra `files`) reports its changes at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from connpool_runtime._concurrency import tasks, threads
from connpool_runtime.connectors.config import files
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Duration, Text
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.async_file_changes import AsyncFileChanges, Signature
from connpool_runtime.discovery.errors import InvalidEndpoint, SourceFailed
from connpool_runtime.discovery.file_changes import FileChanges
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncFileSource", "FileSource", "FileSourceConfig"]

KEY = "endpoints"


@dataclass(kw_only=True)
class FileSourceConfig(Record):
    """The file that holds the endpoints.

    Arguments:
        path: a `.toml`, `.yaml`, `.yml` or `.json` file with a list `endpoints`: addresses, or the fields
            of `Endpoint`. It need not be there at first.
        section: where in the file the list is: keys with dots between them; None is at the top.
        wait: for how long a change is waited for before the file is read all the same.
        settle: for how long the file must be unchanged before it is read, since its writer may
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


def _endpoints_in(config: FileSourceConfig, name: str) -> list[object]:
    """Return the endpoints that a file lists.

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
        self._changes = AsyncFileChanges(cast("str", config.path), 0.5)
        self._read: Signature = None

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        section = f" [{self._config.section}]" if self._config.section else ""
        return f"file {self._config.path}{section}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait

    async def fetch(self, timeout: float) -> Iterable[object]:
        """Wait for a change, and read the file."""
        if self._read is not None:
            await self._changes.wait(self._read, self._config.wait)
        now = self._changes.signature()
        self._read = None  # so that a file that cannot be read is read again
        settled = await self._changes.settled(now, self._config.settle, tasks.monotonic() + timeout)
        found = _endpoints_in(self._config, self.name)
        self._read = settled
        return found


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
        self._changes = FileChanges(cast("str", config.path), 0.5)
        self._read: Signature = None

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        section = f" [{self._config.section}]" if self._config.section else ""
        return f"file {self._config.path}{section}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait

    def fetch(self, timeout: float) -> Iterable[object]:
        """Wait for a change, and read the file."""
        if self._read is not None:
            self._changes.wait(self._read, self._config.wait)
        now = self._changes.signature()
        self._read = None  # so that a file that cannot be read is read again
        settled = self._changes.settled(now, self._config.settle, threads.monotonic() + timeout)
        found = _endpoints_in(self._config, self.name)
        self._read = settled
        return found
