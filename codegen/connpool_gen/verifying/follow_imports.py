"""Limits the packages that checking the output reads: not those that only the runtime's integrations import."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.environment.runtime import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy.options import Options


def follow_only_what_is_needed(options: Options, text: str, sources: Collection[str]) -> None:
    """Leave out packages that neither the client nor the text uses; for their importers they are Any.

    A type checker that reads one module of the runtime reads all of them, and all that they import:
    hundreds of modules of HTTP, DNS and telemetry. Stubs are read all the same, and with them the
    standard library.

    Arguments:
        options: mypy's, to be changed.
        text: the output.
        sources: the files that were read for the client's types; without any, nothing is left out.
    """
    known = names_in(sources) | {PACKAGE}
    if not sources or not imported_by(text) <= known | sys.stdlib_module_names:
        return  # a template imports packages of its own, which may need others
    options.follow_imports = "skip"
    for name in sorted(known):
        options.per_module_options[f"{name}.*"] = {"follow_imports": "silent"}


def names_in(sources: Collection[str]) -> set[str]:
    """List the possible names of packages above these files: the names of folders and files."""
    names = {part for source in sources for part in Path(source).parts}
    return {name.partition(".")[0].removesuffix("-stubs") for name in names} - {""}


def imported_by(text: str) -> set[str]:
    """List the packages that a text imports; for one that does not parse, a name that no package has."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return {""}
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}
