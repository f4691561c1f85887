"""Finds what only instances have: attributes that `__init__` sets, and the classes that make them."""

from __future__ import annotations

import ast
import dis
import functools
import importlib
import inspect
import re
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

from connpool_gen.probe.annotations import annotations_of, signature_of
from connpool_gen.probe.source import Function, function_at

CLIENT_PARAMETERS = (
    "client",
    "agent",
    "api_call",
    "api_client",
    "requestor",
    "adapter",
    "transport",
    "parent",
    "connection",
)
LOADS_OF_NUMBERS = {"LOAD_CONST", "LOAD_SMALL_INT"}  # the second since Python 3.14
GRPC_CALLABLES = {
    "unary_unary": "UnaryUnaryMultiCallable",
    "unary_stream": "UnaryStreamMultiCallable",
    "stream_unary": "StreamUnaryMultiCallable",
    "stream_stream": "StreamStreamMultiCallable",
}


def instance_attributes(cls: type) -> dict[str, tuple[str, str] | None]:
    """List the names that `__init__` sets on `self` or the class only annotates, with the class of each."""
    names: dict[str, tuple[str, str] | None] = {}
    for base in cls.__mro__:
        for name in annotations_of(base):
            names.setdefault(name)
        init = vars(base).get("__init__")
        function = inspect.unwrap(init) if callable(init) else None
        known = getattr(function, "__globals__", {})
        for name, made_by in assigned_on_self(function):
            found = class_named(made_by, known) or grpc_callable(made_by, known)
            names[name] = names.get(name) or found
    return names


def assigned_on_self(init: object) -> tuple[tuple[str, str], ...]:
    """(attribute, dotted name of what is called for its value) of an `__init__`."""
    node = function_at(init)
    if node is None or not node.args.args:
        return ()
    return tuple(self_targets(node, node.args.args[0].arg))


def self_targets(node: Function, receiver: str) -> Iterator[tuple[str, str]]:
    """Read `self.kv = api.KV(self)` as `kv`, `api.KV`; an empty name where no call makes the value."""
    made_by = {
        id(target): ast.unparse(child.value.func)
        for child in ast.walk(node)
        if isinstance(child, ast.Assign) and isinstance(child.value, ast.Call)
        for target in child.targets
    }
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and is_stored_on(child, receiver):
            yield child.attr, made_by.get(id(child), "")


def is_stored_on(node: ast.Attribute, receiver: str) -> bool:
    """Return whether a node is `self.x` on the left of an assignment."""
    held = node.value
    return isinstance(node.ctx, ast.Store) and isinstance(held, ast.Name) and held.id == receiver


def class_named(dotted: str, names: dict[str, Any]) -> tuple[str, str] | None:
    """Find the importable class that a dotted name means among a module's globals."""
    found = object_named(dotted, names)
    if not isinstance(found, type) or "<" in found.__qualname__:
        return None
    return found.__module__, found.__qualname__


def object_named(dotted: str, names: dict[str, Any]) -> object:
    """Find what a dotted name means among a module's globals; None if that is nothing."""
    first, _, rest = dotted.partition(".")
    found: object = names.get(first)
    for part in rest.split(".") if rest else ():
        found = getattr(found, part, None)
    return found


def grpc_callable(made_by: str, names: dict[str, Any]) -> tuple[str, str] | None:
    """Find the class of `channel.unary_unary(...)` in generated gRPC code, which has no types itself."""
    channel, _, maker = made_by.partition(".")
    generated = channel == "channel" and getattr(names.get("grpc"), "__name__", "") == "grpc"
    return ("grpc", GRPC_CALLABLES[maker]) if generated and maker in GRPC_CALLABLES else None


