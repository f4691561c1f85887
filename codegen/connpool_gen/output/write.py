"""Writes the output: atomically, only if it changed, never over a file that is not ours."""

from __future__ import annotations

import ast
import difflib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from connpool_gen.errors import OutputError
from connpool_gen.rendering.header import MARKER, is_edited, is_ours, source_of

CONFLICT = "has the markers of a merge conflict"
CONFLICT_MARKERS = [re.compile(rf"^{sign * 7}(\s|$)", re.M) for sign in "<=>"]


def current_text(path: Path) -> str | None:
    """Read what stands at the output path; None if nothing does."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return "\ufffd"
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error


def module_text(path: Path) -> str | None:
    """Read the module at the output path with the generator's line ends; None if there is none.

    Git writes others into a checkout on Windows, and puts them back when it is committed.
    """
    text = current_text(path)
    return text.replace("\r\n", "\n") if text is not None else None


def edited(text: str, edit: Callable[[str], str]) -> str:
    r"""Edit a user's text whose line ends may all be `\r\n`, as on Windows; those of the result are the same."""
    if "\r\n" not in text or "\n" in text.replace("\r\n", ""):
        return edit(text)
    return edit(text.replace("\r\n", "\n")).replace("\n", "\r\n")


def write_output(path: Path, text: str, *, force: bool) -> bool:
    """Replace the file atomically; return False if it already has this text, whatever its line ends.

    Raises OutputError for a file without our marker or with edits (unless `force`), a
    folder that cannot be written, or a full disk; the old file is then as it was.
    """
    old = module_text(path)
    if old == text:
        return False
    refuse_foreign(path, old, force=force)
    refuse_edited(path, old, text, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return True


def refuse_foreign(path: Path, text: str | None, *, force: bool) -> None:
    """Raise OutputError for a file without our marker, unless `force`; `text` is what it holds."""
    if text is None or force or is_ours(text):
        return
    if has_conflict(text) and MARKER in text:  # a line that differs may be the first
        raise OutputError(f"{path} {CONFLICT}; --force replaces it")
    raise OutputError(f"{path} was not made by connpool-gen; --force replaces it")


def refuse_another_clients(path: Path, text: str | None, client: str, *, force: bool) -> None:
    """Raise OutputError for a file that holds the wrapper of another client, unless `force`.

    Many packages call their class `Client`, and by default files are named after the class.
    """
    source = source_of(text) if text is not None and not force else None
    if source not in (None, client):
        raise OutputError(
            f"{path} is the wrapper of {source}; --output names another file, --force replaces it"
        )


def refuse_edited(path: Path, old: str | None, new: str, *, force: bool) -> None:
    """Raise OutputError for a file that was edited since it was generated, unless `force`.

    One that a formatter has only laid out anew loses nothing, and is replaced.
    """
    if old is None or force or not loses_edits(old, new):
        return
    if has_conflict(old):
        raise OutputError(f"{path} {CONFLICT}; --diff shows them, --force replaces it")
    raise OutputError(
        f"{path} was changed since connpool-gen made it; --diff shows what would be lost, "
        "--force replaces it"
    )


def loses_edits(old: str, new: str) -> bool:
    """Return whether a file was edited since it was generated, so that it is replaced only on demand."""
    return is_edited(old) and not same_code(old, new)


def has_conflict(text: str) -> bool:
    """Return whether git left the markers of a merge conflict in a text."""
    return all(marker.search(text) is not None for marker in CONFLICT_MARKERS)


def same_code(one: str, other: str) -> bool:
    """Return whether two modules differ only in layout and comments."""
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError):  # conflict markers, a NUL
        return False


def replace_file(path: Path, text: str) -> None:
    """Write a new file, flush it to disk, and rename it over the old one; a link stays a link."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.chmod(file_mode(path))
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def file_mode(path: Path) -> int:
    """Return the old file's mode, or that of a new file."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def unified_diff(path: Path, old: str | None, new: str) -> str:
    """Write the difference as `diff -u` prints it."""
    before = "" if old is None else old
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        new.splitlines(keepends=True),
        fromfile=f"{path.as_posix()} (committed)" if old is not None else "/dev/null",
        tofile=f"{path.as_posix()} (generated)",
    )
    return "".join(lines)
