"""Describe a class and its members: what exists, its kind, its parameters."""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import functools
import inspect
import sys
import types
import typing
from typing import Any, cast

from connpool_gen.probe.annotations import annotations_of, signature_of
from connpool_gen.probe.defaults import describe_default
from connpool_gen.probe.deprecation import deprecation, undeprecated
from connpool_gen.probe.idempotency import idempotency_levels
from connpool_gen.probe.instances import instance_attributes, is_namespace, object_named
from connpool_gen.probe.source import (
    called_on_receiver,
    function_at,
    gives_a_value,
    looks_at_keywords,
    only_refuses,
    returns_its_receiver,
    runs_coroutines,
)

Json = dict[str, Any]

# Two-sided operators by their stems: `__add__`, `__radd__` and `__iadd__`.
TWO_SIDED = (
    *("add", "and", "divmod", "floordiv", "lshift", "matmul", "mod", "mul", "or", "pow"),
    *("rshift", "sub", "truediv", "xor"),
)
# Operations of callers on an instance: each works on an instance that the pool picks.
OPERATIONS = frozenset(
    [f"__{side}{stem}__" for stem in TWO_SIDED for side in ("", "r", "i")]
    + [f"__{stem}__" for stem in ("lt", "le", "gt", "ge", "neg", "pos", "abs", "invert")]
    + [f"__{stem}__" for stem in ("int", "float", "complex", "index", "bytes", "fspath")]
    + [f"__{stem}__" for stem in ("round", "trunc", "floor", "ceil", "bool", "length_hint")]
    + [f"__{stem}__" for stem in ("call", "contains", "delitem", "getitem", "setitem", "len")]
    + [f"__{stem}__" for stem in ("iter", "next", "reversed", "aiter", "anext", "await")]
    + [f"__{stem}__" for stem in ("enter", "exit", "aenter", "aexit")]
)
# Attributes that every object has, the wrapper too.
OF_EACH_OBJECT = frozenset(
    [f"__{stem}__" for stem in ("eq", "ne", "hash", "repr", "str", "format", "sizeof", "dir")]
    + [f"__{stem}__" for stem in ("reduce", "reduce_ex", "getstate")]
)
# How a client is copied and pickled, which a wrapper is not.
COPYING = frozenset(
    [f"__{stem}__" for stem in ("copy", "deepcopy", "replace")]
    + [f"__{stem}__" for stem in ("setstate", "getnewargs", "getnewargs_ex")]
)
# How a client is entered.
ENTERS = ("__enter__", "__aenter__")
# How a client is left.
LEAVES = ("__exit__", "__aexit__")
# Methods that may open a client, or something on it, such as a file.
OPENS = ("connect", "open", "initialize")
DUNDERS = OPERATIONS | OF_EACH_OBJECT | COPYING

STORE_ATTR, EXTENDED_ARG = dis.opmap["STORE_ATTR"], dis.EXTENDED_ARG
MADE_BY_PROTOCOL = ("__init__", "__subclasshook__")
DISPATCHED: list[Json] = [
    {"name": "args", "kind": "VAR_POSITIONAL"},
    {"name": "kwargs", "kind": "VAR_KEYWORD"},
]


def describe_class(cls: type, module: str, path: str) -> Json:
    """Describe a class as plain data."""
    on_instances = instance_attributes(cls)
    described = [
        (
            describe_instance(cls, name, on_instances.get(name))
            if is_set_on_instances(cls, name, raw)
            else describe_member(cls, name, raw)
        )
        for name, raw in public_members(cls)
    ]
    known = {member["name"] for member in described}
    members = described + [
        describe_instance(cls, name, value_class)
        for name, value_class in on_instances.items()
        if name not in known and not name.startswith("_")
    ]
    levels = idempotency_levels(cls)
    for member in members:
        if member["name"] in levels:
            member["idempotency"] = levels[member["name"]]
    return {
        "module": module,
        "qualname": path,
        "doc": cls.__doc__ if isinstance(cls.__doc__, str) else None,
        "protocol": bool(inspect.getattr_static(cls, "_is_protocol", False)),
        "is_namespace": is_namespace(cls),
        "dynamic": any(map(answers_any_name, cls.__mro__[:-1])),
        "type_params": [type_param(cls, p) for p in type_params(cls)],
        "kinds": [type(p).__name__ for p in type_params(cls)],
        "abstract": abstract_names(cls),
        "stored": stored_names(cls),
        "bases": [list(place) for place in source_places(cls)],
        "annotated": annotated_packages(cls),
        "members": members,
    }


def answers_any_name(base: type) -> bool:
    """Return whether a class has a `__getattr__` that gives something."""
    if "__getattr__" not in vars(base):
        return False
    node = function_at(vars(base)["__getattr__"])
    return node is None or not only_refuses(node)


