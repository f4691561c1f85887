"""Finds the names under which strict code may import what a private module defines."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.nodes import MypyFile, SymbolTable, TypeInfo, TypeVarExpr, TypeVarLikeExpr, Var
from mypy.types import TypeVarType

from connpool_gen.probe.source import imports_in
from connpool_gen.reading.alias_definitions import defined_twice
from connpool_gen.reading.facts import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy.types import TypeVarLikeType


class PublicNames:
    """Finds the public name of what a private module defines, among what its packages re-export."""

    def __init__(
        self,
        modules: Mapping[str, MypyFile],
        target: Ref,
        fullname: str,
        untyped: frozenset[str] = frozenset(),
    ) -> None:
        self._modules = modules
        self._untyped = untyped
        self._target = target
        self._fullname = fullname
        self._home = target.module
        self._found: dict[str, Ref] = {fullname: target}

    def home(self) -> Ref:
        """Return the reference to where the target is defined."""
        return self._split(self._fullname)

    def hides(self, ref: Ref) -> bool:
        """Return whether strict code that reads an untyped module may not import a name from there.

        For all other modules the check of the output shows it.
        """
        tree = self._modules.get(ref.module)
        symbol = tree.names.get(ref.root.qualname) if tree is not None else None
        if tree is None or symbol is None or symbol.node is None or not self.is_untyped(ref.module):
            return False
        elsewhere = self._split(symbol.node.fullname).module != ref.module
        return elsewhere and not exports_on_purpose(tree, ref.root.qualname)

    def is_target(self, fullname: str | None) -> bool:
        """Return whether a class is the one to wrap."""
        return fullname == self._fullname

    def is_untyped(self, module: str) -> bool:
        """Return whether a module ships no types, so that everything imported from it is Any for mypy."""
        return module in self._untyped

    def is_any_elsewhere(self, fullname: str) -> bool:
        """Return whether a name is Any for mypy, which reads the output but not the module of the name."""
        return self.is_untyped(self._split(fullname).module)

    def is_variable_for_some(self, fullname: str) -> bool:
        """Return whether an alias is defined in two ways, so that it is a variable for pyright."""
        place = self._split(fullname)
        tree = self._modules.get(place.module)
        return tree is not None and place.qualname in defined_twice(tree.path)

    def has_variable(self, variable: TypeVarLikeType) -> bool:
        """Return whether a type variable can be imported by its full name.

        One of `class Client[T]` has the same name as a variable `T` of the module would have.
        """
        place = self._split(variable.fullname)
        if self.is_untyped(place.module):
            return False
        tree = self._modules.get(place.module)
        symbols = tree.names if tree is not None else SymbolTable()
        *outer, name = place.qualname.split(".")
        for part in outer:
            node = symbols[part].node if part in symbols else None
            symbols = node.names if isinstance(node, TypeInfo) else SymbolTable()
        found = symbols[name].node if name in symbols else None
        if not isinstance(found, TypeVarLikeExpr) or found.fullname != variable.fullname:
            return False
        values = found.values if isinstance(found, TypeVarExpr) else []
        wanted = variable.values if isinstance(variable, TypeVarType) else []
        return found.upper_bound == variable.upper_bound and values == wanted

    def ref(self, fullname: str) -> Ref:
        """Return the reference to write in the output for mypy's `fullname`."""
        if fullname not in self._found:
            self._found[fullname] = self._find(fullname)
        return self._found[fullname]

    def _find(self, fullname: str) -> Ref:
        defined = self._split(fullname)
        private = [p.startswith("_") for p in defined.module.split(".")]
        if not any(private) and not self._hidden(defined):
            return defined
        packages = list(ancestors(defined.module))
        for package in [self._home, *ancestors(self._home), *packages]:
            if any(part.startswith("_") for part in package.split(".")):
                continue
            if self._exports(package, defined.qualname, fullname):
                return Ref(package, defined.qualname)
        return defined

    def _split(self, fullname: str) -> Ref:
        """Split `a.b.C.D` after the module."""
        parts = fullname.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:length])
            if module in self._modules:
                return Ref(module, ".".join(parts[length:]))
        return Ref(".".join(parts[:-1]), parts[-1])

    def _hidden(self, ref: Ref) -> bool:
        tree = self._modules.get(ref.module)
        symbol = tree.names.get(ref.qualname.split(".")[0]) if tree is not None else None
        return symbol is not None and symbol.module_hidden

    def _exports(self, package: str, name: str, fullname: str) -> bool:
        tree = self._modules.get(package)
        symbol = tree.names.get(name) if tree is not None else None
        if tree is None or symbol is None or symbol.module_hidden or not symbol.module_public:
            return False
        node = symbol.node
        if node is None or node.fullname != fullname or isinstance(node, Var):
            return False
        return exports_on_purpose(tree, name)


def ancestors(module: str) -> Iterable[str]:
    """List the packages that contain a module: `a.b.c` -> `a`, `a.b`."""
    parts = module.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts)))


def exports_on_purpose(tree: MypyFile, name: str) -> bool:
    """Return whether strict code may import a name from a module that has imported it itself.

    mypy knows for stubs and where `__all__` says it. Reading allows all other imports of imports,
    because users name their client as they import it; the output must do with those meant for it.
    """
    if tree.is_stub or "__all__" in tree.names:
        return True
    return {name, "*"} & reexports(tree.path) != set()


@lru_cache(maxsize=64)
def reexports(path: str) -> frozenset[str]:
    """List the names that a source file imports as themselves, and "*" if it imports everything of a module."""
    body: Sequence[ast.stmt]
    try:
        body = ast.parse(Path(path).read_bytes()).body
    except SyntaxError:  # code for a newer Python than ours, on which the client runs
        body = imports_in(path)
    except (OSError, ValueError):  # mypy has read the file; it was removed or changed since
        return frozenset()
    names = [name for node in body if isinstance(node, ast.ImportFrom) for name in node.names]
    return frozenset(name.name for name in names if name.name in ("*", name.asname))
