"""Describes a class and its members as the run-time reader does, from the texts alone."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from connpool_gen.probe.members import DUNDERS, MADE_BY_PROTOCOL
from connpool_gen.probe.members import describe_member as describe_native
from connpool_gen.probe.source import only_refuses
from connpool_gen.source.constants import dotted_name
from connpool_gen.source.functions import Functions, deprecation_of, doc_of
from connpool_gen.source.instances import instance_attributes, is_namespace
from connpool_gen.source.nodes import (
    comments,
    docstring,
    does_nothing,
    is_annotated,
    is_coroutine,
    stored_in,
)
from connpool_gen.source.values import (
    ClassMethod,
    ClassValue,
    Constant,
    Deferred,
    Dispatched,
    Function,
    Instance,
    Known,
    NativeClass,
    Partial,
    Property,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from connpool_gen.source.classes import Classes
    from connpool_gen.source.defaults import Defaults

Json = dict[str, Any]
CALLED = (Function, ClassMethod, Partial, Dispatched)
# What `@dataclass` adds to a class, in its order, with the option that requests it.
MADE_BY_DATACLASS = (
    ("__repr__", "repr", True),
    ("__eq__", "eq", True),
    ("__lt__", "order", False),
    ("__le__", "order", False),
    ("__gt__", "order", False),
    ("__ge__", "order", False),
)
BY_DATACLASS = Known("dataclasses.dataclass")
OTHER: Json = {"name": "other", "kind": "POSITIONAL_OR_KEYWORD"}
NOTHING = Constant(None)
UNREAD = "what it holds could not be read from the source"


@dataclass(frozen=True, slots=True)
class Stored:
    """The attributes that methods store, on any object.

    `untyped`: by methods without annotations, `later`: by others than `__init__`, `again`: by more
    than one statement.
    """

    names: frozenset[str]
    untyped: frozenset[str]
    later: frozenset[str]
    again: frozenset[str]

    @staticmethod
    def by(functions: list[Function]) -> Stored:
        """Collect the attributes that some functions store."""
        names = [(function, stored_in(function)) for function in functions]
        times = Counter(name for _, stored in names for name in stored)
        return Stored(
            frozenset(times),
            frozenset(name for f, stored in names if not is_annotated(f) for name in stored),
            frozenset(name for f, stored in names if name_of(f) != "__init__" for name in stored),
            frozenset(name for name, count in times.items() if count > 1),
        )


class Slot:
    """The descriptor that `__slots__` creates for one of its names."""


SLOT = Slot()
Held = Value | Slot


class Describer:
    """Describes classes of one client; with `exists`, programs can import the class."""

    def __init__(self, classes: Classes, defaults: Defaults, *, exists: bool) -> None:
        self._classes = classes
        self._functions = Functions(classes, defaults)
        self._exists = exists

    def describe(self, cls: ClassValue, module: str, path: str) -> Json:
        """Describe a class as plain data."""
        on_instances = instance_attributes(self._classes, cls)
        fields = self._classes.fields(cls)
        stored = Stored.by(self._classes.functions(cls))
        described: list[Json] = []
        for name, (base, held) in self._public(cls).items():
            if isinstance(base, NativeClass):
                raw = vars(base.cls)[name]
                described.append(describe_native(base.cls, name, raw))
            elif name in fields or self._is_set_on_instances(held, name, stored):
                once_more = {"set_again": name in stored.names}
                described.append(instance(name, on_instances.get(name), stored) | once_more)
            else:
                texts = self._doc_assigned(base, name) | self._comments(held)
                described.append(self._member(name, held) | texts)
        known = {member["name"] for member in described}
        described += [
            self._declared(cls, name, value_class, stored)
            for name, value_class in on_instances.items()
            if name not in known and not name.startswith("_")
        ]
        params = self._classes.type_parameters(cls)
        return {
            "module": module,
            "qualname": path,
            "doc": docstring(cls.node),
            "protocol": self._classes.is_protocol(cls),
            "is_namespace": is_namespace(self._classes, cls),
            "dynamic": self._answers_any_name(cls),
            "type_params": [self._home_of(param, cls) for param in params],
            "kinds": [param.kind for param in params],
            "abstract": self._abstract(cls),
            "stored": self._stored(cls, stored),
            "annotated": self._annotated_packages(cls),
            "bases": self._places(cls),
            "members": described,
        }

    # ------------------------------------------------------------ what a class holds

    def _answers_any_name(self, cls: ClassValue) -> bool:
        """Return whether a class has a `__getattr__` that gives something."""
        found = self._classes.finds(cls, "__getattr__")
        if not isinstance(found, Function) or not isinstance(found.node, cst.FunctionDef):
            return found is not None
        try:
            [node] = ast.parse(cst.Module([]).code_for_node(found.node).strip()).body
        except SyntaxError:  # for a newer Python than ours
            return True
        return not (isinstance(node, ast.FunctionDef) and only_refuses(node))

    def _public(self, cls: ClassValue) -> dict[str, tuple[Any, Held]]:
        """List public names with their classes and values, own names first."""
        found: dict[str, tuple[Any, Held]] = {}
        for base in self._classes.order(cls):
            names = self._held(base)
            for name, held in names.items():
                if name not in found and (not name.startswith("_") or name in DUNDERS):
                    found[name] = (base, held)
        return {
            name: (base, held)
            for name, (base, held) in found.items()
            if held != NOTHING or self._is_value(cls, name)
        }

    def _held(self, base: Any) -> dict[str, Held]:
        """List what one class holds itself, as the running class does."""
        if isinstance(base, NativeClass):
            raws = vars(base.cls).items()
            return {name: NOTHING if raw is None else Unknown("") for name, raw in raws}
        if not isinstance(base, ClassValue):
            return {}
        body = self._classes.names.body(base)
        settled = self._classes.evaluator.settled
        found: dict[str, Held] = {n: settled(held, body) for n, held in body.names.items()}
        self._add_dataclass(base, found)
        options = self._classes.dataclass_options(base) or {}
        if options.get("frozen") and options.get("eq", True):
            found.setdefault("__hash__", BY_DATACLASS)
        elif "__eq__" in found:
            found.setdefault("__hash__", NOTHING)
        for name in self._classes.slots(base):
            found[name] = SLOT
        return found

    def _add_dataclass(self, cls: ClassValue, found: dict[str, Held]) -> None:
        """Apply what `@dataclass` does to the names of a class."""
        options = self._classes.dataclass_options(cls)
        if options is None:
            return
        for name in self._classes.fields(cls):
            held = found.get(name)
            if isinstance(held, Deferred) and is_call_of(held, "field"):
                found.pop(name)
                call = cst.ensure_type(held.expression, cst.Call)
                given = {a.keyword.value for a in call.args if a.keyword}
                if "default" in given:
                    found[name] = Unknown("the default of a field")
        for name, option, usual in MADE_BY_DATACLASS:
            if options.get(option, usual):
                found.setdefault(name, BY_DATACLASS)

    def _is_value(self, cls: ClassValue, name: str) -> bool:
        """Return whether a None is an attribute's value, and does not remove a method of a base."""
        every = [self._held(base).get(name, NOTHING) for base in self._classes.order(cls)]
        return not name.startswith("__") and all(held == NOTHING for held in every)

    def _is_set_on_instances(self, held: Held, name: str, stored: Stored) -> bool:
        return not self._is_descriptor(held) and name in stored.names

    def _is_descriptor(self, held: Held) -> bool:
        if isinstance(held, Instance):
            return isinstance(held.cls, ClassValue) and (
                self._classes.finds(held.cls, "__get__") is not None
            )
        return isinstance(held, (*CALLED, Property, Slot))

    # ------------------------------------------------------------ one member

    def _member(self, name: str, held: Held) -> Json:
        """Describe one member by its value in the class that defines it."""
        if isinstance(held, Slot):
            return {"name": name, "form": "property", "doc": None}
        if held == BY_DATACLASS:
            params = [] if name in ("__repr__", "__hash__") else [OTHER]
            return {"name": name, "form": "function", "params": params}
        if isinstance(held, Property):
            return self._property(name, held)
        if isinstance(held, CALLED):
            return self._called(name, held)
        if isinstance(held, (ClassValue, NativeClass)):
            return {"name": name, "form": "class" if self._exists else "instance"}
        if isinstance(held, Instance) and self._is_descriptor(held):
            return {"name": name, "form": "property", "doc": self._doc_of_instance(held)}
        if isinstance(held, Unknown) or (isinstance(held, Deferred) and may_be_anything(held)):
            if name in DUNDERS:
                return {"name": name, "form": "function", "params": None}
            return {"name": name, "form": "instance", "note": UNREAD}
        return {"name": name, "form": "data" if self._exists else "instance"}

    def _doc_assigned(self, cls: ClassValue, name: str) -> Json:
        """Return the docstring that `name.__doc__ = ...` sets in the body of the class."""
        body = self._classes.names.body(cls)
        node = body.docs.get(name)
        if node is None:
            return {}
        if isinstance(node, cst.Attribute) and node.attr.value == "__doc__":
            found = self._classes.evaluator.value(node.value, body, {})
            return {"doc": doc_of(found)} if isinstance(found, Function) else {}
        found = self._classes.evaluator.value(node, body, {})
        return {"doc": found.value} if isinstance(found, Constant) else {}

    def _comments(self, held: Held) -> Json:
        """Return the comments above a member of a stub, often its only documentation."""
        if isinstance(held, Property):
            held = held.getter
        function = held.function if isinstance(held, ClassMethod) else held
        if not isinstance(function, Function):
            return {}
        first = (function.overloads or [function])[0].innermost
        stubbed = first.scope.text.is_stub or not self._exists
        lines = comments(first.node) if stubbed else []
        return {"comments": lines} if lines else {}

    def _property(self, name: str, held: Property) -> Json:
        getter = held.getter if isinstance(held.getter, Function) else None
        doc = held.doc or (doc_of(getter) if getter is not None else None)
        if held.cached:
            return {"name": name, "form": "cached_property", "doc": doc}
        return {
            "name": name,
            "form": "property",
            "doc": doc,
            "settable": held.settable,
            "async_getter": getter is not None and is_coroutine(getter),
            "deprecated": deprecation_of(getter) if getter is not None else None,
        }

    def _called(self, name: str, held: Any) -> Json:
        described = {"name": name, **self._functions.describe(held)}
        function = held.function if isinstance(held, ClassMethod) else held
        if isinstance(function, Function) and function.puzzling:
            decorators = ", ".join(dict.fromkeys(function.puzzling))
            described["note"] = f"a decorator could not be read: {decorators}"
        if not self._exists and isinstance(held, ClassMethod):
            described["form"] = "function"
            described["note"] = "called on one member: there is no class to call it on"
        return described

    def _doc_of_instance(self, held: Instance) -> str | None:
        """Return the docstring of a descriptor: that of its class, or that of the function if it copies it."""
        cls = held.cls
        if not isinstance(cls, ClassValue):
            return None
        init = self._classes.finds(cls, "__init__")
        takes_over = isinstance(init, Function) and "__doc__" in stored_in(init)
        if takes_over and isinstance(held.given, Function):
            return doc_of(held.given)
        return docstring(cls.node)

    def _declared(
        self,
        cls: ClassValue,
        name: str,
        value_class: tuple[str, str] | None,
        stored: Stored,
    ) -> Json:
        """Describe an attribute that is declared, or that `__init__` sets."""
        for base in self._classes.own_order(cls):
            annotation = self._classes.names.body(base).declared.get(name)
            if annotation is None:
                continue
            of_class = self._exists and base.scope.text.is_stub
            if of_class and self._classes.is_class_variable(annotation):
                return {"name": name, "form": "data"}
            break
        return instance(name, value_class, stored)

    # ------------------------------------------------------------ the class as a whole

    def _stored(self, cls: ClassValue, stored: Stored) -> list[str]:
        """List the public names that any method stores, including the generated `__init__` of a dataclass."""
        names = {name for name in stored.names if not name.startswith("_")}
        for base in self._classes.own_order(cls):
            options = self._classes.dataclass_options(base)
            if options is not None and options.get("init", True) and not options.get("frozen"):
                names.update(n for n in self._classes.fields(base) if not n.startswith("_"))
        return sorted(names)

    def _home_of(self, param: Any, cls: ClassValue) -> tuple[str, str]:
        """Find where a class's own type parameter can be imported from; empty module if nowhere."""
        scope = self._classes.names.module(param.module, checking=cls.scope.checking)
        gone = scope is not None and param.name not in scope.names
        return ("" if gone else param.module), param.name

    def _abstract(self, cls: ClassValue) -> list[str]:
        """List the members that are abstract to type checkers: those of `abc`, and all of a Protocol."""
        found: set[str] = set()
        if self._classes.is_protocol(cls):
            for base in self._classes.own_order(cls):
                if self._classes.is_protocol(base):
                    found |= self._declared_by(base)
        if self._classes.has_abstract_meta(cls):
            every = {n for base in self._classes.own_order(cls) for n in self._held(base)}
            found |= {n for n in every if is_abstract(self._classes.finds(cls, n))}
        return sorted(found)

    def _declared_by(self, protocol: ClassValue) -> set[str]:
        names = set(self._classes.names.body(protocol).declared)
        for name, held in self._held(protocol).items():
            plain = isinstance(held, Function) or (isinstance(held, Property) and not held.cached)
            if plain and name not in MADE_BY_PROTOCOL:
                names.add(name)
        return names

    def _annotated_packages(self, cls: ClassValue) -> list[str]:
        """List the packages of a class and its bases, but for Python's own, if any of these annotates anything."""
        bases = self._classes.own_order(cls)
        functions = self._classes.functions(cls)
        if not any(map(is_annotated, functions)) and not any(map(declares_types, bases)):
            return []
        packages = {package_of(base) for base in bases}
        return sorted(n for n in packages if n.partition(".")[0] not in sys.stdlib_module_names)

    def _places(self, cls: ClassValue) -> list[list[str]]:
        """List (module, class, file) of a class and those of its bases in the same package."""
        package = cls.scope.module.partition(".")[0]
        return [
            [base.scope.module, base.qualname, str(base.scope.text.file)]
            for base in self._classes.own_order(cls)
            if base.scope.module.partition(".")[0] == package and not base.scope.text.is_stub
        ]


