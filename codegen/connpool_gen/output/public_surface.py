"""Reads the public surface of a generated module: what code that uses the wrapper can rely on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Type:
    """An annotation: as written, and with the full names of imports, for comparison.

    `choices` are the members of a union. An empty text stands for no annotation.
    """

    text: str = ""
    full: str = ""
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its kind in words, its type, its default as text (empty for none)."""

    name: str
    kind: str
    type: Type
    default: str = ""

    @property
    def is_optional(self) -> bool:
        """Return whether a call may leave the parameter out."""
        return bool(self.default) or self.kind in REST

    @property
    def has_place(self) -> bool:
        """Return whether a call may pass the parameter by position."""
        return self.kind in (ONLY_BY_PLACE, BY_BOTH)


@dataclass(frozen=True, slots=True)
class Signature:
    """How a member can be called."""

    parameters: tuple[Parameter, ...]
    result: Type
    asynchronous: bool = False

    def __str__(self) -> str:
        named = ", ".join(
            f"{p.name}: {p.type.text}" if p.type.text else p.name for p in self.parameters
        )
        return f"({named}) -> {self.result.text or 'Any'}"


@dataclass(frozen=True, slots=True)
class Member:
    """One public member: a method with its signatures, a property or an attribute with its type."""

    kind: str
    signatures: tuple[Signature, ...] = ()
    type: Type = field(default_factory=Type)
    settable: bool = False
    deprecated: str | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """The wrapper with its members, those of namespaces by dotted names; and the members of its Protocol."""

    wrapper: str
    bases: Type
    members: Mapping[str, Member]
    protocol: frozenset[str]


ONLY_BY_PLACE, BY_BOTH, ONLY_BY_NAME = "positional only", "positional or keyword", "keyword only"
ALL_PLACES, ALL_NAMES = "*args", "**kwargs"
REST = (ALL_PLACES, ALL_NAMES)
METHOD, CLASS_METHOD, STATIC_METHOD = "method", "class method", "static method"
PROPERTY, ATTRIBUTE = "property", "attribute"
KINDS = {"classmethod": CLASS_METHOD, "staticmethod": STATIC_METHOD, "property": PROPERTY}


def read_surface(text: str) -> Surface:
    """Read the surface of a module that connpool-gen made; raises SyntaxError for what is no Python."""
    return SurfaceReader(ast.parse(text)).read()


