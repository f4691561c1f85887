"""Finds the references that an error of the type checker comes from, so that they are left as they are.

An error names a line; the declarations of the names on that line are found through mypy's tree of the
unchanged text: the parameters of what is called, the variables that are read, the function's result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mypy.nodes import (
    AssignmentStmt,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    FuncDef,
    MemberExpr,
    OverloadedFuncDef,
    RefExpr,
    ReturnStmt,
    Statement,
    SymbolNode,
    TypeInfo,
    Var,
)
from mypy.types import Instance, UnionType, get_proper_type

from connpool_gen.adopting.uses import parts_of, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy.build import BuildResult
    from mypy.nodes import Node
    from mypy.types import Type

    from connpool_gen.adopting.records import Finding, Reference

PLACE = re.compile(r'^Argument (?:"(?P<name>\w+)"|(?P<index>\d+))')
CLASH = re.compile(
    r"(?:incompatible type|expression has type|got) (?P<got>.*?)[;,]? "
    r"(?:expected|variable has type|target has type|\(expected) (?P<expected>.*)"
)
DEPTH = 6


@dataclass(slots=True)
class Ways:
    """The references that a value comes from, and those that declare the expected type."""

    sources: set[int]
    destinations: set[int]


class Declarations:
    """Which references declare what; built once, from the unchanged texts."""

    def __init__(
        self,
        result: BuildResult,
        modules: Mapping[Path, str],
        references: Sequence[Reference],
    ) -> None:
        self._types = result.types
        self._trees = result.manager.modules
        self._names = dict(modules)
        self._paths = {name: path for path, name in modules.items()}
        self._by_line: dict[tuple[Path, int], set[int]] = {}
        self._by_function: dict[tuple[Path, int], list[Reference]] = {}
        # A name declared by an alias has the type of the alias.
        self._aliases: dict[str, set[int]] = {}
        for reference in references:
            if reference.binds:
                self._aliases.setdefault(reference.binds, set()).add(reference.key)
        for reference in references:
            place = (reference.path, reference.line)
            self._by_line.setdefault(place, set()).update(self._keys(reference))
            if reference.function_line is not None:
                function = (reference.path, reference.function_line)
                self._by_function.setdefault(function, []).append(reference)
        self._statements: dict[Path, list[tuple[Node, FuncDef | None, TypeInfo | None]]] = {}

    def blamed(self, finding: Finding, moved: Collection[int], wrappers: Sequence[str]) -> set[int]:
        """Find the moved references that an error comes from; leaving them removes the error."""
        ways = self._ways(finding)
        sources, destinations = ways.sources & set(moved), ways.destinations & set(moved)
        clash = CLASH.search(finding.message)
        if clash is not None:
            got, expected = (
                any(re.search(rf"\b{re.escape(w)}\b", clash[side]) for w in wrappers)
                for side in ("got", "expected")
            )
            if expected and not got and destinations:
                return destinations
            if got and not expected and sources:
                return sources
        return sources | destinations or self._by_line.get(
            (finding.path, finding.line), set()
        ) & set(moved)

    def sources_of_check(self, path: Path, line: int) -> set[int]:
        """Find the references that declare the value that an instance check on this line tests."""
        found: set[int] = set()
        for node, function, owner in self._covering(path, line):
            for part in header(node):
                if isinstance(part, CallExpr) and part.args:
                    found |= self._declared_by(part.args[0], path, function, owner)
        return found

    def _keys(self, reference: Reference) -> set[int]:
        return {reference.key, *self._aliases.get(reference.alias, ())}

    # From a line to references.

    def _ways(self, finding: Finding) -> Ways:
        ways = Ways(set(), set())
        for node, function, owner in self._covering(finding.path, finding.line):
            self._look(node, function, owner, finding, ways)
        return ways

    def _covering(
        self, path: Path, line: int
    ) -> list[tuple[Node, FuncDef | None, TypeInfo | None]]:
        """Find the innermost statements that contain a line outside of their blocks."""
        if path not in self._statements:
            tree = self._trees.get(self._names.get(path, ""))
            self._statements[path] = list(statements(tree.defs, None, None)) if tree else []
        found = [s for s in self._statements[path] if s[0].line <= line <= last_line(s[0])]
        nearest = max((s[0].line for s in found), default=0)
        return [s for s in found if s[0].line == nearest]

    def _look(
        self,
        node: Node,
        function: FuncDef | None,
        owner: TypeInfo | None,
        finding: Finding,
        ways: Ways,
    ) -> None:
        path = finding.path
        if isinstance(node, FuncDef | Decorator | OverloadedFuncDef):
            ways.destinations |= self._overridden(node, path, owner)
        if isinstance(node, ReturnStmt) and function is not None:
            ways.destinations |= self._in_signature(path, function, "return")
        if isinstance(node, AssignmentStmt):
            for target in node.lvalues:
                ways.destinations |= self._declared_by(target, path, function, owner)
        for part in header(node):
            if isinstance(part, CallExpr):
                ways.destinations |= self._parameters(part, path, finding)
            if isinstance(part, RefExpr):
                ways.sources |= self._declared_by(part, path, function, owner)
        ways.sources |= self._by_line.get((path, finding.line), set())

    def _overridden(self, node: Node, path: Path, owner: TypeInfo | None) -> set[int]:
        """List the references in the signature of a method and of those that it overrides."""
        function = function_of(node)
        if function is None:
            return set()
        found = self._in_signature(path, function, "")
        for base in owner.mro[1:] if owner is not None else ():
            symbol = base.names.get(function.name)
            inherited = function_of(symbol.node) if symbol is not None and symbol.node else None
            if inherited is not None and (place := self._paths.get(base.module_name)) is not None:
                found |= self._in_signature(place, inherited, "")
        return found

    def _parameters(self, call: CallExpr, path: Path, finding: Finding) -> set[int]:
        """List the references that declare what a call takes."""
        found: set[int] = set()
        for function, place in self._functions(call, path):
            found |= self._in_signature(place, function, parameter_named(function, finding))
        return found

    def _functions(self, call: CallExpr, path: Path) -> Iterator[tuple[FuncDef, Path]]:
        for node in self._named(call.callee):
            if isinstance(node, TypeInfo):
                made = node.get("__init__")
                made_by = function_of(made.node) if made is not None and made.node else None
                place = self._paths.get(node.module_name)
                if made_by is not None and made_by.info:
                    place = self._paths.get(made_by.info.module_name, place)
                if made_by is not None and place is not None:
                    yield made_by, place
            else:
                function = function_of(node)
                if function is not None:
                    yield function, self._home(function.fullname, path)

    def _in_signature(self, path: Path, function: FuncDef, parameter: str) -> set[int]:
        listed = self._by_function.get((path, function.line), [])
        chosen = [r for r in listed if parameter in ("", r.parameter)]
        if listed or not function.info or function.name != "__init__":
            return {key for r in chosen or listed for key in self._keys(r)}
        # Made from the fields of a dataclass.
        node = function.info.defn
        lines = range(node.line, (node.end_line or node.line) + 1)
        return {k for line in lines for k in self._by_line.get((path, line), set())}

    def _named(self, expression: Node) -> Iterator[SymbolNode]:
        """List the references that declare an expression; members of unions have several."""
        if isinstance(expression, RefExpr) and expression.node is not None:
            yield expression.node
        elif isinstance(expression, MemberExpr):
            for info in classes(self._types.get(expression.expr)):
                symbol = info.get(expression.name)
                if symbol is not None and symbol.node is not None:
                    yield symbol.node

    def _declared_by(
        self,
        expression: Node,
        path: Path,
        function: FuncDef | None,
        owner: TypeInfo | None,
        depth: int = DEPTH,
    ) -> set[int]:
        """Find the references that declare the names of an expression, through inferred variables."""
        found: set[int] = set()
        for part in walk(expression):
            for node in self._named(part):
                found |= self._of_symbol(node, path, function, owner, depth)
        return found

    def _of_symbol(
        self,
        node: SymbolNode,
        path: Path,
        function: FuncDef | None,
        owner: TypeInfo | None,
        depth: int,
    ) -> set[int]:
        called = function_of(node)
        if called is not None:
            return self._in_signature(self._home(called.fullname, path), called, "return")
        if not isinstance(node, Var):
            return set()
        home = self._home(node.fullname, path)
        declared = self._by_line.get((home, node.line), set())
        if function is not None and node.is_argument:
            declared = declared or self._in_signature(home, function, node.name)
        if declared or depth == 0:
            return declared
        return {
            key
            for statement, inner, cls in self._covering(home, node.line)
            for part in header(statement)
            if isinstance(part, RefExpr) and part.node is not node
            for key in self._declared_by(part, home, inner, cls, depth - 1)
        }

    def _home(self, fullname: str, otherwise: Path) -> Path:
        """Find the file of a full name; a local name has none and belongs to the current file."""
        parts = fullname.split(".")
        for size in range(len(parts) - 1, 0, -1):
            place = self._paths.get(".".join(parts[:size]))
            if place is not None:
                return place
        return otherwise


def function_of(node: object) -> FuncDef | None:
    """Return the function of a definition, of a decorated one, of the first overload."""
    if isinstance(node, Decorator):
        return node.func
    if isinstance(node, OverloadedFuncDef):
        return function_of(node.items[0]) if node.items else None
    return node if isinstance(node, FuncDef) else None


def classes(found: Type | None) -> Iterator[TypeInfo]:
    """List the classes that an expression's type may be an instance of."""
    proper = get_proper_type(found)
    if isinstance(proper, Instance):
        yield proper.type
    elif isinstance(proper, UnionType):
        for item in proper.items:
            yield from classes(item)


