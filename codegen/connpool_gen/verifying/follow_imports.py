"""Limits the packages that checking the output reads: none that only the runtime's integrations import."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.modulefinder import get_search_dirs

from connpool_gen.environment.runtime import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mypy.options import Options

# Folders of the runtime whose types a wrapper passes on at most: it takes a connector, and gives it to the pool.
# Of them only the modules that define what the wrapper imports are read.
PASSED_ON = (
    "_concurrency",
    "admin",
    "balancing",
    "checkout",
    "classifiers",
    "clients",
    "config",
    "connectors",
    "ctl",
    "discovery",
    "events",
    "health",
    "manager",
    "members",
    "metrics",
    "middleware",
    "options",
    "registry",
    "sharing",
    "stats",
    "testing",
)


# The text is laid out, so that each import begins a line.
IMPORT_LINE = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import\b|import[ \t]+(\w[^#\n]*))", re.MULTILINE
)
OF_RUNTIME = re.compile(
    rf"^[ \t]*(?:from[ \t]+({PACKAGE}[.\w]*)[ \t]+import[ \t]*(\([^)]*\)|[^(\n]*)|import[ \t]+({PACKAGE}[.\w]*))",
    re.MULTILINE,
)


def needs_nothing_else(text: str, sources: Collection[str], options: Options) -> bool:
    """Return whether a text imports only the runtime, the standard library and packages of the client.

    A template may bring packages of its own, which may need others. `sources` are the files that were
    read for the client's types, `options` are mypy's.
    """
    known = names_in(sources) | {PACKAGE} | sys.stdlib_module_names
    unknown = packages_that_may_be_imported(text) - known
    if unknown and not unknown.isdisjoint(
        installed(options) | {""}
    ):  # "" is before the dot of `from .x import y`
        return bool(sources) and packages_imported(text) <= known
    return bool(sources)


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
        per_module[f"{name}.*"] = skipped
    for folder in PASSED_ON:
        per_module[f"{PACKAGE}.{folder}.*"] = skipped
    followed: dict[str, object] = {"follow_imports": options.follow_imports}
    for module in defining_modules(text, options):
        parts = module.split(".")
        for length in range(2, len(parts) + 1):  # a module is read with the packages that it is in
            per_module[".".join(parts[:length])] = followed


def defining_modules(text: str, options: Options) -> set[str]:
    """List the modules of the runtime that a text imports from, and those where its packages have the names from.

    An import in a docstring counts as well.
    """
    found: set[str] = set()
    for module, names, itself in OF_RUNTIME.findall(text):
        found.add(module or itself)
        found |= origins(module, set(re.findall(r"\w+", names)), options) if module else set()
    return {module for module in found if is_of_runtime(module)}


def is_of_runtime(module: str) -> bool:
    """Return whether a module is the runtime, or part of it."""
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def origins(package: str, names: Collection[str], options: Options) -> set[str]:
    """List the modules from which a package of the runtime imports some of its names."""
    for folder in folders_searched(options):
        path = Path(folder, *package.split("."), "__init__.py")
        if path.is_file():
            nodes = statements_below(ast.parse(path.read_bytes()))
            return {
                node.module
                for node in nodes
                if isinstance(node, ast.ImportFrom) and node.module is not None
                if any((alias.asname or alias.name) in names for alias in node.names)
                if is_of_runtime(node.module)
            }
    return set()


def folders_searched(options: Options) -> list[str]:
    """List the folders in which mypy looks for modules, except those of the standard library."""
    by_path, site = get_search_dirs(options.python_executable)
    return [*options.mypy_path, *by_path, *site]


def installed(options: Options) -> set[str]:
    """List the packages and modules that mypy can find, except those of the standard library."""
    names: set[str] = set()
    for folder in set(folders_searched(options)):
        if Path(folder).is_dir():
            names |= {found.name.partition(".")[0] for found in Path(folder).iterdir()}
    return {name for name in names if name.isidentifier()}


def names_in(sources: Collection[str]) -> set[str]:
    """List the possible names of packages above these files: the names of folders and files."""
    names = {part for source in sources for part in Path(source).parts}
    return {name.partition(".")[0].removesuffix("-stubs") for name in names} - {""}


def packages_that_may_be_imported(text: str) -> set[str]:
    """List the packages in lines that look like imports: all that are imported, and some that docstrings mention.

    Parsing a wrapper takes longer than laying it out, and this next to nothing.
    """
    modules = [
        module
        for origin, listed in IMPORT_LINE.findall(text)
        for module in ([origin] if origin else listed.split(","))
    ]
    return {module.split()[0].partition(".")[0] for module in modules if module.strip()}


def packages_imported(text: str) -> set[str]:
    """List the packages that a text imports; for a text that does not parse, a name that no package has."""
    try:
        nodes = list(statements_below(ast.parse(text)))
    except SyntaxError:
        return {""}
    modules = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules}


def statements_below(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield all statements in a node. Expressions, of which most nodes are parts, hold none."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield from statements_below(child)