class SurfaceReader:
    """Reads one module; names of imports are looked up in it."""

    def __init__(self, tree: ast.Module) -> None:
        self._full_names = dict(imported_names(tree))
        nodes = [node for node in visible(tree.body) if isinstance(node, ast.ClassDef)]
        self._classes = {node.name: node for node in nodes}

    def read(self) -> Surface:
        """Read the wrapper, which is the last class, and its Protocol if there is one."""
        public = [node for name, node in self._classes.items() if not name.startswith("_")]
        if not public:
            return Surface("", Type(), {}, frozenset())
        wrapper = public[-1]
        protocols = [node for node in public if node.name.endswith("Protocol")]
        return Surface(
            wrapper.name,
            self._union(wrapper.bases),
            dict(self._members(wrapper, "")),
            frozenset(name for node in protocols for name, _ in self._members(node, "")),
        )

    def _members(self, node: ast.ClassDef, prefix: str) -> Iterator[tuple[str, Member]]:
        functions: dict[str, list[Function]] = {}
        for child in visible(node.body):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.setdefault(child.name, []).append(child)
        for name, found in functions.items():
            if is_public(name) and not (prefix and name == "__init__"):
                yield prefix + name, self._function(found)
        for init in functions.get("__init__", ()):
            yield from self._attributes(init, prefix)

    def _attributes(self, init: Function, prefix: str) -> Iterator[tuple[str, Member]]:
        """Read the attributes that `__init__` sets, and namespaces with all they contain."""
        for node in visible(init.body):
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            annotation = self._type(node.annotation) if isinstance(node, ast.AnnAssign) else Type()
            if not isinstance(target, ast.Attribute) or not is_public(target.attr):
                continue
            yield prefix + target.attr, Member(ATTRIBUTE, type=annotation)
            made = node.value.func if isinstance(node.value, ast.Call) else None
            if isinstance(made, ast.Name) and made.id in self._classes:
                yield from self._members(self._classes[made.id], f"{prefix}{target.attr}.")

    def _function(self, found: Sequence[Function]) -> Member:
        """Read one member from its definitions: overloads, getter and setter, or just one."""
        marks = {mark for node in found for mark in decorators(node)}
        overloads = [node for node in found if "overload" in decorators(node)]
        kind = next((KINDS[mark] for mark in KINDS if mark in marks), METHOD)
        signatures = tuple(self._signature(node) for node in overloads or found[:1])
        if kind is not STATIC_METHOD:  # the receiver is no parameter of a call
            signatures = tuple(replace(s, parameters=s.parameters[1:]) for s in signatures)
        member = Member(
            kind,
            signatures,
            settable="setter" in marks,
            deprecated=next(filter(None, map(deprecation, found)), None),
        )
        if kind is PROPERTY:
            return replace(member, signatures=(), type=signatures[0].result)
        return member

    def _signature(self, node: Function) -> Signature:
        asynchronous = isinstance(node, ast.AsyncFunctionDef)
        return Signature(tuple(self._parameters(node.args)), self._type(node.returns), asynchronous)

    def _parameters(self, args: ast.arguments) -> Iterator[Parameter]:
        placed = [*args.posonlyargs, *args.args]
        defaults = [*[None] * (len(placed) - len(args.defaults)), *args.defaults]
        for arg, default in zip(placed, defaults, strict=True):
            kind = ONLY_BY_PLACE if arg in args.posonlyargs else BY_BOTH
            yield self._parameter(arg, kind, default)
        if args.vararg is not None:
            yield self._parameter(args.vararg, ALL_PLACES, None)
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            yield self._parameter(arg, ONLY_BY_NAME, default)
        if args.kwarg is not None:
            yield self._parameter(args.kwarg, ALL_NAMES, None)

    def _parameter(self, arg: ast.arg, kind: str, default: ast.expr | None) -> Parameter:
        said = ast.unparse(self._spelled(default)) if default is not None else ""
        return Parameter(arg.arg, kind, self._type(arg.annotation), said)

    def _type(self, node: ast.expr | None) -> Type:
        if node is None:
            return Type()
        choices = frozenset(ast.unparse(self._spelled(part)) for part in union_parts(node))
        return Type(ast.unparse(node), ast.unparse(self._spelled(node)), choices)

    def _union(self, nodes: Sequence[ast.expr]) -> Type:
        text = ", ".join(map(ast.unparse, nodes))
        return Type(text, ", ".join(ast.unparse(self._spelled(node)) for node in nodes))

    def _spelled(self, node: ast.expr) -> ast.expr:
        """Return an expression with the full names of imports: an alias may change for no reason."""
        copied = ast.parse(ast.unparse(node), mode="eval").body
        spelled: ast.expr = FullNames(self._full_names).visit(copied)
        return spelled


class FullNames(ast.NodeTransformer):
    """Replaces imported names by their full names, and `_builtins.list` by `list`."""

    def __init__(self, full_names: Mapping[str, str]) -> None:
        self._full_names = full_names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace an imported name by its full name."""
        return ast.Name(self._full_names.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Remove the module of the builtins."""
        if isinstance(node.value, ast.Name) and node.value.id == "_builtins":
            return ast.Name(node.attr, node.ctx)
        self.generic_visit(node)
        return node


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a module imports with where they come from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def visible(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements as a type checker sees them, and hidden ones whose names it would not see otherwise."""
    for node in body:
        if not isinstance(node, ast.If):
            yield node
            continue
        seen = list(node.body)
        names = {name_of(child) for child in seen if not isinstance(child, ast.Assign)}
        yield from seen
        yield from (child for child in node.orelse if name_of(child) not in names)


def name_of(node: ast.stmt) -> str | None:
    """Read the name that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    return None


def is_public(name: str) -> bool:
    """Return whether code outside may use a name."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def decorators(node: Function) -> list[str]:
    """List the last names of a function's decorators: `overload`, `setter`, `deprecated`."""
    called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return [ast.unparse(d).rpartition(".")[2].lstrip("_") for d in called]


def deprecation(node: Function) -> str | None:
    """Return the message of a function's `@deprecated`; None if it has none."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and "deprecated" in ast.unparse(decorator.func):
            said = decorator.args[0] if decorator.args else None
            return str(said.value) if isinstance(said, ast.Constant) else ""
    return None


def union_parts(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of `A | B`; an annotation that is no union is its own."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from union_parts(node.left)
        yield from union_parts(node.right)
    else:
        yield node