def statements(
    nodes: Sequence[Node], function: FuncDef | None, owner: TypeInfo | None
) -> Iterator[tuple[Node, FuncDef | None, TypeInfo | None]]:
    """List all nested statements, each with its function and class."""
    for node in nodes:
        if not isinstance(node, Statement | FuncDef | Decorator | OverloadedFuncDef):
            continue
        yield node, function, owner
        if isinstance(node, ClassDef):
            yield from statements(node.defs.body, None, node.info)
        elif isinstance(node, Decorator):
            yield from statements(node.func.body.body, node.func, owner)
        elif isinstance(node, FuncDef):
            yield from statements(node.body.body, node, owner)
        elif isinstance(node, OverloadedFuncDef):
            yield from statements(node.items, function, owner)
        else:
            for part in parts_of(node):
                if isinstance(part, Block):
                    yield from statements(part.body, function, owner)
                elif isinstance(part, Statement):
                    yield from statements([part], function, owner)


def last_line(node: Node) -> int:
    """Return the last line of a statement before its first block."""
    blocks = [part for part in blocks_in(node) if part.body]
    end = node.end_line or node.line
    return min([end, *(max(block.body[0].line - 1, node.line) for block in blocks)])


def blocks_in(node: Node) -> list[Block]:
    """List the blocks of a compound statement or definition."""
    function = function_of(node)
    if function is not None:
        return [function.body]
    if isinstance(node, ClassDef):
        return [node.defs]
    return [part for part in parts_of(node) if isinstance(part, Block)]


def header(node: Node) -> Iterator[Node]:
    """List the parts of a statement that are not in a block below it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        if (
            isinstance(found, FuncDef | Decorator | OverloadedFuncDef | ClassDef)
            and found is not node
        ):
            continue
        waiting.extend(part for part in parts_of(found) if not isinstance(part, Block))


def parameter_named(function: FuncDef, finding: Finding) -> str:
    """Return the parameter that an error is about; an empty text if it names none."""
    found = PLACE.match(finding.message)
    if found is None:
        return ""
    if found["name"] is not None:
        return found["name"]
    names = [name or "" for name in function.arg_names]
    if function.info and not function.is_static and names:
        names = names[1:]
    index = int(found["index"]) - 1
    return names[index] if index < len(names) else ""
