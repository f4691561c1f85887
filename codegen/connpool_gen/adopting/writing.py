"""Writes all files of a move or none of them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Replacement:
    """A file with its old and its new content."""

    path: Path
    before: bytes
    after: bytes


def write_all(replacements: Sequence[Replacement]) -> None:
    """Replace all files; if one fails, restore all.

    The new texts are written beside the files first, so that a full disk or a folder without
    permission stops the move before anything is replaced. Links stay links, modes stay modes.
    Raises OutputError, also for a file that has changed in the meantime.
    """
    scratch: list[tuple[Replacement, Path]] = []
    done: list[Replacement] = []
    at: Path | None = None
    try:
        for replacement in replacements:
            at = replacement.path
            refuse_changed(replacement)
            scratch.append((replacement, beside(at.resolve(), replacement.after)))
        for replacement, new in scratch:
            at = replacement.path
            done.append(replacement)
            new.replace(at.resolve())
    except BaseException as error:
        restore(done)
        if isinstance(error, OSError):
            said = error.strerror or error
            raise OutputError(f"cannot write {at}: {said}; no file was changed") from error
        raise
    finally:
        for _, new in scratch:
            new.unlink(missing_ok=True)


def refuse_changed(replacement: Replacement) -> None:
    """Raise OutputError for a file that has changed since it was read."""
    if replacement.path.read_bytes() != replacement.before:
        raise OutputError(
            f"{replacement.path} was changed while it was being moved; no file was changed, run it again"
        )


def beside(path: Path, data: bytes) -> Path:
    """Write a new file beside another one, with its mode, and flush it to disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.chmod(path.stat().st_mode & 0o7777)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    return scratch


def restore(replacements: Sequence[Replacement]) -> None:
    """Restore the old contents; a file that cannot be written has not been replaced either."""
    for replacement in replacements:
        path = replacement.path.resolve()
        if path.read_bytes() != replacement.before:
            beside(path, replacement.before).replace(path)
