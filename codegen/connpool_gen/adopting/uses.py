"""Finds every expression that is a client, by mypy's types, and what is done with it.

A member that the wrapper lacks, a call that closes, a result that lives on one connection, a client
that is handed to code outside the paths: none of it shows in names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mypy.nodes import (
    Argument,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    Expression,
    FuncDef,
    IndexExpr,
    MemberExpr,
    MypyFile,
    OverloadedFuncDef,
    RefExpr,
    Statement,
    WithStmt,
)
from mypy.patterns import Pattern
from mypy.types import CallableType, Instance, get_proper_type

from connpool_gen.adopting.records import Left
from connpool_gen.adopting.symbols import is_unknown, mentions, receivers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy.build import BuildResult
    from mypy.nodes import Node

    from connpool_gen.adopting.records import MoveTarget

# Attributes that refer to other nodes rather than contain them; following them would never end.
ELSEWHERE = frozenset(
    {
        "analyzed",
        "def_var",
        "expanded",
        "impl",
        "info",
        "mro",
        "names",
        "node",
        "original_decorators",
        "original_def",
        "original_first_arg",
        "removed_base_type_exprs",
        "removed_statements",
        "subject_dummy",
        "type",
        "unanalyzed_items",
        "unanalyzed_type",
        "var",
        "variable",
    }
)
PARTS = (Argument, ClassDef, Decorator, Expression, FuncDef, OverloadedFuncDef, Pattern, Statement)
_attributes: dict[type, tuple[str, ...]] = {}


def attributes(kind: type) -> tuple[str, ...]:
    """List the attributes of a node class that hold child nodes.

    mypy's visitors are compiled and cannot be subclassed, so trees are walked by the names that its
    compiled classes list of their attributes.
    """
    if kind not in _attributes:
        listed = [n for base in kind.__mro__ for n in getattr(base, "__mypyc_attrs__", ())]
        if not listed:  # an mypy that is not compiled
            listed = [n for base in kind.__mro__ for n in getattr(base, "__slots__", ())]
        found = dict.fromkeys(listed)
        _attributes[kind] = tuple(n for n in found if not n.startswith("_") and n not in ELSEWHERE)
    return _attributes[kind]


def parts_of(node: Node) -> Iterator[Node]:
    """List the children of a node."""
    for name in attributes(type(node)):
        yield from nodes_in(getattr(node, name, None))


def nodes_in(value: object) -> Iterator[Node]:
    """List the nodes in an attribute's value: a node, or nodes in lists."""
    if isinstance(value, PARTS):
        yield value
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[object]", value):
            yield from nodes_in(item)