def public_members(cls: type) -> list[tuple[str, object]]:
    """Yield public names with the value in the class that defines them, own names first, source order."""
    found: dict[str, object] = {}
    for base in cls.__mro__:
        if base in (object, typing.Protocol, typing.Generic):
            continue
        for name, raw in vars(base).items():
            if name in found or not (not name.startswith("_") or name in DUNDERS):
                continue
            found[name] = raw
    return [(name, raw) for name, raw in found.items() if raw is not None or is_value(cls, name)]


def is_value(cls: type, name: str) -> bool:
    """Return whether a None is an attribute's value, and does not remove a method of a base."""
    return not name.startswith("__") and all(vars(base).get(name) is None for base in cls.__mro__)


def is_set_on_instances(cls: type, name: str, raw: object) -> bool:
    """Return whether instances hold a value of their own: it is a dataclass's field, or a method sets it.

    A value that no instance sets belongs to the class, and is read from the class. A function or a
    descriptor that some instances replace is still read through the instance, as a call does.
    """
    if name in field_names(cls):
        return True
    if is_descriptor(raw):
        return False
    # No instance holds a class of its own, but a method whose bytecode is hidden may set any other value.
    hidden = not isinstance(raw, type) and any(map(hides_bytecode, held_by(cls)))
    return hidden or is_stored(functions_of(cls), name)


def is_descriptor(raw: object) -> bool:
    """Return whether a class attribute is a descriptor: it has `__get__`."""
    return hasattr(type(raw), "__get__")


@functools.cache
def field_names(cls: type) -> frozenset[str]:
    """List the fields of a dataclass; none for another class."""
    # Not by `is_dataclass`: it asks the class, whose metaclass may answer with anything.
    if not any("__dataclass_fields__" in vars(base) for base in cls.__mro__):
        return frozenset()
    return frozenset(field.name for field in dataclasses.fields(cls))


def describe_instance(cls: type, name: str, value_class: tuple[str, str] | None) -> Json:
    """Describe an attribute of instances; `set_untyped`: some method without annotations sets it.

    `reset`: another method than `__init__` sets it, `set_again`: more than one statement does,
    that of the class counted.
    """
    functions = functions_of(cls)
    untyped = tuple(function for function in functions if not annotations_of(function))
    later = tuple(function for function in functions if function.__name__ != "__init__")
    hidden = any(map(hides_bytecode, held_by(cls)))
    # The `__init__` that `dataclass` writes is no text of the class's.
    written = (one.__code__ for one in functions if one.__code__.co_filename != "<string>")
    times = sum(stores(code).count(name) for code in written)
    held = any(name in vars(base) for base in cls.__mro__)
    return {
        "name": name,
        "form": "instance",
        "value_class": value_class,
        "set_untyped": hidden or is_stored(untyped, name),
        "reset": hidden or is_stored(later, name),
        "set_again": hidden or times + held > 1,
    }


def hides_bytecode(function: object) -> bool:
    """Return whether a function cannot show what it does: Cython gives its functions code objects without bytecode."""
    # The class is asked, for a value of a client's may answer to any name.
    return hasattr(type(function), "__code__") and not isinstance(function, types.FunctionType)


@functools.cache
def held_by(cls: type) -> tuple[object, ...]:
    """List what a class and its bases hold, without decorators."""
    return tuple(unwrapped(raw) for base in cls.__mro__ for raw in vars(base).values())


def is_stored(functions: tuple[types.FunctionType, ...], name: str) -> bool:
    """Return whether some of the functions stores an attribute of this name, on whatever object."""
    return any(name in stored_by(function.__code__) for function in functions)


@functools.cache
def stored_by(code: types.CodeType) -> frozenset[str]:
    """List the names that some code stores as attributes."""
    return frozenset(stores(code))


@functools.cache
def stores(code: types.CodeType) -> tuple[str, ...]:
    """List the name of each statement of some code that stores an attribute."""
    # Not by `dis`, which takes fifty times as long, and a large client has thousands of functions.
    found: list[str] = []
    higher = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=False):
        number = higher | low
        higher = number << 8 if operation == EXTENDED_ARG else 0
        if operation == STORE_ATTR:
            found.append(code.co_names[number])
    return tuple(found)


def stored_names(cls: type) -> list[str]:
    """List the public names that any method stores as attributes, on whatever object."""
    names = {name for function in functions_of(cls) for name in stored_by(function.__code__)}
    return sorted(name for name in names if not name.startswith("_"))


@functools.cache
def functions_of(cls: type) -> tuple[types.FunctionType, ...]:
    """List all functions of a class and its bases, also those below decorators and properties."""
    return tuple(function for base in cls.__mro__ for function in own_functions(base))