def is_call_of(held: Deferred, name: str) -> bool:
    """Return whether an expression calls a function of this name."""
    node = held.expression
    if not isinstance(node, cst.Call):
        return False
    called = node.func
    written = called.attr if isinstance(called, cst.Attribute) else called
    return isinstance(written, cst.Name) and written.value == name


def may_be_anything(held: Deferred) -> bool:
    """Return whether an expression could give a function or a descriptor: it calls something that was not read."""
    return isinstance(held.expression, (cst.Call, cst.Name, cst.Attribute, cst.Subscript))


def name_of(function: Function) -> str:
    """Return the name of a function, none of a lambda."""
    return function.node.name.value if isinstance(function.node, cst.FunctionDef) else ""


def declares_types(cls: ClassValue) -> bool:
    """Return whether the body of a class annotates an attribute."""
    lines = [line for line in cls.node.body.body if isinstance(line, cst.SimpleStatementLine)]
    return any(isinstance(small, cst.AnnAssign) for line in lines for small in line.body)


def package_of(cls: ClassValue) -> str:
    """Name the outermost package of a class's module that is no namespace: `google.cloud.storage`."""
    file, parts = cls.scope.text.file, cls.scope.module.split(".")
    if file is None:
        return parts[0]
    folder, depth = file.parent, len(parts) - (file.stem != "__init__")
    while depth > 0 and any((folder / f"__init__{end}").exists() for end in (".py", ".pyi")):
        folder, depth = folder.parent, depth - 1
    return ".".join(parts[: depth + 1])


def instance(name: str, value_class: tuple[str, str] | None, stored: Stored) -> Json:
    """Describe an attribute of instances; with `set_untyped`, a method without annotations sets it."""
    return {
        "name": name,
        "form": "instance",
        "value_class": list(value_class) if value_class is not None else None,
        "set_untyped": name in stored.untyped,
        "reset": name in stored.later,
        "set_again": name in stored.again,
    }


def is_abstract(held: Value | None) -> bool:
    """Return whether a member is marked with `@abstractmethod`."""
    if isinstance(held, ClassMethod):
        return is_abstract(held.function)
    if isinstance(held, Property):
        return is_abstract(held.getter)
    return isinstance(held, Function) and held.abstract


def only_declares(cls: ClassValue) -> bool:
    """Return whether a class has no code although it promises results, so that another class is what runs."""
    functions = [node for node in cls.node.body.body if isinstance(node, cst.FunctionDef)]
    return all(map(does_nothing, functions)) and any(map(promises, functions))


def promises(node: cst.FunctionDef) -> bool:
    """Return whether the annotation of a function promises a result other than None."""
    return node.returns is not None and dotted_name(node.returns.annotation) != "None"
