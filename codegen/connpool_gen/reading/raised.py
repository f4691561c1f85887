"""Reads from source which errors of its own package a client's methods raise or document.

Only the text has them: a running function does not show what it raises. The running package shows what a name
in the text stands for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import libcst as cst
from libcst.helpers import get_full_name_for_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connpool_gen.reading.facts import ClassFacts

# Bytes; larger files are generated code, and parsing one takes seconds. All files of a client together may have
# five times as many.
LARGEST = 400_000
LARGEST_IN_ALL = 5 * LARGEST
NAMES = r"[A-Za-z_][\w.]*(?:, ?[A-Za-z_][\w.]*)*"
# A titled section with indented lines, a title that is underlined, a field, and a role in any text.
TITLED = re.compile(r"^Raises:[ \t]*\n(?P<lines>(?:[ \t]+\S.*\n?|[ \t]*\n)+)", re.MULTILINE)
UNDERLINED = re.compile(
    r"^Raises[ \t]*\n-{3,}[ \t]*\n(?P<lines>(?:(?!\S.*\n-{3,}).*\n?)*?)(?=^\S.*\n-{3,}|\Z)",
    re.MULTILINE,
)
INDENTED = re.compile(rf"^[ \t]+(?P<names>{NAMES})[ \t]*:", re.MULTILINE)
OUTDENTED = re.compile(rf"^(?P<names>{NAMES})[ \t]*(?::.*)?$", re.MULTILINE)
FIELD = re.compile(
    rf"^[ \t]*:(?:raises?|except|exception)[ \t]+(?P<names>{NAMES})[ \t]*:", re.MULTILINE
)
ROLE = re.compile(rf":(?:py:)?exc:`[~!]?(?P<names>{NAMES})`")

# What stands in every file that raises an error or documents one, in any of these styles.
TELLS = re.compile(rb"raise|Raises|:except|:exc:")
HOLDS_STATEMENTS = (
    *(cst.BaseStatement, cst.BaseSuite, cst.Else, cst.Finally),
    *(cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase),
)


@dataclass(slots=True)
class Sources:
    """The parsed files of one client: each is parsed once, up to a total size."""

    left: int = LARGEST_IN_ALL
    trees: dict[str, cst.Module | None] = field(default_factory=dict[str, "cst.Module | None"])

    def tree(self, file: str) -> cst.Module | None:
        """Parse a file; None for one that cannot be read, is too large or names no error."""
        if file not in self.trees:
            self.trees[file] = self._parsed(Path(file))
        return self.trees[file]

    def _parsed(self, file: Path) -> cst.Module | None:
        try:
            size = file.stat().st_size
            if size > min(LARGEST, self.left):
                return None
            text = file.read_bytes()
            if TELLS.search(text) is None:
                return None
            self.left -= size
            return cst.parse_module(text)
        except (OSError, ValueError, cst.ParserSyntaxError):
            return None


def raised_errors(facts: ClassFacts) -> dict[str, tuple[str, ...]]:
    """Find the errors of each public method as `module:Class`; only those of the client's package.

    A method of a namespace has its dotted name: `orders.create`. An error has one name in all of the answer.
    """
    found = dict(errors_below(facts, (), facts.runtime.errors, Sources()))
    named = one_name_each({e for raised in found.values() for e in raised}, facts.runtime.errors)
    return {
        method: tuple(sorted({named[error] for error in raised}))
        for method, raised in found.items()
    }


def one_name_each(
    names: Iterable[str], errors: Mapping[str, Sequence[str]] | None
) -> dict[str, str]:
    """Choose for each name the best one by which the text has the same error: public before private, then short."""
    chosen: dict[str, str] = {}
    identities = {name: (errors or {}).get(name, (name,))[0] for name in names}
    for name in sorted(identities, key=lambda name: ("._" in name, len(name), name)):
        chosen.setdefault(identities[name], name)
    return {name: chosen[identity] for name, identity in identities.items()}


def errors_below(
    facts: ClassFacts,
    path: tuple[str, ...],
    errors: Mapping[str, Sequence[str]] | None,
    sources: Sources,
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the methods of a class and of its namespaces that raise anything."""
    found: dict[str, tuple[str, ...]] = {}
    for module, name, file in facts.runtime.bases:
        homes = ErrorHomes(module, errors, is_package=Path(file).name == "__init__.py")
        for method, raised in errors_in(sources.tree(file), name, homes):
            found.setdefault(method, raised)
    yield from ((".".join((*path, method)), raised) for method, raised in found.items() if raised)
    for name, inner in facts.namespaces.items():
        yield from errors_below(inner, (*path, name), errors, sources)


