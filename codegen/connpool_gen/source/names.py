"""Resolves the names of modules and classes: imports followed, conditions decided."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import libcst as cst

from connpool_gen.source.constants import NotConstant, constant, dotted_name
from connpool_gen.source.nodes import body_of
from connpool_gen.source.values import (
    ClassValue,
    Constant,
    Decorated,
    Deferred,
    EnumMember,
    Imported,
    Known,
    ModuleValue,
    Scope,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connpool_gen.source.texts import ModuleText, Texts

# Modules whose names are enough: their content is known.
KNOWN = frozenset(
    {"abc", "asyncio", "builtins", "collections", "collections.abc", "contextlib", "dataclasses"}
    | {"enum", "functools", "inspect", "os", "sys", "types", "typing", "typing_extensions"}
    | {"warnings"}
)
PLATFORM: dict[str, object] = {
    "sys.platform": sys.platform,
    "sys.flags.dev_mode": False,
    "sys.byteorder": sys.byteorder,
    "sys.implementation.name": sys.implementation.name,
    "os.name": os.name,
    "sys.maxsize": sys.maxsize,
}
IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class ImportFails(Exception):
    """An import inside a `try` block would fail."""


class Names:
    """The scopes of all modules read so far, as a certain version of Python would see them."""

    def __init__(self, texts: Texts, version: tuple[int, int, int] = sys.version_info[:3]) -> None:
        self.texts = texts
        self._platform = {**PLATFORM, "sys.version_info": version}
        self._scopes: dict[tuple[str, bool, bool], Scope | None] = {}
        self._following: set[tuple[str, str]] = set()
        self._deciding = False
        # Number of names of a class body that were bound when something in it was evaluated.
        self.seen: dict[int, int] = {}

    # ------------------------------------------------------------ scopes

    def module(self, name: str, *, checking: bool, stub: bool = False) -> Scope | None:
        """Open a module; None for one that cannot be found."""
        key = (name, checking, stub)
        if key not in self._scopes:
            text = self.texts.stub(name) if stub else self.texts.module(name)
            if text is None:
                self._scopes[key] = None
            else:
                self._open(key, text)
        return self._scopes[key]

    def _open(self, key: tuple[str, bool, bool], text: ModuleText) -> None:
        scope = Scope(text, checking=key[1] or text.is_stub)
        self._scopes[key] = scope  # modules may import each other
        scope.deferred = has_future_annotations(text.tree)
        Binder(self, scope).run(text.tree.body)

    def body(self, cls: ClassValue) -> Scope:
        """Open the body of a class."""
        if cls.body is None:
            cls.body = Scope(cls.scope.text, cls.scope.checking, owner=cls)
            cls.body.deferred = cls.scope.deferred
            Binder(self, cls.body).run(body_of(cls.node))
        return cls.body

    def outer(self, scope: Scope) -> Scope:
        """Return the module's scope, in which functions of a class look up names."""
        while scope.owner is not None:
            scope = scope.owner.scope
        return scope

    # ------------------------------------------------------------ names

    def find(self, dotted: str, scope: Scope) -> Value:
        """Find what a dotted name stands for in a scope."""
        first, *rest = dotted.split(".")
        found = self.followed(self._bound(first, scope), scope.checking)
        for part in rest:
            found = self.followed(self.attribute(found, part, scope.checking), scope.checking)
        return found

    def _bound(self, name: str, scope: Scope) -> Value:
        for place in (scope, self.outer(scope)):
            if name in place.names and not self._is_later(name, place):
                return place.names[name]
            if name in place.deleted:
                return place.deleted[name]
        below = f"{scope.module}.{name}"
        if scope.text.is_package and self.texts.module(below) is not None:
            return ModuleValue(below)  # importing a submodule binds its name in the package
        return Known(f"builtins.{name}")

    def _is_later(self, name: str, scope: Scope) -> bool:
        """Return whether a class binds a name only below the function whose decorators are being evaluated."""
        seen = self.seen.get(id(scope))
        return seen is not None and name not in list(scope.names)[:seen]

    def attribute(self, found: Value, name: str, checking: bool) -> Value:
        """Find an attribute of a module or a class."""
        if isinstance(found, ModuleValue):
            return self.member(found.name, name, checking)
        if isinstance(found, Known):
            return Known(f"{found.name}.{name}")
        if isinstance(found, ClassValue):
            return self.class_attribute(found, name)
        if isinstance(found, Deferred) and self._makes_enum(found):
            return EnumMember(found, name)
        return Unknown(f"what .{name} is of")

    def class_attribute(self, cls: ClassValue, name: str) -> Value:
        """Find an attribute of a class, or of its bases in order."""
        body = self.body(cls)
        if name in body.names:
            held = body.names[name]
            is_member = isinstance(held, Deferred) and self.is_enum(cls)
            return EnumMember(cls, name) if is_member else held
        for argument in cls.node.bases:
            base = self.find(dotted_name(unsubscripted(argument.value)) or "", cls.scope)
            if isinstance(base, ClassValue) and base is not cls:
                found = self.class_attribute(base, name)
                if not isinstance(found, Unknown):
                    return found
        return Unknown(f"{cls.name} has no {name}")

    def is_enum(self, cls: ClassValue) -> bool:
        """Return whether a class is an enumeration."""
        for argument in cls.node.bases:
            base = self.find(dotted_name(unsubscripted(argument.value)) or "", cls.scope)
            if isinstance(base, Known) and base.name.startswith("enum."):
                return True
            if isinstance(base, ClassValue) and base is not cls and self.is_enum(base):
                return True
        return False

    def _makes_enum(self, found: Deferred) -> bool:
        """Return whether an expression is `Enum("Color", "red blue")`."""
        called = found.expression.func if isinstance(found.expression, cst.Call) else None
        maker = self.find(dotted_name(called) or "", found.scope) if called is not None else None
        return isinstance(maker, Known) and maker.name in ("enum.Enum", "enum.Flag")

    def member(self, module: str, name: str, checking: bool) -> Value:
        """Find a name of a module: what it binds, or a submodule."""
        if module in KNOWN:
            return Known(f"{module.replace('_extensions', '')}.{name}")
        scope = self.module(module, checking=checking)
        if scope is None:
            return Unknown(f"{module} is not to be found")
        if name in scope.names and scope.names[name] != Imported(module, name):
            return scope.names[name]
        if self.texts.module(f"{module}.{name}") is not None:
            return ModuleValue(f"{module}.{name}")
        if "__getattr__" in scope.names and not checking:  # it gives what type checkers see at once
            return self.member(module, name, checking=True)
        return Unknown(f"{module} has no {name}")

    def followed(self, found: Value, checking: bool) -> Value:
        """Follow imports and aliases to the final meaning."""
        if isinstance(found, Imported):
            return self._imported(found, checking)
        if isinstance(found, Deferred):
            dotted = dotted_name(found.expression)
            key = (f"={id(found)}", "")
            if dotted is None or dotted in ("True", "False", "None") or key in self._following:
                return self._settled(found)
            self._following.add(key)
            try:
                target = self.find(dotted, found.scope)
            finally:
                self._following.discard(key)
            return found if isinstance(target, Unknown) else target
        return found

    def _imported(self, found: Imported, checking: bool) -> Value:
        if found.name is None:
            return ModuleValue(found.module)
        key = (found.module, found.name)
        if key in self._following:
            return Unknown(f"{found.module} and another module import {found.name} from each other")
        self._following.add(key)
        try:
            return self.followed(self.member(found.module, found.name, checking), checking)
        finally:
            self._following.discard(key)

    def _settled(self, found: Deferred) -> Value:
        try:
            return Constant(self.constant(found.expression, found.scope))
        except NotConstant:
            return found

    # ------------------------------------------------------------ values

    def constant(self, node: cst.BaseExpression, scope: Scope) -> object:
        """Evaluate an expression of literals and names of literals. Raises NotConstant."""
        return constant(node, lambda dotted: self._constant_named(dotted, scope))

    def holds_true(self, test: cst.BaseExpression, scope: Scope) -> bool | None:
        """Decide a condition as if no environment variable were set; None if it is unknown."""
        before, self._deciding = self._deciding, True
        try:
            return bool(self.constant(test, scope))
        except NotConstant:
            return None
        finally:
            self._deciding = before

    def _constant_named(self, dotted: str, scope: Scope) -> object:
        if dotted.rpartition(".")[2] in ("TYPE_CHECKING", "MYPY"):
            return scope.checking
        if dotted in self._platform:
            return self._platform[dotted]
        if dotted.endswith("()") and self._deciding:
            return None
        found = self.find(dotted, scope)
        if isinstance(found, Known):
            if found.name not in self._platform:
                raise NotConstant
            return self._platform[found.name]
        if not isinstance(found, Constant):
            raise NotConstant
        return found.value

    def holds(self, module: str, name: str | None, checking: bool) -> bool:
        """Return whether an import would work."""
        if self.texts.module(module) is None and module not in sys.builtin_module_names:
            return False
        if name is None:
            return True
        if module in KNOWN:
            return hasattr(importlib.import_module(module), name)
        if module.partition(".")[0] in sys.stdlib_module_names:
            return True
        return not isinstance(self.member(module, name, checking), Unknown)


