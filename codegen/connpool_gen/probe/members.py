"""Describe a class and its members: what exists, its kind, its parameters."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import types
import typing
from typing import Any

from connpool_gen.probe.defaults import describe_default
from connpool_gen.probe.instances import instance_attributes, is_namespace, object_named

Json = dict[str, Any]

DUNDERS = (
    "__call__",
    "__contains__",
    "__delitem__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__setitem__",
    "__aiter__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
)


def describe_class(cls: type, module: str, path: str) -> Json:
    """Describe a class as plain data."""
    members = [describe_member(cls, name, raw) for name, raw in public_members(cls)]
    known = {member["name"] for member in members}
    members += [
        {"name": name, "form": "instance", "value_class": value_class}
        for name, value_class in instance_attributes(cls).items()
        if name not in known and not name.startswith("_")
    ]
    return {
        "module": module,
        "qualname": path,
        "doc": cls.__doc__ if isinstance(cls.__doc__, str) else None,
        "protocol": bool(inspect.getattr_static(cls, "_is_protocol", False)),
        "is_namespace": is_namespace(cls),
        "dynamic": any("__getattr__" in vars(base) for base in cls.__mro__[:-1]),
        "type_params": [
            type_param(cls, p) for p in inspect.getattr_static(cls, "__parameters__", ())
        ],
        "members": members,
    }


def public_members(cls: type) -> list[tuple[str, object]]:
    """Yield public names with what the class that defines them holds, own names first, source order."""
    found: dict[str, object] = {}
    for base in cls.__mro__:
        if base in (object, typing.Protocol, typing.Generic):
            continue
        for name, raw in vars(base).items():
            if name in found or not (not name.startswith("_") or name in DUNDERS):
                continue
            found[name] = raw
    return [(name, raw) for name, raw in found.items() if raw is not None]


def describe_member(cls: type, name: str, raw: Any) -> Json:
    """Describe one member by what the class that defines it holds."""
    if isinstance(raw, functools.cached_property):
        return {"name": name, "form": "cached_property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, property):
        return describe_property(name, raw)
    if isinstance(raw, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {"name": name, "form": "property", "doc": text_or_none(raw.__doc__)}
    if isinstance(raw, (classmethod, staticmethod)):
        form = "classmethod" if isinstance(raw, classmethod) else "staticmethod"
        return {**describe_function(cls, name, getattr(cls, name)), "name": name, "form": form}
    if isinstance(raw, type):
        return {"name": name, "form": "class"}
    if hasattr(raw, "__get__") and (callable(raw) or hasattr(raw, "func")):
        return {"name": name, **describe_function(cls, name, raw)}
    return {"name": name, "form": "data"}


def describe_property(name: str, raw: property) -> Json:
    """Describe a property: whether it can be set, and whether reading it awaits."""
    return {
        "name": name,
        "form": "property",
        "doc": text_or_none(raw.__doc__),
        "settable": raw.fset is not None,
        "async_getter": inspect.iscoroutinefunction(raw.fget),
    }


def text_or_none(value: object) -> str | None:
    """Take a docstring, unless something else stands in its place."""
    return value if isinstance(value, str) else None


def describe_function(cls: type, name: str, raw: Any) -> Json:
    """Describe a method: its form, its parameters as shown and as its outermost decorator takes them."""
    function = getattr(cls, name) if hasattr(raw, "func") else raw  # a partialmethod
    inner = unwrapped(function)
    described: Json = {"form": function_form(function, inner), "doc": text_or_none(raw.__doc__)}
    described["context_manager"] = context_manager(function, inner)
    described["receiver_alone"] = is_receiver_alone(function)
    described["leavable"] = returns_leavable(inner)
    bound = inspect.ismethod(function)
    shown = read_parameters(cls, name, function, drop_first=not bound, follow=True)
    outer = read_parameters(cls, name, function, drop_first=not bound, follow=False)
    described["params"] = shown
    if outer != shown:
        described["outer"] = outer
    return described


def unwrapped(function: Any) -> Any:
    """Take a function out of its decorators; unchanged where `__wrapped__` runs in a circle."""
    try:
        return inspect.unwrap(function) if callable(function) else function
    except ValueError:
        return function


def function_form(function: object, inner: object) -> str:
    """Name the form of a function: coroutine, asyncgen, generator or function."""
    for candidate in (function, inner):
        if inspect.iscoroutinefunction(candidate):
            return "coroutine"
        if inspect.isasyncgenfunction(candidate) and candidate is function:
            return "asyncgen"
        if inspect.isgeneratorfunction(candidate) and candidate is function:
            return "generator"
    return "function"


def context_manager(function: object, inner: object) -> str | None:
    """Name what `contextlib` made of a generator: context or async_context; None for other functions."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename != contextlib.__file__:
        return None
    return "async_context" if inspect.isasyncgenfunction(inner) else "context"


def returns_leavable(function: Any) -> bool:
    """Whether the annotation of the result is a class of context managers."""
    found = getattr(function, "__annotations__", {}).get("return")
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
        signature = inspect.signature(function, follow_wrapped=follow)  # type: ignore[arg-type] # callable, checked by the caller
    except Exception:  # C code without a signature, or a text signature that lies
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
    """Whether `**kwargs` may hold the receiver's own name: `def update(self, /, **fields)`."""
    try:
        params = list(inspect.signature(function).parameters.values())
    except Exception:  # a text signature can lie in any way
        return False
    catches = any(p.kind is p.VAR_KEYWORD for p in params)
    second = params[1].kind if len(params) > 1 else None
    first_only = bool(params) and params[0].kind is params[0].POSITIONAL_ONLY
    return catches and first_only and second is not inspect.Parameter.POSITIONAL_ONLY


def is_positional(param: inspect.Parameter) -> bool:
    """Whether a parameter can be given by position."""
    return param.kind in (param.POSITIONAL_ONLY, param.POSITIONAL_OR_KEYWORD)


def type_param(cls: type, param: Any) -> tuple[str, str]:
    """Find where a class's own type parameter can be imported from; empty module if nowhere."""
    name = param.__name__
    homes = [param.__module__, *(base.__module__ for base in cls.__mro__)]
    for module in homes:
        if getattr(sys.modules.get(module), name, None) is param:
            return module, name
    return "", name
