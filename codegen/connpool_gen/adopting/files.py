"""Finds the Python files to move, and reads them as Python does."""

from __future__ import annotations

import ast
import gc
import io
import os
import tokenize
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.adopting.records import Left, SourceFile
from connpool_gen.errors import RequestError
from connpool_gen.rendering.header import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


def read_files(paths: Sequence[Path]) -> tuple[list[SourceFile], list[Left]]:
    """Read all files of the paths except our own wrappers; files that Python cannot read are left.

    Raises RequestError for a path that does not exist or is no Python file, and if there is no file.
    """
    read: list[SourceFile] = []
    left: list[Left] = []
    found = list(dict.fromkeys(path for given in paths for path in python_files(given)))
    for path in found:
        file = read_file(path)
        if isinstance(file, Left):
            left.append(file)
        elif not is_ours(file.text):
            read.append(file)
    if not found:
        named = ", ".join(map(str, paths))
        raise RequestError(f"no Python file in {named}")
    return read, left


def python_files(given: Path) -> Iterator[Path]:
    """List a file itself, or the files below a folder, without hidden folders and virtual environments."""
    if given.is_file():
        if given.suffix != ".py":
            raise RequestError(f"{given} is not a Python file; adopt moves files that end in .py")
        yield given
    elif given.is_dir():
        yield from walk(given)
    else:
        raise RequestError(f"{given} does not exist")


def walk(folder: Path) -> Iterator[Path]:
    """List the Python files below a folder, in the same order on every machine."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_code(Path(place, name)))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py"))


def is_code(folder: Path) -> bool:
    """Return whether a folder may hold the user's own code."""
    hidden = folder.name.startswith(".") or folder.name in SKIPPED_FOLDERS
    return not hidden and not (folder / "pyvenv.cfg").exists()


def read_file(path: Path) -> SourceFile | Left:
    """Read a file with the encoding that it declares."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        parse(text)
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = (error.lineno or 1) if isinstance(error, SyntaxError) else 1
        reason = f"Python cannot read it: {error.msg if isinstance(error, SyntaxError) else error}"
        return Left(path.as_posix(), line, "file", reason, "fix it, then run this again")
    return SourceFile(path, data, text)


def parse(text: str) -> None:
    """Parse a text with Python's own parser, whose errors are clearer than others'."""
    # CPython 3.11 loses count of its depth if the garbage collector runs code during parsing.
    enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    finally:
        if enabled:
            gc.enable()
