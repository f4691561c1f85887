"""The folder of one test run, shared by the processes that pytest-xdist starts."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

from tests.conformance.corpus import HERE

BUILD = HERE.parents[1] / "build" / "conformance"


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where this run keeps what it makes; `worker` names the process that uses this object."""

    run: Path
    worker: str

    @property
    def cache(self) -> Path:
        """The generator's cache. One per process, because mypy does not share its own."""
        return BUILD / "cache" / self.worker

    @property
    def mypy_cache(self) -> Path:
        """The cache of the mypy runs over the whole corpus."""
        return BUILD / "cache" / "mypy"

    @property
    def wrappers(self) -> Path:
        """The package of all generated modules."""
        return self.run / "wrappers"

    def has(self, name: str) -> bool:
        """Whether `once` has made this value."""
        return (self.run / "answers" / f"{name}.json").exists()

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON value that `make` gives, made by whichever process comes first."""
        answer = self.run / "answers" / f"{name}.json"
        with locked(answer.with_suffix(".lock")):
            if not answer.exists():
                write(answer, json.dumps(make()))
        return json.loads(answer.read_text())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it ends with its holder, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claim_build() -> TextIO:
    """Take the build folder for one run until the file is closed: runs share caches, and clean up.

    Raises:
        pytest.UsageError: another run has it.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    file = (BUILD / "run.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise pytest.UsageError(f"another conformance run is under way in {BUILD}") from None
    return file


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    part.write_text(text)
    part.replace(path)


def open_workshop(run: str, worker: str) -> Workshop:
    """The workshop of a run; what earlier runs left is removed, their caches are kept."""
    with locked(BUILD / "lock"):
        for old in BUILD.glob("run-*"):
            if old.name != f"run-{run}":
                shutil.rmtree(old)
        workshop = Workshop(BUILD / f"run-{run}", worker)
        workshop.wrappers.mkdir(parents=True, exist_ok=True)
        workshop.wrappers.joinpath("__init__.py").touch()
    return workshop