class Binder:
    """Executes the statements of a module or class as far as they bind names."""

    def __init__(self, names: Names, scope: Scope) -> None:
        self._names = names
        self._scope = scope

    def run(self, body: Sequence[cst.CSTNode], *, trying: bool = False) -> None:
        """Execute statements in order; with `trying`, an import that would fail raises ImportFails."""
        for statement in body:
            if isinstance(statement, cst.SimpleStatementLine):
                for small in statement.body:
                    self._small(small, trying=trying)
            else:
                self._compound(statement, trying=trying)

    def _compound(self, statement: cst.CSTNode, *, trying: bool) -> None:
        if isinstance(statement, cst.FunctionDef):
            self._function(statement)
        elif isinstance(statement, cst.ClassDef):
            self._class(statement)
        elif isinstance(statement, cst.If):
            self._if(statement, trying=trying)
        elif isinstance(statement, (cst.Try, cst.TryStar)):
            self._try(statement)
        elif isinstance(statement, (cst.With, cst.For, cst.While)):
            self.run(body_of(statement.body), trying=trying)

    def _function(self, node: cst.FunctionDef) -> None:
        name = node.name.value
        before = self._scope.names.get(name)
        self._scope.names[name] = Decorated(node, self._scope, before, len(self._scope.names))

    def _class(self, node: cst.ClassDef) -> None:
        owner = self._scope.owner
        name = node.name.value
        qualname = f"{owner.qualname}.{name}" if owner is not None else name
        self._scope.names[name] = ClassValue(node, self._scope, qualname)

    # ------------------------------------------------------------ conditions

    def _if(self, node: cst.If, *, trying: bool) -> None:
        holds = self._names.holds_true(node.test, self._scope)
        if holds is not False:
            self.run(body_of(node.body), trying=trying)
        if holds is True or node.orelse is None:
            return
        taken = dict(self._scope.names) if holds is None else None
        if isinstance(node.orelse, cst.If):
            self._if(node.orelse, trying=trying)
        else:
            self.run(body_of(node.orelse.body), trying=trying)
        if taken is not None:  # it is unknown which branch runs: the first one is taken
            self._scope.names.update(taken)

    def _try(self, node: cst.Try | cst.TryStar) -> None:
        try:
            self.run(body_of(node.body), trying=True)
        except ImportFails:
            handler = next((h for h in node.handlers if catches_import_errors(h)), None)
            if handler is not None:
                self.run(body_of(handler.body))
        else:
            if node.orelse is not None:
                self.run(body_of(node.orelse.body))
        if node.finalbody is not None:
            self.run(body_of(node.finalbody.body))

    # ------------------------------------------------------------ small statements

    def _small(self, node: cst.CSTNode, *, trying: bool) -> None:
        if isinstance(node, cst.Import):
            self._import(node, trying=trying)
        elif isinstance(node, cst.ImportFrom):
            self._import_from(node, trying=trying)
        elif isinstance(node, cst.Assign):
            self._assign(node)
        elif isinstance(node, cst.AnnAssign):
            self._declare(node)
        elif isinstance(node, cst.AugAssign):
            self._extend(dotted_name(node.target), node.value)
        elif isinstance(node, cst.Expr):
            self._call(node.value)
        elif isinstance(node, cst.Del):
            name = dotted_name(node.target) or ""
            if name in self._scope.names:
                self._scope.deleted[name] = self._scope.names.pop(name)

    def _assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            name = dotted_name(target.target)
            if name is not None and "." not in name:
                self._scope.names[name] = Deferred(node.value, self._scope)
                if name == "__all__":
                    self._scope.exported.clear()
                    self._extend(name, node.value)
            elif name is not None:
                self._assign_to_class(name, node.value)
            elif isinstance(target.target, (cst.Tuple, cst.List)):
                self._unpack(target.target, node.value)

    def _assign_to_class(self, dotted: str, value: cst.BaseExpression) -> None:
        """Bind `Client.get = get` in the body of the class."""
        outer, _, name = dotted.rpartition(".")
        if name == "__doc__":
            self._scope.docs[outer] = value
            return
        cls = self._scope.names.get(outer)
        if isinstance(cls, ClassValue):
            self._names.body(cls).names[name] = Deferred(value, self._scope)

    def _unpack(self, targets: cst.Tuple | cst.List, value: cst.BaseExpression) -> None:
        held = value.elements if isinstance(value, (cst.Tuple, cst.List)) else ()
        for index, element in enumerate(targets.elements):
            name = dotted_name(element.value)
            if name is None or "." in name:
                continue
            one = held[index].value if len(held) == len(targets.elements) else None
            self._scope.names[name] = (
                Deferred(one, self._scope) if one is not None else Unknown("a part of a sequence")
            )

    def _declare(self, node: cst.AnnAssign) -> None:
        name = dotted_name(node.target)
        if name is None or "." in name:
            return
        self._scope.declared.setdefault(name, node.annotation.annotation)
        if node.value is not None:
            self._scope.names[name] = Deferred(node.value, self._scope)
            if name == "__all__":
                self._extend(name, node.value)
        elif self._scope.text.is_stub and self._scope.owner is None:
            self._scope.names.setdefault(name, Unknown("a variable of a stub"))

    def _call(self, node: cst.BaseExpression) -> None:
        """Record `__all__.extend([...])` and `__all__.append("x")`."""
        if isinstance(node, cst.Call) and len(node.args) == 1:
            called = dotted_name(node.func) or ""
            owner, _, method = called.rpartition(".")
            if owner == "__all__" and method in ("extend", "append", "remove"):
                self._extend(owner, node.args[0].value)

    def _extend(self, name: str | None, value: cst.BaseExpression) -> None:
        if name == "__all__":
            self._scope.exported.update(self._listed(value))

    def _listed(self, value: cst.BaseExpression) -> Iterator[str]:
        """Yield the names in an `__all__`, including those of another module's."""
        if isinstance(value, cst.SimpleString):
            yield str(value.evaluated_value)
        elif isinstance(value, (cst.List, cst.Tuple, cst.Set)):
            for element in value.elements:
                yield from self._listed(element.value)
        elif isinstance(value, cst.BinaryOperation):
            yield from self._listed(value.left)
            yield from self._listed(value.right)
        elif (dotted := dotted_name(value)) is not None and dotted.endswith("__all__"):
            found = self._names.find(dotted.removesuffix(".__all__"), self._scope)
            if isinstance(found, ModuleValue):
                other = self._names.module(found.name, checking=self._scope.checking)
                yield from other.exported if other is not None else ()

    # ------------------------------------------------------------ import statements

    def _import(self, node: cst.Import, *, trying: bool) -> None:
        for alias in node.names:
            module = alias.evaluated_name
            if trying and not self._names.holds(module, None, self._scope.checking):
                raise ImportFails
            if alias.evaluated_alias is not None:
                self._scope.names[alias.evaluated_alias] = Imported(module, None)
            else:
                first = module.partition(".")[0]
                self._scope.names[first] = Imported(first, None)

    def _import_from(self, node: cst.ImportFrom, *, trying: bool) -> None:
        module = absolute(node, self._scope.text)
        if isinstance(node.names, cst.ImportStar):
            self._import_all(module, trying=trying)
            return
        for alias in node.names:
            name = alias.evaluated_name
            if trying and not self._names.holds(module, name, self._scope.checking):
                raise ImportFails
            self._scope.names[alias.evaluated_alias or name] = Imported(module, name)

    def _import_all(self, module: str, *, trying: bool) -> None:
        other = self._names.module(module, checking=self._scope.checking)
        if other is None:
            if trying:
                raise ImportFails
            return
        public = [name for name in other.names if not name.startswith("_")]
        listed = [n for n in other.names if n in other.exported] if other.exported else public
        for name in listed:
            self._scope.names[name] = Imported(module, name)


