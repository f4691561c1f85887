"""Finds which modules are imported while another one is imported: importing it back would be a cycle."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from connpool_gen.adopting.files import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def imported_by(start: str, modules: Mapping[str, Path]) -> set[Path]:
    """List the files of `modules` that importing the module `start` executes, except itself.

    Packages around an imported module are left out too: they may be half-way imported without harm.
    """
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name in seen or name not in modules:
            continue
        seen.add(name)
        ahead += imports_of(name, modules[name])
    return {modules[name] for name in seen if name != start}


def imports_of(module: str, path: Path) -> list[str]:
    """List what a module imports when it is imported; nothing for a file that cannot be read."""
    try:
        data = path.read_bytes()
        parse(data.decode("utf-8", "replace"))
        tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError):
        return []
    return list(run_at_import(tree.body, module, is_package=path.name == "__init__.py"))


def run_at_import(body: list[ast.stmt], module: str, *, is_package: bool) -> Iterator[str]:
    """List the imports outside functions and outside type-checking blocks."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            source = absolute(module, statement, is_package=is_package)
            yield source
            yield from (f"{source}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.If) and is_type_checking(statement.test):
            yield from run_at_import(statement.orelse, module, is_package=is_package)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(statement, "handlers", [])]
            for block in blocks:
                yield from run_at_import(block, module, is_package=is_package)


def is_type_checking(test: ast.expr) -> bool:
    """Return whether a condition is `TYPE_CHECKING`."""
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def absolute(module: str, statement: ast.ImportFrom, *, is_package: bool) -> str:
    """Return the absolute module of a from-import."""
    if not statement.level:
        return statement.module or ""
    parts = module.split(".")
    ups = statement.level - 1 if is_package else statement.level
    return ".".join([*parts[: len(parts) - ups], *([statement.module] if statement.module else [])])
