"""Compares the connpool-runtime of a project's environment with what wrappers need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from connpool_gen._version import RUNTIME_CONTRACT, RUNTIME_RANGE

NAME = "connpool-runtime"
PACKAGE = "connpool_runtime"
CONTRACT_LINE = re.compile(r"^(?P<name>CONTRACT|OLDEST) = (?P<number>\d+)$", re.MULTILINE)
VERSION_LINE = re.compile(r"^__version__ = \"(?P<version>[^\"]+)\"$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InstalledRuntime:
    """A connpool-runtime: its folder, its version, and the contracts with wrappers that it fulfils.

    `oldest` and `newest` are 0 where it states none.
    """

    folder: str
    version: str
    oldest: int
    newest: int

    @staticmethod
    def at(folder: Path) -> InstalledRuntime:
        """Read version and contracts from the package's source, without importing it."""
        stated = {
            m["name"]: int(m["number"]) for m in CONTRACT_LINE.finditer(text(folder, "contract"))
        }
        version = VERSION_LINE.search(text(folder, "__init__"))
        return InstalledRuntime(
            folder=str(folder),
            version=version["version"] if version is not None else "of an unknown version",
            oldest=stated.get("OLDEST", 0),
            newest=stated.get("CONTRACT", 0),
        )

    @property
    def fits(self) -> bool:
        """Return whether wrappers of this generator run on it."""
        return self.oldest <= RUNTIME_CONTRACT <= self.newest


def nearest_runtime(folders: Iterable[str]) -> InstalledRuntime | None:
    """Find the runtime in the first of the folders that contains it; None if none does."""
    places = [Path(folder, PACKAGE) for folder in folders]
    there = [place for place in places if (place / "__init__.py").is_file()]
    return InstalledRuntime.at(there[0]) if there else None


def text(folder: Path, module: str) -> str:
    """Read a module of the package, or nothing if it is not there."""
    try:
        return (folder / f"{module}.py").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def advice(runtime: InstalledRuntime | None, environment: str) -> str | None:
    """Say what wrappers lack in an environment and how to fix that; None if they run."""
    if runtime is None:
        return f'{environment} has no {NAME}, which wrappers need: install "{NAME}{RUNTIME_RANGE}" there'
    if runtime.fits:
        return None
    return (
        f"{environment} has {NAME} {runtime.version}, which does not keep contract {RUNTIME_CONTRACT}, for which "
        f'wrappers are written: install "{NAME}{RUNTIME_RANGE}" there'
    )