def namespaces_ahead(cls: type, package: str) -> list[type]:
    """Guess which classes are the namespaces of a client, and those of its namespaces.

    They are what getters, `__init__` and annotations name, and what getters import: a
    missed class is described by a later request, and a superfluous one costs little.
    """
    found: dict[type, None] = {}
    waiting = [cls]
    while waiting:
        named = [one for one in named_by(waiting.pop(0)) if isinstance(one, type)]
        # For type checkers an attribute may be of a base of the class that a getter imports.
        for value in (base for one in named for base in type.mro(one)):
            if value in found or value is cls:
                continue
            if value.__module__.partition(".")[0] == package and is_namespace(value):
                found[value] = None
                waiting.append(value)
    return [one for one in found if "<" not in one.__qualname__]


def place_of(cls: type) -> tuple[str, str]:
    """Return the module that defines a class, even if its `__module__` names another."""
    written_in = {f.__module__ for f in vars(cls).values() if isinstance(f, types.FunctionType)}
    for module in sorted(written_in):
        if object_named(cls.__qualname__, vars(sys.modules.get(module, sys))) is cls:
            return module, cls.__qualname__
    return cls.__module__, cls.__qualname__


def named_by(cls: type) -> Iterator[object]:
    """Yield what the text of a class names where attributes of instances are made or annotated."""
    for base in cls.__mro__[:-1]:
        known = vars(sys.modules.get(base.__module__, sys))
        for annotation in annotations_of(base).values():
            yield annotation
            yield from (known.get(name) for name in re.findall(r"\w+", str(annotation)))
        for name, raw in list(vars(base).items()):
            getter = getattr(raw, "fget", None) or getattr(raw, "func", None)
            function = raw if name == "__init__" else getter
            if isinstance(function, types.FunctionType):
                yield from map(function.__globals__.get, function.__code__.co_names)
                yield from imported_by(function)


def imported_by(function: types.FunctionType) -> Iterator[object]:
    """Yield what a function imports: large clients import their parts at first access."""
    level, module = 0, None
    for step in dis.get_instructions(function.__code__):
        if step.opname in LOADS_OF_NUMBERS and isinstance(step.argval, int):
            level = step.argval  # the last constant but one before an import: its dots
        elif step.opname == "IMPORT_NAME":
            module = imported("." * level + str(step.argval), function.__globals__)
        elif step.opname == "IMPORT_FROM":
            yield getattr(module, str(step.argval), None)


def imported(name: str, known: dict[str, Any]) -> types.ModuleType | None:
    """Import a module by a name that may begin with dots; None where that fails."""
    try:
        return importlib.import_module(name, known.get("__package__"))
    except BaseException:  # as where the client imports it: also what ends a program
        return None


def namespaces_of(package: str) -> tuple[list[str], list[tuple[str, str]]]:
    """List the loaded modules of a package, and the names in them of classes that are namespaces."""
    loaded = cast("dict[str, object]", sys.modules)  # which may hold anything
    modules = {
        name: module
        for name, module in list(loaded.items())
        if isinstance(module, types.ModuleType) and name.partition(".")[0] == package
    }
    found = [
        (module, name)
        for module, held in modules.items()
        for name, value in list(vars(held).items())
        if isinstance(value, type) and value.__module__ in modules and is_namespace(value)
    ]
    return list(modules), found


@functools.cache  # most classes have many names
def is_namespace(cls: type) -> bool:
    """Return whether instances of a class are parts of a client (`chat`, `indices`), made from it."""
    inits = (vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
    # An `__init__` that takes any argument passes it on to the next.
    first = next((name for init in inits if (name := first_parameter(init)) != "*"), "")
    return first.strip("_") in CLIENT_PARAMETERS


def first_parameter(init: object) -> str:
    """Name the first parameter of an `__init__` after `self`: "*" where it takes any number, empty where it takes none."""
    if isinstance(init, types.FunctionType) and not hasattr(init, "__wrapped__"):
        code = init.__code__  # a package has thousands
        if code.co_argcount > 1:
            return code.co_varnames[1]
        return "*" if code.co_flags & inspect.CO_VARARGS else ""
    try:
        params = list(signature_of(init).parameters.values())[1:]
    except Exception:  # a text signature can be wrong in any way
        return ""
    if not params:
        return ""
    return "*" if params[0].kind is inspect.Parameter.VAR_POSITIONAL else params[0].name