def own_functions(cls: type) -> list[types.FunctionType]:
    """List the functions of a class alone, also those below decorators and properties."""
    held = list(vars(cls).values())
    functions = [unwrapped(raw) for raw in held]
    functions += [raw.fget for raw in held if isinstance(raw, property)]
    return [one for one in functions if isinstance(one, types.FunctionType)]


def annotated_packages(cls: type) -> list[str]:
    """List the packages of a class and its bases, but for Python's own, if any of these annotates anything."""
    bases = cls.__mro__[:-1]
    if not any(
        annotations_of(base) or any(map(annotations_of, own_functions(base))) for base in bases
    ):
        return []
    packages = {package_of(base.__module__) for base in bases}
    return sorted(
        name for name in packages if name.partition(".")[0] not in sys.stdlib_module_names
    )


def package_of(module: str) -> str:
    """Name the outermost package of a module that is no namespace: `google.cloud.storage`."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    files = ((name, getattr(sys.modules.get(name), "__file__", None)) for name in names)
    return next((name for name, file in files if file is not None), module)


def source_places(cls: type) -> list[tuple[str, str, str]]:
    """List (module, class, file) of a class and those of its bases that are of the same package."""
    package = cls.__module__.partition(".")[0]
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == package]
    files = [getattr(sys.modules.get(base.__module__), "__file__", None) for base in own]
    return [
        (base.__module__, base.__qualname__, file)
        for base, file in zip(own, files, strict=True)
        if isinstance(file, str) and file.endswith(".py")
    ]


def abstract_names(cls: type) -> list[str]:
    """List the members that are abstract to type checkers: those of `abc`, and all of a Protocol."""
    bases = cls.__mro__ if vars(cls).get("_is_protocol") else ()
    protocols = [b for b in bases if vars(b).get("_is_protocol") and b is not typing.Protocol]
    declared = {
        name
        for base in protocols
        for name, raw in vars(base).items()
        if isinstance(raw, (types.FunctionType, property)) and name not in MADE_BY_PROTOCOL
    }
    declared.update(name for base in protocols for name in annotations_of(base))
    return sorted({*declared, *vars(cls).get("__abstractmethods__", ())})


def describe_member(cls: type, name: str, raw: Any) -> Json:
    """Describe one member by its value in the class that defines it."""
    if isinstance(raw, functools.cached_property):
        return {"name": name, "form": "cached_property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, property):
        return describe_property(name, raw)
    if isinstance(raw, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {"name": name, "form": "property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, (functools.partialmethod, functools.singledispatchmethod)):
        return {"name": name, **describe_function(cls, name, raw)}
    if isinstance(raw, (classmethod, staticmethod)):
        form = "classmethod" if isinstance(raw, classmethod) else "staticmethod"
        return {**describe_function(cls, name, getattr(cls, name)), "name": name, "form": form}
    if isinstance(raw, type):
        return {"name": name, "form": "class"}
    if is_descriptor(raw):
        if callable(raw):
            return {"name": name, **describe_function(cls, name, raw)}
        return {"name": name, "form": "property", "doc": text_or_none(raw.__doc__)}
    return {"name": name, "form": "data"}


def describe_property(name: str, raw: property) -> Json:
    """Describe a property: whether it can be set, and whether reading it awaits."""
    return {
        "name": name,
        "form": "property",
        "doc": text_or_none(raw.__doc__),
        "settable": raw.fset is not None,
        "async_getter": inspect.iscoroutinefunction(raw.fget),
        "deprecated": deprecation(raw.fget),
    }


def text_or_none(value: object) -> str | None:
    """Take a docstring, unless something else stands in its place."""
    return value if isinstance(value, str) else None


def describe_function(cls: type, name: str, raw: Any) -> Json:
    """Describe a method: its form, its parameters as shown and as its outermost decorator takes them."""
    function = undeprecated(method_of(cls, name, raw))
    inner = unwrapped(function)
    described: Json = {"form": function_form(function, inner), "doc": text_or_none(raw.__doc__)}
    if inspect.iscoroutinefunction(function):
        described["runs_as_coroutine"] = True
    described["context_manager"] = context_manager(function, inner)
    described["receiver_alone"] = is_receiver_alone(function)
    described["leavable"] = returns_leavable(inner)
    described["deprecated"] = deprecation(raw)
    bound = inspect.ismethod(function)
    shown = read_parameters(cls, name, function, drop_first=not bound, follow=True)
    outer = read_parameters(cls, name, function, drop_first=not bound, follow=False)
    if isinstance(raw, functools.singledispatchmethod):
        outer = DISPATCHED  # it looks at the type of the first argument given by position
    described["params"] = shown
    if asks_for_literals(inner):
        described["literal"] = True
    if name in ENTERS and (node := function_at(function)) and returns_its_receiver(node):
        described["returns_receiver"] = True
    if name in LEAVES and (node := function_at(inner)) and (calls := called_on_receiver(node)):
        described["calls"] = calls
    if name in OPENS and (node := function_at(inner)) and gives_a_value(node):
        described["gives_value"] = True
    if outer != shown:
        described["outer"] = outer
        if is_looked_through(function):
            described["reads_keywords"] = True
    return described


def is_looked_through(function: Any) -> bool:
    """Return whether a decorator of a function looks at the keywords of a call."""
    seen: set[int] = set()
    while hasattr(function, "__wrapped__") and id(function) not in seen:
        seen.add(id(function))
        node = function_at(function)
        made_here = getattr(function, "__globals__", None) is vars(contextlib)
        if made_here or node is None or node.args.kwarg is None:
            return False  # a type unknown inside cannot be given from here
        if looks_at_keywords(node):
            return True
        function = function.__wrapped__
    return False


def asks_for_literals(function: Any) -> bool:
    """Return whether a parameter is annotated as `LiteralString`, which mypy takes for `str`."""
    annotations = annotations_of(function).items()
    return any("LiteralString" in str(said) for name, said in annotations if name != "return")


def method_of(cls: type, name: str, raw: Any) -> Any:
    """Return the function behind a class attribute; a descriptor that creates one is evaluated."""
    if isinstance(raw, functools.singledispatchmethod):
        return raw.func
    return getattr(cls, name) if isinstance(raw, functools.partialmethod) else raw


def unwrapped(function: Any) -> Any:
    """Unwrap a function from its decorators; unchanged where `__wrapped__` is circular."""
    try:
        return inspect.unwrap(function) if callable(function) else function
    except ValueError:
        return function


def function_form(function: object, inner: object) -> str:
    """Name the form of a function: coroutine, asyncgen, generator or function."""
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    if inspect.isasyncgenfunction(function):
        return "asyncgen"
    if inspect.isgeneratorfunction(function):
        return "generator"
    node = function_at(function) if inspect.iscoroutinefunction(inner) else None
    hands_on = inspect.iscoroutinefunction(inner) and (node is None or not runs_coroutines(node))
    return "coroutine" if hands_on else "function"


def context_manager(function: object, inner: object) -> str | None:
    """Name what `contextlib` made of a generator: context or async_context; None for other functions."""
    code = getattr(function, "__code__", None)
    if code is None or (code.co_filename, code.co_name) != (contextlib.__file__, "helper"):
        return None
    return "async_context" if inspect.isasyncgenfunction(inner) else "context"


def returns_leavable(function: Any) -> bool:
    """Return whether the annotation of the result is a class of context managers."""
    found = annotations_of(function).get("return")
    if isinstance(found, str):
        found = object_named(found, getattr(function, "__globals__", {}))
    leaves = any(hasattr(found, name) for name in ("__exit__", "__aexit__"))
    return isinstance(found, type) and leaves


def read_parameters(
    cls: type, name: str, function: object, *, drop_first: bool, follow: bool
) -> list[Json] | None:
    """Read the parameters after the receiver; None where C code shows no signature."""
    static = isinstance(inspect.getattr_static(cls, name), staticmethod)
    try:
        signature = signature_of(function, follow=follow)
    except Exception:  # C code without a signature, or a wrong text signature
        return None
    params = list(signature.parameters.values())
    if drop_first and not static and params and is_positional(params[0]):
        params = params[1:]
    return [
        {"name": p.name, "kind": p.kind.name}
        | ({} if p.default is p.empty else {"default": describe_default(function, p)})
        for p in params
    ]


def is_receiver_alone(function: Any) -> bool:
    """Return whether `**kwargs` may hold the receiver's own name: `def update(self, /, **fields)`."""
    try:
        params = list(signature_of(function).parameters.values())
    except Exception:  # a text signature can be wrong in any way
        return False
    catches = any(p.kind is p.VAR_KEYWORD for p in params)
    second = params[1].kind if len(params) > 1 else None
    first_only = bool(params) and params[0].kind is params[0].POSITIONAL_ONLY
    return catches and first_only and second is not inspect.Parameter.POSITIONAL_ONLY


def is_positional(param: inspect.Parameter) -> bool:
    """Return whether a parameter can be given by position."""
    return param.kind in (param.POSITIONAL_ONLY, param.POSITIONAL_OR_KEYWORD)


def type_params(cls: type) -> tuple[object, ...]:
    """List the type parameters of a class, without asking a metaclass."""
    found = inspect.getattr_static(cls, "__parameters__", ())
    return cast("tuple[object, ...]", found) if isinstance(found, tuple) else ()


def type_param(cls: type, param: Any) -> tuple[str, str]:
    """Find where a class's own type parameter can be imported from; empty module if nowhere."""
    name = param.__name__
    homes = [param.__module__, *(base.__module__ for base in cls.__mro__)]
    for module in homes:
        if getattr(sys.modules.get(module), name, None) is param:
            return module, name
    return "", name
