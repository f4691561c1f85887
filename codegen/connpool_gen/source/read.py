"""Finds a class by its name and describes it: the answers of the run-time reader, without running anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from connpool_gen.nearest import LIKENESS, nearest
from connpool_gen.probe.finding import LIKENESS_OF_MODULES
from connpool_gen.source.classes import Classes
from connpool_gen.source.defaults import Defaults
from connpool_gen.source.errors import NotFound, Unreadable
from connpool_gen.source.evaluate import Evaluator
from connpool_gen.source.instances import is_namespace, parts_of
from connpool_gen.source.members import Describer, only_declares
from connpool_gen.source.names import Names
from connpool_gen.source.texts import Texts
from connpool_gen.source.values import (
    ClassValue,
    Constant,
    Decorated,
    Deferred,
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
    from collections.abc import Sequence

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A class, and whether programs can import it from where it was searched."""

    cls: ClassValue
    exists: bool


class SourceReader:
    """Reads classes from the modules of some folders; each file is parsed once.

    `folders` are searched in their order, as `sys.path` is; `version` is that of the Python for which
    conditions are decided. Nothing is imported.
    """

    def __init__(
        self, folders: Sequence[str], version: tuple[int, int, int] = sys.version_info[:3]
    ) -> None:
        self.texts = Texts(folders)
        self._names = Names(self.texts, version)
        self._evaluator = Evaluator(self._names)
        self._classes = Classes(self._evaluator)

    def target(self, module: str, path: str) -> Json:
        """Describe the class to wrap. Raises NotFound, Unreadable."""
        found, stands_for = self._find_target(module, path)
        self._classes.unread.clear()
        described = self._described(found, module, path)
        described["static_only"] = stands_for or not found.exists
        ahead = self._ahead(found.cls, module.partition(".")[0])
        return {
            "class": described,
            "ahead": [self._perhaps(one.scope.module, one.qualname) for one in ahead],
            "place": self.texts.hooked_place(module.partition(".")[0]),
            "unread": list(self._classes.unread),
            "loaded": sorted(self.texts.read),
        }

    def classes(self, pairs: Sequence[tuple[str, str]]) -> list[Json | None]:
        """Describe further classes of the client's package; None for one that is not found."""
        return [self._perhaps(module, path) for module, path in pairs]

    def _perhaps(self, module: str, path: str) -> Json | None:
        try:
            return self._described(self._find(module, path), module, path)
        except (NotFound, Unreadable):
            return None

    def _described(self, found: Found, module: str, path: str) -> Json:
        defaults = Defaults(self._evaluator, declared_only=not found.exists)
        describer = Describer(self._classes, defaults, exists=found.exists)
        return describer.describe(found.cls, module, path)

    def _ahead(self, cls: ClassValue, package: str) -> list[ClassValue]:
        """Guess the classes of the client's namespaces, and of their namespaces.

        They are read together with the client; a missed class is described by a later request.
        """
        found: dict[ClassValue, None] = {}
        waiting = [cls]
        while waiting:
            for one in parts_of(self._classes, waiting.pop(0)):
                inside = one.scope.module.partition(".")[0] == package and "<" not in one.qualname
                new = inside and one is not cls and one not in found
                if new and is_namespace(self._classes, one):
                    found[one] = None
                    waiting.append(one)
        return list(found)

    # ------------------------------------------------------------ finding the class

    def _find_target(self, module: str, path: str) -> tuple[Found, bool]:
        """Find the class, and return whether it runs under another name.

        The stubs of a gRPC service declare `GreeterAsyncStub` for what is `GreeterStub` at run time.
        """
        stub = path.removesuffix("AsyncStub") + "Stub"
        scope = self._names.module(module, checking=False)
        runs = scope is not None and not scope.text.is_stub
        names = scope.names if scope is not None and runs else {}
        if path.endswith("AsyncStub") and path not in names and stub in names:
            return self._find(module, stub), True
        return self._find(module, path), False

    def _find(self, module: str, path: str) -> Found:
        """Search where programs look, then where only type checkers do."""
        running = self._names.module(module, checking=False)
        views = [running, self._names.module(module, checking=True)]
        views.append(self._names.module(module, checking=True, stub=True))
        scopes = [scope for scope in views if scope is not None]
        if not scopes:
            raise NotFound(f"no module named {module!r}{self._nearest_module(module)}")
        for scope in scopes:
            found = self._follow(scope, path)
            if isinstance(found, ClassValue):
                runs = running is not None and running.text.runs and found.scope.text.runs
                bound = running is not None and path.partition(".")[0] in running.names
                here = runs and (scope is running or bound)
                return Found(found, here and not self._stands_for_another(found))
        raise NotFound(self._why_none(scopes, path))

    def _follow(self, scope: Scope, path: str) -> Value:
        first, *rest = path.split(".")
        if first not in scope.names:
            found = self._names.member(scope.module, first, scope.checking)
        else:
            found = scope.names[first]
        found = self._evaluator.settled(found, scope)
        for part in rest:
            inner = self._names.attribute(found, part, scope.checking)
            found = self._evaluator.settled(inner, scope)
        return found

    def _stands_for_another(self, cls: ClassValue) -> bool:
        """Return whether a class has no code of its own, as those for which a library generates the real ones."""
        if cls.scope.text.is_stub or not only_declares(cls):
            return False
        return not self._classes.has_abstract_meta(cls)

    # ------------------------------------------------------------ why there is none

    def _why_none(self, scopes: Sequence[Scope], path: str) -> str:
        scope = scopes[0]
        first = path.partition(".")[0]
        known = sorted(
            {n for one in scopes for n, v in one.names.items() if self._is_class(one, v)}
        )
        if not any(first in one.names for one in scopes):
            return f"{scope.module} has no class {first!r}{near(first, known)}"
        found = next(self._follow(one, path) for one in scopes if first in one.names)
        return f"it is {description(found)}, not a class{near(path, known)}"

    def _is_class(self, scope: Scope, value: Value) -> bool:
        return isinstance(self._names.followed(value, scope.checking), ClassValue)

    def _nearest_module(self, name: str) -> str:
        parent, _, leaf = name.rpartition(".")
        return near(leaf, self.texts.submodules(parent), LIKENESS_OF_MODULES)


def near(name: str, known: Sequence[str], likeness: float = LIKENESS) -> str:
    """Return a hint at similar names, or nothing."""
    close = nearest(name, known, 3, likeness)
    return f"; nearest: {', '.join(close)}" if close else ""


def description(found: Value) -> str:
    """Describe the object that a name refers to where it is no class."""
    if isinstance(found, (Function, Decorated)):
        return "a function"
    if isinstance(found, ModuleValue):
        return "a module"
    if isinstance(found, (Known, NativeClass)):
        return "an object of the standard library that has no text"
    if isinstance(found, Constant):
        return f"of type {type(found.value).__name__}"
    if isinstance(found, Deferred):
        written = cst.Module([]).code_for_node(found.expression)
        return f"what {written[:60]} gives"
    if isinstance(found, (Unknown, Imported)):
        return "a name whose text is not to be found"
    return "an object"
