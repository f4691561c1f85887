"""How a class is read: at run time in a process of its own, and through the type checker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connpool_gen.facts import ClassFacts, Ref
from connpool_gen.reading.runtime import read_runtime

if TYPE_CHECKING:
    from connpool_gen.request import GenerateRequest

__all__ = ["read"]


def read(request: GenerateRequest) -> ClassFacts:
    """Read the target with every reader and return the facts side by side."""
    from connpool_gen.reading.checker import CheckedTarget, read_static

    runtime = read_runtime(request)
    type_params = tuple(param for param in runtime.type_params if param.module)
    target = CheckedTarget(
        ref=Ref(request.module, request.qualname),
        names=tuple(member.name for member in runtime.members),
        type_params=type_params if len(type_params) == len(runtime.type_params) else (),
    )
    static = read_static(target, request.search, request.cache_dir)
    return ClassFacts(
        runtime=runtime,
        static=static.members,
        untyped_modules=static.untyped_modules,
        home=static.home,
    )
