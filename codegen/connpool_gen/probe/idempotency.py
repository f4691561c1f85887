"""Read from a gRPC service's descriptor whether its methods may be repeated."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

from connpool_gen.probe.instances import GRPC_CALLABLES
from connpool_gen.probe.source import Function, function_at


def idempotency_levels(cls: type) -> dict[str, str]:
    """Return the `idempotency_level` of each method of a stub whose service a loaded module describes."""
    paths: dict[str, str] = {}
    for base in cls.__mro__[:-1]:
        init = vars(base).get("__init__")
        function = inspect.unwrap(init) if callable(init) else None
        made_for = getattr(function, "__globals__", {}).get("grpc")
        node = function_at(function) if getattr(made_for, "__name__", "") == "grpc" else None
        for name, path in paths_in(node) if node is not None else ():
            paths.setdefault(name, path)
    levels = {name: level_of(path) for name, path in paths.items()}
    return {name: level for name, level in levels.items() if level is not None}


def paths_in(init: Function) -> Iterator[tuple[str, str]]:
    """Read `self.Count = channel.unary_unary('/stock.Stock/Count', ...)` as `Count` and the path."""
    for node in ast.walk(init):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        target, call = node.targets[0], node.value
        made = isinstance(call.func, ast.Attribute) and call.func.attr in GRPC_CALLABLES
        path = call.args[0] if made and call.args else None
        if isinstance(target, ast.Attribute) and isinstance(path, ast.Constant):
            yield target.attr, str(path.value)


def level_of(path: str) -> str | None:
    """Find the level of `/package.Service/Method` by its name; None where nothing describes it."""
    service, _, method = path.strip("/").rpartition("/")
    described = services().get(service)
    found = described.methods_by_name.get(method) if described is not None else None
    if found is None:
        return None
    options = found.GetOptions()
    field = options.DESCRIPTOR.fields_by_name["idempotency_level"]
    return str(field.enum_type.values_by_number[options.idempotency_level].name)


@functools.cache
def services() -> dict[str, Any]:
    """Index the services that the loaded `*_pb2` modules describe by their full names."""
    loaded = cast("dict[str, object]", sys.modules)  # which may hold anything
    files = [
        vars(module).get("DESCRIPTOR")
        for module in list(loaded.values())
        if isinstance(module, types.ModuleType)
    ]
    return {
        service.full_name: service
        for file in files
        if type(file).__name__ == "FileDescriptor"
        for service in cast("Any", file).services_by_name.values()
    }
