"""Defaults of parameters: a literal's text, or a name that leads to the very same object.

The answers are those of the run-time reader, `probe/defaults.py`, worked out from the text. What a text
hides (`...` in a stub), or that only the client knows, is left to the client's own default.
"""

from __future__ import annotations

import enum
import importlib
import sys
from typing import TYPE_CHECKING, Any

import libcst as cst

from connpool_gen.probe.defaults import is_hidden, resolves_to
from connpool_gen.probe.defaults import literal_text as run_time_literal
from connpool_gen.source.constants import NotConstant, dotted_name, literal_text
from connpool_gen.source.values import (
    ClassValue,
    EnumMember,
    Function,
    Imported,
    Known,
    ModuleValue,
    NativeClass,
    Scope,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connpool_gen.source.evaluate import Evaluator

Json = dict[str, Any]
HIDDEN: Json = {"hidden": True}


class Defaults:
    """Describes defaults. With `declared_only`, the class has no code, so only literals are known."""

    def __init__(self, evaluator: Evaluator, *, declared_only: bool) -> None:
        self._evaluator = evaluator
        self._names = evaluator.names
        self._declared_only = declared_only

    def describe(self, node: cst.BaseExpression, function: Function) -> Json:
        """Describe the default of one parameter."""
        if self._declared_only or function.scope.text.is_stub:
            return self._as_written(node, function.scope)
        try:
            text = literal_text(self._names.constant(node, function.scope))
        except NotConstant:
            text = None
        if text is not None:
            return {"text": text}
        dotted = dotted_name(node)
        return self._named(dotted, function.scope) if dotted is not None else {}

    def _as_written(self, node: cst.BaseExpression, scope: Scope) -> Json:
        """Keep a literal as its author wrote it; anything else is known only to the client."""
        if isinstance(node, cst.Ellipsis):
            return HIDDEN
        try:
            value = self._names.constant(node, scope)
        except NotConstant:
            return HIDDEN
        if literal_text(value) is None:
            return HIDDEN
        is_literal = dotted_name(node) in (None, "True", "False", "None")
        written = cst.Module([]).code_for_node(node).strip()
        plain = (
            is_literal and written.isprintable() and not isinstance(node, cst.ConcatenatedString)
        )
        return {"text": written if plain else literal_text(value)}

    # ------------------------------------------------------------ names

    def _named(self, dotted: str, scope: Scope) -> Json:
        found = self._evaluator.settled(self._names.find(dotted, scope), scope)
        module, outer = scope.module, self._names.outer(scope)
        if isinstance(found, EnumMember) and found.name in ("name", "value"):
            return {}
        names = list(self._places(found, dotted, outer, module)) if known(found) else []
        if not names:
            real = self._standard(dotted, outer)
            return describe_real(*real) if real is not None else {}
        for hidden in (False, True):
            for home, qualname in names:
                if is_hidden(home) is hidden:
                    return {"ref": list(self._shortest(home, qualname, found, scope.checking))}
        return {}

    def _places(
        self, found: Value, dotted: str, outer: Scope, module: str
    ) -> Iterator[tuple[str, str]]:
        """Yield the names that lead to an object, the most likely first."""
        if isinstance(found, EnumMember) and found.place is not None:
            yield found.place
        if dotted.partition(".")[0] in outer.names:
            yield from self._origins(module, dotted, outer, frozenset())
        if isinstance(found, ClassValue):
            yield found.scope.module, found.qualname
        if isinstance(found, NativeClass):
            yield "builtins", found.cls.__name__

    def _origins(
        self, module: str, written: str, scope: Scope, seen: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield where a name is defined, then each module that imports it from there."""
        first, dot, rest = written.partition(".")
        held = scope.names.get(first)
        target = self._names.followed(
            held if held is not None else self._names.member(module, first, scope.checking),
            scope.checking,
        )
        if isinstance(target, ModuleValue) and rest:
            below = self._names.module(target.name, checking=scope.checking)
            if below is not None and target.name not in seen:
                yield from self._origins(target.name, rest, below, seen | {module})
        elif isinstance(held, Imported) and held.name is not None and held.module not in seen:
            above = self._names.module(held.module, checking=scope.checking)
            if above is not None:
                name = held.name + dot + rest
                yield from self._origins(held.module, name, above, seen | {module})
        yield module, written

    def _shortest(
        self, module: str, qualname: str, found: Value, checking: bool
    ) -> tuple[str, str]:
        """Prefer the public package that re-exports a name to the private module that defines it."""
        parts = module.split(".")
        for length in range(1, len(parts)):
            package = ".".join(parts[:length])
            scope = self._names.module(package, checking=checking)
            if scope is None or qualname.partition(".")[0] not in scope.exported:
                continue
            other = self._evaluator.settled(self._names.find(qualname, scope), scope)
            if other is found or (isinstance(found, EnumMember) and other == found):
                return package, qualname
        return module, qualname

    # ------------------------------------------------------------ the standard library

    def _standard(self, dotted: str, scope: Scope) -> tuple[str, str, object] | None:
        """Find an object of the standard library, which exists without importing the client."""
        found = self._names.find(dotted, scope)
        if isinstance(found, Known):
            module, _, name = found.name.rpartition(".")
            return real_object(module, name)
        parts = dotted.split(".")
        for length in range(len(parts) - 1, 0, -1):
            place = self._names.find(".".join(parts[:length]), scope)
            if isinstance(place, ModuleValue) and is_standard(place.name):
                return real_object(place.name, ".".join(parts[length:]))
        held = scope.names.get(parts[0])
        if isinstance(held, Imported) and held.name is not None and is_standard(held.module):
            return real_object(held.module, ".".join([held.name, *parts[1:]]))
        return None


def known(found: Value) -> bool:
    """Return whether a value is an object of the client's own, and was found."""
    return not isinstance(found, (Unknown, Known, Imported))


def is_standard(module: str) -> bool:
    """Return whether a module belongs to the standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def real_object(module: str, name: str) -> tuple[str, str, object] | None:
    """Return an object of the standard library."""
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:  # a module of another platform
        return None
    return module, name, found


def describe_real(module: str, name: str, value: object) -> Json:
    """Describe an object of the standard library as the run-time reader would."""
    text = run_time_literal(value)
    if text is not None:
        return {"text": text}
    if isinstance(value, enum.Enum):
        return {"ref": [type(value).__module__, f"{type(value).__qualname__}.{value.name}"]}
    home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(home, str) or not isinstance(own, str) or is_hidden(home):
        return {"ref": [module, name]}
    return {"ref": [home, own] if resolves_to(home, own, value) else [module, name]}
