"""Method hooks: other packages may change or drop a method's strings before rendering.

A hook is a function `(MethodModel, ModuleModel) -> MethodModel | None`, registered under the entry
point group `connpool_gen.method_hooks`; None leaves the method out. Hooks run in the order of
their names. The model is part of the template contract.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from connpool_gen.errors import GenerationError

if TYPE_CHECKING:
    from connpool_gen.building.model import MethodModel, ModuleModel

GROUP = "connpool_gen.method_hooks"


def apply_hooks(module: ModuleModel) -> ModuleModel:
    """Run every registered hook over every method."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        changed = [run(point, method, module) for method in module.methods]
        module = replace(module, methods=tuple(m for m in changed if m is not None))
    return module


def run(point: EntryPoint, method: MethodModel, module: ModuleModel) -> MethodModel | None:
    """Call one hook; an error names the hook and the method."""
    try:
        hook: Any = point.load()
        result: MethodModel | None = hook(method, module)
    except Exception as error:
        raise GenerationError(
            f"the method hook {point.name} ({point.value}) failed on {method.name}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return result
