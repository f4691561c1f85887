"""Resolves paths of flags and defaults independently of the working directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast


def from_here(value: Any, folder: Path) -> Any:
    """Make the paths of a flag absolute, because the manifest may be in another folder."""
    return value if folder == Path.cwd() else from_there(value, Path.cwd())


def from_there(value: Any, folder: Path) -> Any:
    """Make a path, or a tuple of paths, that is relative to a folder absolute."""
    if isinstance(value, tuple):
        return tuple(from_there(item, folder) for item in cast("tuple[object, ...]", value))
    return folder / value if isinstance(value, Path) else value


def seen_from(path: Path, folder: Path | None = None) -> Path:
    """Return a path as seen from a folder, by default the working directory.

    No way leads from one drive of Windows to another: there the path stays absolute.
    """
    try:
        return Path(os.path.relpath(path, folder))
    except ValueError:
        return path.absolute()