def catches_import_errors(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    """Return whether an `except` is for imports that fail."""
    if handler.type is None:
        return True
    caught = handler.type
    types = [e.value for e in caught.elements] if isinstance(caught, cst.Tuple) else [caught]
    return any(dotted_name(one) in IMPORT_ERRORS for one in types)


def absolute(node: cst.ImportFrom, text: ModuleText) -> str:
    """Return the full name of the module of a `from` import."""
    given = dotted_name(node.module) or ""
    if not node.relative:
        return given
    parts = text.package.split(".") if text.package else []
    kept = parts[: len(parts) - len(node.relative) + 1]
    return ".".join([*kept, *([given] if given else [])])


def unsubscripted(node: cst.BaseExpression) -> cst.BaseExpression:
    """Return `Base` for `Base[int]`."""
    return node.value if isinstance(node, cst.Subscript) else node


def has_future_annotations(tree: cst.Module) -> bool:
    """Return whether annotations are texts in a module."""
    for statement in tree.body:
        if not isinstance(statement, cst.SimpleStatementLine):
            return False
        for small in statement.body:
            if isinstance(small, cst.ImportFrom) and dotted_name(small.module) == "__future__":
                names = () if isinstance(small.names, cst.ImportStar) else small.names
                if any(alias.evaluated_name == "annotations" for alias in names):
                    return True
            elif not isinstance(small, (cst.Expr, cst.ImportFrom)):
                return False
    return False
