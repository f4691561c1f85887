"""Finds attributes that only instances have: set by `__init__` or declared by the class."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import libcst as cst

from connpool_gen.probe.instances import CLIENT_PARAMETERS, GRPC_CALLABLES, self_targets
from connpool_gen.source.constants import dotted_name
from connpool_gen.source.evaluate import is_class
from connpool_gen.source.functions import kinds_of
from connpool_gen.source.values import (
    ClassValue,
    Function,
    Known,
    ModuleValue,
    Property,
    Scope,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connpool_gen.source.classes import Classes


def instance_attributes(classes: Classes, cls: ClassValue) -> dict[str, tuple[str, str] | None]:
    """List the names that `__init__` sets on `self` or the class declares, with the class of each."""
    names: dict[str, tuple[str, str] | None] = {}
    for base in classes.own_order(cls):
        body = classes.names.body(base)
        for name in body.declared:
            names.setdefault(name)
        if "__init__" not in body.names:
            continue
        init = classes.evaluator.settled(body.names["__init__"], body)
        if not isinstance(init, Function):
            continue
        scope = classes.names.outer(init.innermost.scope)
        for name, made_by in assigned_on_self(init.innermost):
            found = class_named(classes, made_by, scope) or grpc_callable(classes, made_by, scope)
            names[name] = names.get(name) or found
    return names


def assigned_on_self(init: Function) -> Iterator[tuple[str, str]]:
    """Yield (attribute, dotted name of what is called for its value) of an `__init__`."""
    if not isinstance(init.node, cst.FunctionDef):
        return
    # The run-time reader's own function lists them, so that the order is the same.
    bare = init.node.with_changes(decorators=(), leading_lines=())
    node = ast.parse(cst.Module([]).code_for_node(bare)).body[0]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.args.args:
        yield from self_targets(node, node.args.args[0].arg)


def class_named(classes: Classes, dotted: str, scope: Scope) -> tuple[str, str] | None:
    """Find the importable class that a dotted name means in a module."""
    if not dotted.replace(".", "").isidentifier() or dotted.partition(".")[0] not in scope.names:
        return None
    found = classes.evaluator.settled(classes.names.find(dotted, scope), scope)
    if isinstance(found, Known) and is_class(found.name):
        module, _, name = found.name.rpartition(".")
        return module, name
    if not isinstance(found, ClassValue) or "<" in found.qualname:
        return None
    return found.scope.module, found.qualname


def grpc_callable(classes: Classes, made_by: str, scope: Scope) -> tuple[str, str] | None:
    """Find the class of `channel.unary_unary(...)` in generated gRPC code, which has no types itself."""
    channel, _, maker = made_by.partition(".")
    if channel != "channel" or maker not in GRPC_CALLABLES:
        return None
    is_grpc = classes.names.find("grpc", scope) == ModuleValue("grpc")
    return ("grpc", GRPC_CALLABLES[maker]) if is_grpc else None


def parts_of(classes: Classes, cls: ClassValue) -> Iterator[ClassValue]:
    """Yield the classes that declarations, getters and `__init__` name for attributes of instances."""
    for base in classes.own_order(cls):
        body = classes.names.body(base)
        named = [dotted_name(annotation) for annotation in body.declared.values()]
        for held in list(body.names.values()):
            value = classes.evaluator.settled(held, body)
            if isinstance(value, Property) and isinstance(value.getter, Function):
                named.append(returned_name(value.getter.innermost))
            elif held is body.names.get("__init__") and isinstance(value, Function):
                named += [made_by for _, made_by in assigned_on_self(value.innermost)]
        for dotted in named:
            if dotted is None or not dotted.replace(".", "").isidentifier():
                continue
            # A name imported only for type checkers counts as well.
            for checking in (False, True):
                scope = classes.names.module(base.scope.module, checking=checking)
                found = classes.names.find(dotted, scope) if scope is not None else None
                if isinstance(found, ClassValue):
                    yield found
                    break


def returned_name(function: Function) -> str | None:
    """Return the dotted name that annotates the result of a function, also a quoted one."""
    node = function.node
    if not isinstance(node, cst.FunctionDef) or node.returns is None:
        return None
    annotation = node.returns.annotation
    if isinstance(annotation, cst.SimpleString):
        return str(annotation.evaluated_value)
    return dotted_name(annotation)


def is_namespace(classes: Classes, cls: ClassValue) -> bool:
    """Return whether instances of a class are namespaces of a client: they are created from it."""
    for base in classes.own_order(cls):
        if names := classes.initialised(base):
            return names[0].strip("_") in CLIENT_PARAMETERS
        body = classes.names.body(base)
        if "__init__" not in body.names:
            continue
        init = classes.evaluator.settled(body.names["__init__"], body)
        taken = kinds_of(init.innermost)[1:2] if isinstance(init, Function) else []
        # An __init__ that takes *args passes them on to the next class.
        if not taken or taken[0][1] != "VAR_POSITIONAL":
            return any(param.name.value.strip("_") in CLIENT_PARAMETERS for param, _ in taken)
    return False
