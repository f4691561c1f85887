"""Keeps the counters of workers in the run folder, so that sums include them after the workers have ended.

Each worker writes its document to a file of its own before it sends it to a client, and every few seconds.
The first worker that finds the file of an ended worker adds its counters to one file for all ended workers.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from connpool_runtime._log import log_failure
from connpool_runtime.admin.aggregation import as_ended
from connpool_runtime.admin.run_folder import RunningProcess

__all__ = ["EndedWorkers", "identity_of", "keep_counts"]

Document: TypeAlias = dict[str, Any]

FORGET_AFTER = 3600.0
"""Seconds after the last end of a worker for which its counts are kept when no worker is left: a service that was
stopped for longer begins anew."""

# seconds after which an unchanged file belongs to no worker, even if a process has its pid
_SILENT = 600.0
_REMEMBERED = 1000  # ended workers that are remembered by name, so that none is added twice


def keep_counts(process: RunningProcess, text: bytes) -> None:
    """Write the counters of a process where others find them when it has ended; errors are logged.

    Arguments:
        process: this one.
        text: its document of `/stats`, as JSON.
    """
    _tried(_file_of(process), text)


def identity_of(document: Document) -> str:
    """Return an identity of a worker that also differs from earlier workers with the same process id."""
    process = document["process"]
    return f"{process['pid']}@{process['started']!r}"


class EndedWorkers:
    """The counters of ended workers of one name. Safe for threads and processes.

    Arguments:
        folder: the run folder.
        name: which the workers share.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._file = folder / f"{name}.ended"

    def look(
        self, answering: frozenset[int] = frozenset()
    ) -> tuple[Document | None, frozenset[str]]:
        """Add the counters of workers that have ended since; return the sum, and the identities of those workers.

        The sum includes the counters of processes that still run but do not answer: they are about to end,
        have closed their admin, or are busy. Those are not added to the file, because the processes may
        answer again.

        Arguments:
            answering: processes whose counters are already known, because they answer.
        """
        with self._alone():
            known, files = self._read(), self._files()
            there = [file for file in files if self._is_there(file, answering)]
            left = [file for file in files if file not in there]
            for file in left:
                self._add(known, file)
            if left and _tried(self._file, json.dumps(known).encode()):
                for file in left:
                    file.unlink(missing_ok=True)
            workers = frozenset(known["workers"])
            for file in there:
                if _pid_of(file, self._name) not in answering:
                    self._add(known, file)
            return known["document"], workers

    def begin(self) -> None:
        """Do the same when a worker begins; after a long time without workers the old counters are dropped."""
        self.look()
        with self._alone(), suppress(OSError):
            # Left behind by a worker that was killed while writing.
            for draft in self._folder.glob(f"{self._name}.*.new"):
                if time.time() - draft.stat().st_mtime > _SILENT:
                    draft.unlink()
            if not self._files() and time.time() - self._file.stat().st_mtime > FORGET_AFTER:
                self._file.unlink()

    @contextmanager
    def _alone(self) -> Generator[None]:
        import fcntl  # missing on systems that have no run folders

        place = self._folder / f"{self._name}.lock"
        with os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases the lock
            yield

    def _files(self) -> list[Path]:
        found = self._folder.glob(f"{self._name}.*.counts")
        return sorted(file for file in found if _pid_of(file, self._name) is not None)

    def _is_there(self, file: Path, answering: frozenset[int]) -> bool:
        pid = _pid_of(file, self._name)
        if pid is None or pid in answering:
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return False  # its pid belongs to another user's process now
        with suppress(OSError):
            return time.time() - file.stat().st_mtime < _SILENT
        return False

    def _read(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            try:
                known: dict[str, Any] = json.loads(self._file.read_bytes())
                return {"workers": list(known["workers"]), "document": known["document"]}
            except (ValueError, KeyError, TypeError):
                _tell_damaged(self._file)
        return {"workers": [], "document": None}

    def _add(self, known: dict[str, Any], file: Path) -> None:
        try:
            document = json.loads(file.read_bytes())
            identity = identity_of(document)
            if identity not in known["workers"]:
                known["document"] = as_ended(document, known["document"])
                known["workers"] = [*known["workers"], identity][-_REMEMBERED:]
        except (OSError, ValueError, KeyError, TypeError):
            _tell_damaged(file)


def _file_of(process: RunningProcess) -> Path:
    return process.socket.with_suffix(".counts")


def _pid_of(file: Path, name: str) -> int | None:
    """Return the process id in a file name; None for the file of another name with the same beginning."""
    of, _, pid = file.stem.rpartition(".")
    return int(pid) if of == name and pid.isdecimal() else None


def _tell_damaged(file: Path) -> None:
    log_failure("%s cannot be read, and is left out of the sums", file, event_name="counts_failed")


def _tried(file: Path, text: bytes) -> bool:
    try:
        _write(file, text)
    except OSError:
        log_failure("the counts of workers could not be kept", event_name="counts_failed")
        return False
    return True


def _write(file: Path, text: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(text)
    draft.replace(file)