def errors_in(
    tree: cst.Module | None, name: str, homes: ErrorHomes
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the methods of one class with their errors; nothing for a file that cannot be read."""
    if tree is None:
        return
    tree.visit(homes)
    for method in methods_of(tree, name):
        named = [*raised_in(method), *documented_in(method.get_docstring() or "")]
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
    """List the dotted names in `raise X` and `raise X(...)` of a method."""
    names: list[str] = []
    for statement in raises_below(method):
        raised = statement.exc.func if isinstance(statement.exc, cst.Call) else statement.exc
        name = get_full_name_for_node(raised) if raised is not None else None
        if name is not None:
            names.append(name)
    return names


def raises_below(node: cst.CSTNode) -> Iterator[cst.Raise]:
    """Yield the `raise` statements in a node. No expression holds one, and most nodes of a file are in expressions."""
    for child in node.children:
        if isinstance(child, cst.Raise):
            yield child
        elif isinstance(child, HOLDS_STATEMENTS):
            yield from raises_below(child)


def documented_in(doc: str) -> list[str]:
    """List the names of errors in a docstring, in any of the usual styles."""
    found = [*FIELD.finditer(doc), *ROLE.finditer(doc)]
    for section, entry in ((TITLED, INDENTED), (UNDERLINED, OUTDENTED)):
        found += [one for part in section.finditer(doc) for one in entry.finditer(part["lines"])]
    return [name for match in found for name in re.split(r", ?", match["names"])]


class ErrorHomes(cst.CSTVisitor):
    """Resolves names of a module to its own classes and its package's imports.

    `errors` are the errors of the package, None where they are not known.
    """

    def __init__(
        self, module: str, errors: Mapping[str, Sequence[str]] | None, *, is_package: bool
    ) -> None:
        super().__init__()
        self._package = module.partition(".")[0]
        self._module = module
        self._errors = errors
        self._parents = module.split(".") if is_package else module.split(".")[:-1]
        self._homes: dict[str, str] = {}

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:  # noqa: N802 # the name is libcst's
        """Record a class of the module, without looking into it."""
        self._homes[node.name.value] = f"{self._module}:{node.name.value}"
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802 # the name is libcst's
        """Skip functions: their imports are their own."""
        return False

    def visit_Import(self, node: cst.Import) -> None:  # noqa: N802 # the name is libcst's
        """Record the local name of a module of the same package: `import shop.errors as e`."""
        for alias in node.names:
            if alias.evaluated_alias is not None and self._is_inside(alias.evaluated_name):
                self._homes[alias.evaluated_alias] = alias.evaluated_name

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:  # noqa: N802 # the name is libcst's
        """Record the names imported from a module of the same package."""
        given = get_full_name_for_node(node.module) if node.module is not None else None
        kept = len(self._parents) - len(node.relative) + 1
        home = ".".join(
            [*(self._parents[:kept] if node.relative else []), *([given] if given else [])]
        )
        if self._is_inside(home) and not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                here = alias.evaluated_alias or alias.evaluated_name
                self._homes[here] = f"{home}:{alias.evaluated_name}"

    def _is_inside(self, module: str) -> bool:
        return module.partition(".")[0] == self._package

    def home(self, name: str) -> str | None:
        """Find where an error is imported from as `module:Class`; None for one of another package."""
        return next((place for place in self._places(name) if self._is_error(place)), None)

    def _places(self, name: str) -> Iterator[str]:
        """Yield what a name may mean: an import, or a name of an imported module."""
        if name in self._homes:
            yield self._homes[name]
        outer, _, last = name.rpartition(".")
        if outer in self._homes:
            yield f"{self._homes[outer].replace(':', '.')}:{last}"
        if outer and self._is_inside(outer):
            yield f"{outer}:{last}"

    def _is_error(self, place: str) -> bool:
        """Return whether a place is that of an error, and not of a function that creates one."""
        if self._errors is None:
            return place.rpartition(":")[2][:1].isupper()
        return place in self._errors
