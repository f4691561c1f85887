"""Limits the packages that checking the output reads: none that only the runtime's integrations import."""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.modulefinder import get_search_dirs

from connpool_gen.environment.runtime import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mypy.options import Options

# Folders of the runtime that no type in a wrapper refers to, unless the wrapper imports from them.
SELDOM = (
    "admin",
    "config",
    "ctl",
    "manager",
    "metrics",
    "middleware",
    "registry",
    "sharing",
    "testing",
)


def needs_nothing_else(text: str, sources: Collection[str]) -> bool:
    """Return whether a text imports only the runtime, the standard library and packages of the client.

    A template may bring packages of its own, which may need others. `sources` are the files that were
    read for the client's types.
    """
    known = names_in(sources) | {PACKAGE}
    packages = {module.partition(".")[0] for module in imported_by(text)}
    return bool(sources) and packages <= known | sys.stdlib_module_names


def follow_only_what_is_needed(options: Options, text: str, sources: Collection[str]) -> None:
    """Leave out packages that neither the client nor the text uses; for their importers they are Any.

    A type checker that reads one module of the runtime reads all of them, and all that they import:
    hundreds of modules of HTTP, DNS and telemetry. Stubs are read all the same, and with them the
    standard library.

    The options of all other modules stay as they are where the client is read, so that mypy's cache of
    them holds here too.

    Arguments:
        options: mypy's, to be changed.
        text: the output.
        sources: the files that were read for the client's types.
    """
    known = names_in(sources)
    per_module = options.per_module_options
    skipped: dict[str, object] = {"follow_imports": "skip"}
    for name in sorted(installed(options) - known - {PACKAGE}):
        per_module[name] = per_module[f"{name}.*"] = skipped
    imported = imported_by(text)
    for folder in SELDOM:
        package = f"{PACKAGE}.{folder}"
        if not any(name == package or name.startswith(f"{package}.") for name in imported):
            per_module[f"{package}.*"] = skipped


def installed(options: Options) -> set[str]:
    """List the packages and modules that mypy can find, except those of the standard library."""
    by_path, site = get_search_dirs(options.python_executable)
    names: set[str] = set()
    for folder in {*options.mypy_path, *by_path, *site}:
        if Path(folder).is_dir():
            names |= {found.name.partition(".")[0] for found in Path(folder).iterdir()}
    return {name for name in names if name.isidentifier()}


def names_in(sources: Collection[str]) -> set[str]:
    """List the possible names of packages above these files: the names of folders and files."""
    names = {part for source in sources for part in Path(source).parts}
    return {name.partition(".")[0].removesuffix("-stubs") for name in names} - {""}


@lru_cache(maxsize=1)  # asked twice for one text, which may have 30,000 lines
def imported_by(text: str) -> frozenset[str]:
    """List the modules that a text imports; for a text that does not parse, a name that no module has."""
    try:
        nodes = list(statements_below(ast.parse(text)))
    except SyntaxError:
        return frozenset({""})
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return frozenset(names)


def statements_below(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield all statements in a node. Expressions, of which most nodes are parts, hold none."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield from statements_below(child)
