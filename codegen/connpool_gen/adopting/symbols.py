"""Resolves dotted names: to the client, an alias of it, a module, or another class.

Names are resolved through the type checker's symbol tables, so aliases, `import x as y`, star imports,
conditional imports and re-exports need no rules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mypy.nodes import ImportFrom, MypyFile, TypeAlias, TypeInfo
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    TupleType,
    Type,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from connpool_gen.errors import TargetError
from connpool_gen.reading.facts import Ref
from connpool_gen.reading.mypy_reader import class_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy.build import BuildResult
    from mypy.nodes import SymbolNode

    from connpool_gen.adopting.records import MoveTarget


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name stands for: `target` is the index of the client, None for anything else.

    `alias` is the full name of the type alias by which the client is named, alone or among others.
    """

    fullname: str
    target: int | None = None
    alias: str = ""
    is_class: bool = False
    is_module: bool = False


class Symbols:
    """Resolves names in the modules of one build."""

    def __init__(self, result: BuildResult, targets: Sequence[MoveTarget]) -> None:
        self._modules = result.manager.modules
        found = [
            class_info(self._modules, Ref(t.request.module, t.request.qualname)) for t in targets
        ]
        self.clients = {
            info.fullname: index for index, info in enumerate(found) if info is not None
        }
        self.homes = {info.fullname: info.module_name for info in found if info is not None}
        for target, info in zip(targets, found, strict=True):
            if info is None:
                raise TargetError(
                    f"{target.client}: the type checker knows no such class, so its uses cannot be found"
                )

    def in_module(self, module: str, dotted: Sequence[str]) -> Meaning | None:
        """Resolve a dotted name as code of the module would."""
        tree = self._modules.get(module)
        return self._resolved(tree, dotted) if tree is not None else None

    def absolute(self, dotted: Sequence[str]) -> tuple[Meaning, Sequence[str]] | None:
        """Resolve a path such as `package.module.Class.method`: the class, and the rest."""
        for size in range(len(dotted) - 1, 0, -1):
            tree = self._modules.get(".".join(dotted[:size]))
            if tree is None:
                continue
            for end in range(size + 1, len(dotted) + 1):
                meaning = self._resolved(tree, dotted[size:end])
                if meaning is not None and meaning.target is not None:
                    return meaning, dotted[end:]
            return None
        return None

    def _resolved(self, tree: MypyFile, dotted: Sequence[str]) -> Meaning | None:
        node: SymbolNode | None = tree
        for part in dotted:
            node = self._child(node, part)
            if node is None:
                return None
        return self._meaning(node)

    def _child(self, node: SymbolNode | None, name: str) -> SymbolNode | None:
        if isinstance(node, MypyFile):
            symbol = node.names.get(name)
            # An imported submodule need not be in its package's table.
            return (symbol.node if symbol is not None else None) or self._modules.get(
                f"{node.fullname}.{name}"
            )
        if isinstance(node, TypeAlias):
            aliased = get_proper_type(node.target)
            node = aliased.type if isinstance(aliased, Instance) else None
        if isinstance(node, TypeInfo):
            symbol = node.names.get(name)
            return symbol.node if symbol is not None else None
        return None

    def _meaning(self, node: SymbolNode | None) -> Meaning | None:
        if isinstance(node, TypeInfo):
            return Meaning(node.fullname, self.clients.get(node.fullname), is_class=True)
        if isinstance(node, TypeAlias):
            target = mentions(node.target, self.clients)
            return Meaning(node.fullname, target, node.fullname, is_class=True)
        if isinstance(node, MypyFile):
            return Meaning(node.fullname, is_module=True)
        return Meaning(node.fullname) if node is not None else None

    def is_alias(self, module: str, name: str) -> bool:
        """Whether a name of a module is a type alias."""
        tree = self._modules.get(module)
        symbol = tree.names.get(name) if tree is not None else None
        return symbol is not None and isinstance(symbol.node, TypeAlias)

    def spellings(self, modules: Sequence[str]) -> set[str]:
        """List all names under which the modules know a client, by the last part of the name."""
        found = {fullname.rpartition(".")[2] for fullname in self.clients}
        for module in modules:
            tree = self._modules.get(module)
            for name, symbol in tree.names.items() if tree is not None else ():
                meaning = self._meaning(symbol.node) if symbol.node is not None else None
                if meaning is not None and meaning.target is not None:
                    found.add(name)
        return found

    def importers(self, modules: Sequence[str]) -> dict[str, set[str]]:
        """List, by module, the names that the other modules import from it."""
        taken: dict[str, set[str]] = {}
        for module in modules:
            tree = self._modules.get(module)
            for source, name in names_imported(tree) if tree is not None else ():
                taken.setdefault(source, set()).add(name)
        return taken


def names_imported(tree: MypyFile) -> Iterator[tuple[str, str]]:
    """List module and name of everything a module takes by from-imports."""
    for statement in tree.imports:
        if isinstance(statement, ImportFrom):
            source = absolute_module(tree, statement.id, statement.relative)
            yield from ((source, name) for name, _ in statement.names)


def absolute_module(tree: MypyFile, name: str, level: int) -> str:
    """Return the absolute name of a relative import."""
    if not level:
        return name
    parts = tree.fullname.split(".")
    ups = level - 1 if tree.is_package_init_file() else level
    return ".".join([*parts[: len(parts) - ups], *([name] if name else [])])


def mentions(found: Type, clients: Mapping[str, int]) -> int | None:
    """Find which client a type is or contains: itself, a member of a union, the result of an awaitable."""
    proper = get_proper_type(found)
    if isinstance(proper, Instance):
        if proper.type.fullname in clients:
            return clients[proper.type.fullname]
        return first(proper.args, clients)
    if isinstance(proper, UnionType | TupleType):
        return first(proper.items, clients)
    if isinstance(proper, CallableType):
        return mentions(proper.ret_type, clients)
    if isinstance(proper, Overloaded):
        return first(proper.items, clients)
    return None


def first(items: Sequence[Type], clients: Mapping[str, int]) -> int | None:
    """Find the first client that one of several types contains."""
    found = (mentions(item, clients) for item in items)
    return next((index for index in found if index is not None), None)


def receivers(found: Type | None, clients: Mapping[str, int]) -> Iterator[int]:
    """List the clients that an expression of this type may be: itself, or a member of a union."""
    proper = get_proper_type(found)
    if isinstance(proper, Instance) and proper.type.fullname in clients:
        yield clients[proper.type.fullname]
    elif isinstance(proper, UnionType):
        for item in proper.items:
            yield from receivers(item, clients)
    elif isinstance(proper, TypeVarType):
        yield from receivers(proper.upper_bound, clients)


def is_unknown(found: Type | None) -> bool:
    """Return whether a type is unknown."""
    return found is None or isinstance(get_proper_type(found), AnyType)