def walk(node: Node) -> Iterator[Node]:
    """List a node and all its descendants."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(parts_of(found))


@dataclass(slots=True)
class Uses:
    """What is done with clients: how often, and where a person has to look.

    `makes_clients` are (path, line, member) of class methods that give a client.
    """

    count: int = 0
    left: list[Left] = field(default_factory=list[Left])
    makes_clients: set[tuple[Path, int, str]] = field(default_factory=set["tuple[Path, int, str]"])


class UseFinder:
    """Looks for clients in the trees of one build."""

    def __init__(
        self,
        result: BuildResult,
        targets: Sequence[MoveTarget],
        clients: Mapping[str, int],
        inside: Collection[str],
    ) -> None:
        self._types = result.types
        self._modules = result.manager.modules
        self._targets = targets
        self._clients = clients
        self._inside = inside
        self.uses = Uses()

    def look(self, path: Path, tree: MypyFile) -> None:
        """Examine one file."""
        for statement in tree.defs:
            for node in walk(statement):
                if isinstance(node, MemberExpr):
                    self._member(path, node)
                elif isinstance(node, WithStmt):
                    self._with(path, node)
                elif isinstance(node, AssignmentStmt):
                    self._set(path, node)
                elif isinstance(node, CallExpr):
                    self._call(path, node)
                elif isinstance(node, IndexExpr):
                    self._index(path, node)
                if isinstance(node, Expression) and any(self._clients_of(node)):
                    self.uses.count += 1

    def _clients_of(self, node: Expression) -> list[MoveTarget]:
        found = receivers(self._types.get(node), self._clients)
        return [self._targets[index] for index in dict.fromkeys(found)]

    def _add(self, path: Path, node: Node, what: str, reason: str, advice: str) -> None:
        self.uses.left.append(Left(path.as_posix(), node.line, what, reason, advice))

    def _member(self, path: Path, node: MemberExpr) -> None:
        for target in self._clients_of(node.expr):
            self._named(path, node, node.name, target)

    def _named(self, path: Path, node: Node, name: str, target: MoveTarget) -> None:
        """Record a member that the wrapper lacks, or that means something else on a pool."""
        pool = target.request.pool_field or "pool"
        if name in target.lacking:
            advice = f"lease a member for it: `with wrapper.{pool}.lease() as client:`"
            self._add(path, node, f"member {name}", target.lacking[name], advice)
        elif name in target.lifecycle:
            advice = "only what made the pool should do it; lease a member to do it to one client"
            self._add(path, node, f"lifecycle {name}", target.lifecycle[name], advice)
        elif name in target.pinned:
            reason = "its result lives on one connection and keeps its member busy while it is used"
            advice = "close it, or use it in a `with`, as soon as it has done its work"
            self._add(path, node, f"result of {name}", reason, advice)

    def _with(self, path: Path, node: WithStmt) -> None:
        for expression in node.expr:
            for target in self._clients_of(expression):
                reason = f"leaving the block closes the whole {target.wrapper.name}"
                advice = "only what made the pool should do it"
                self._add(path, expression, "lifecycle with", reason, advice)

    def _set(self, path: Path, node: AssignmentStmt) -> None:
        for lvalue in node.lvalues:
            for target in self._clients_of(lvalue.expr) if isinstance(lvalue, MemberExpr) else ():
                if isinstance(lvalue, MemberExpr) and lvalue.name in target.members:
                    reason = f"it sets {lvalue.name} of one client"
                    advice = "set it where the pool's clients are made"
                    self._add(path, lvalue, f"setting {lvalue.name}", reason, advice)

    def _index(self, path: Path, node: IndexExpr) -> None:
        for target in self._clients_of(node.base):
            self._named(path, node, "__getitem__", target)

    def _call(self, path: Path, node: CallExpr) -> None:
        self._makes(path, node)
        callee = self._callee(node)
        if callee is None or self._is_ours(callee) or callee.startswith(HARMLESS):
            return
        for target in self._clients_of(node):
            reason = f"{callee} is outside the paths and gives a client"
            advice = f"call something of yours there that gives a {target.wrapper.name}"
            self._add(path, node, "client from outside", reason, advice)
        expected = get_proper_type(self._types.get(node.callee))
        for index, argument in enumerate(node.args):
            for target in self._clients_of(argument):
                if not takes_anything(expected, index, node.arg_names[index]):
                    reason = f"{callee} is outside the paths and asks for the client itself"
                elif callee.startswith(STANDARD):
                    continue
                else:
                    reason = f"{callee} is outside the paths, and nothing says what it does with it"
                advice = (
                    f"lease a member for it: `with wrapper.{target.request.pool_field or 'pool'}.lease() as "
                    "client:`, or add its files to the paths"
                )
                self._add(path, argument, "client handed out", reason, advice)

    def _callee(self, node: CallExpr) -> str | None:
        """Return the full name of what is called; None if it is unknown."""
        callee = node.callee
        if isinstance(callee, RefExpr) and callee.fullname:
            return callee.fullname
        if isinstance(callee, MemberExpr):
            owner = get_proper_type(self._types.get(callee.expr))
            if isinstance(owner, Instance):
                return f"{owner.type.fullname}.{callee.name}"
        return None

    def _is_ours(self, fullname: str) -> bool:
        """Return whether a function belongs to the client, or to the code that is moved."""
        if any(fullname.startswith(f"{client}.") or fullname == client for client in self._clients):
            return True
        parts = fullname.split(".")
        heads = {".".join(parts[:size]) for size in range(len(parts), 0, -1)}
        return len(parts) == 1 or not heads.isdisjoint(self._inside)

    def _makes(self, path: Path, node: CallExpr) -> None:
        """Record a class method that returns a client."""
        callee = node.callee
        if isinstance(callee, MemberExpr) and isinstance(callee.expr, RefExpr):
            gives = self._types.get(node)
            if gives is not None and mentions(gives, self._clients) is not None:
                self.uses.makes_clients.add((path, callee.line, callee.name))


# Containers and the like hold a client as they hold anything.
HARMLESS = (
    "builtins.",
    "typing.",
    "collections.",
    "contextlib.",
    "dataclasses.",
    "functools.",
    "copy.",
)
STANDARD = (
    "asyncio.",
    "concurrent.",
    "threading.",
    "unittest.",
    "queue.",
    "weakref.",
    "contextvars.",
)


def takes_anything(callee: object, index: int, name: str | None) -> bool:
    """Return whether a parameter accepts any value: its type is unknown, or `object`."""
    if not isinstance(callee, CallableType):
        return True
    if name is not None:
        found = callee.argument_by_name(name)
        kind = found.typ if found is not None else None
    else:
        by_place = callee.argument_by_position(index)
        kind = by_place.typ if by_place is not None else None
    proper = get_proper_type(kind)
    if isinstance(proper, Instance) and proper.type.fullname == "builtins.object":
        return True
    return is_unknown(kind)
