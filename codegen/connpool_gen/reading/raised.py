"""Read from source which errors of its own package a client's methods raise or document.

Only the text knows: a running function does not tell what it raises.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import libcst as cst
from libcst.helpers import get_full_name_for_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connpool_gen.reading.facts import RuntimeClass

# Bytes; larger files are generated code, and parsing one takes seconds.
LARGEST = 400_000
SECTION = re.compile(r"^[ \t]*Raises:[ \t]*\n(?P<lines>(?:[ \t]+\S.*\n?|[ \t]*\n)+)", re.MULTILINE)
DOCUMENTED = re.compile(r"^[ \t]+(?P<names>[A-Za-z_][\w.]*(?:, ?[A-Za-z_][\w.]*)*):", re.MULTILINE)


def raised_errors(cls: RuntimeClass) -> dict[str, tuple[str, ...]]:
    """Find the errors of each public method as `module:Class`; only those of the client's package."""
    found: dict[str, tuple[str, ...]] = {}
    for module, name, file in cls.bases:
        for method, errors in errors_in(module, name, Path(file)):
            found.setdefault(method, errors)
    return {method: errors for method, errors in found.items() if errors}


def errors_in(module: str, name: str, file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the methods of one class with their errors; nothing for a file that cannot be read."""
    try:
        if file.stat().st_size > LARGEST:
            return
        tree = cst.parse_module(file.read_bytes())
    except (OSError, ValueError, cst.ParserSyntaxError):
        return
    homes = ErrorHomes(module, is_package=file.name == "__init__.py")
    tree.visit(homes)
    for method in methods_of(tree, name):
        named = [*raised_in(method), *documented_in(method)]
        listed = {home for error in named if (home := homes.home(error)) is not None}
        yield method.name.value, tuple(sorted(listed))


def methods_of(tree: cst.Module, name: str) -> Iterator[cst.FunctionDef]:
    """Yield the public methods in the body of a class at the top of a module."""
    for node in tree.body:
        if isinstance(node, cst.ClassDef) and node.name.value == name:
            for child in node.body.body:
                if isinstance(child, cst.FunctionDef) and not child.name.value.startswith("_"):
                    yield child


def raised_in(method: cst.FunctionDef) -> list[str]:
    """List the dotted names of what `raise X` and `raise X(...)` in a method raise."""
    visitor = Raises()
    method.visit(visitor)
    return visitor.names


def documented_in(method: cst.FunctionDef) -> list[str]:
    """List the names of the docstring's `Raises:` section."""
    section = SECTION.search(method.get_docstring() or "")
    found = DOCUMENTED.finditer(section["lines"]) if section is not None else ()
    return [name for match in found for name in re.split(r", ?", match["names"])]


class Raises(cst.CSTVisitor):
    """Collects what is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def visit_Raise(self, node: cst.Raise) -> None:  # noqa: N802 # the name is libcst's
        """Note the name of what is raised, if it has one."""
        raised = node.exc.func if isinstance(node.exc, cst.Call) else node.exc
        name = get_full_name_for_node(raised) if raised is not None else None
        if name is not None:
            self.names.append(name)


class ErrorHomes(cst.CSTVisitor):
    """Knows where the names of a module come from: its own classes, and its package's imports."""

    def __init__(self, module: str, *, is_package: bool) -> None:
        super().__init__()
        self._module = module
        self._parents = module.split(".") if is_package else module.split(".")[:-1]
        self._homes: dict[str, str] = {}

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:  # noqa: N802 # the name is libcst's
        """Note a class of the module, and look into none."""
        self._homes[node.name.value] = f"{self._module}:{node.name.value}"
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802 # the name is libcst's
        """Look into no function: its imports are its own."""
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:  # noqa: N802 # the name is libcst's
        """Note the names that come from a module of the same package."""
        given = get_full_name_for_node(node.module) if node.module is not None else None
        kept = len(self._parents) - len(node.relative) + 1
        home = ".".join(
            [*(self._parents[:kept] if node.relative else []), *([given] if given else [])]
        )
        inside = home.partition(".")[0] == self._module.partition(".")[0]
        if inside and not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                here = alias.evaluated_alias or alias.evaluated_name
                self._homes[here] = f"{home}:{alias.evaluated_name}"

    def home(self, name: str) -> str | None:
        """Find where an error is imported from as `module:Class`; None for one of another package."""
        return self._homes.get(name)
