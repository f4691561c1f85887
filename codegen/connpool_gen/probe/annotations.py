"""Reads signatures and annotations of members without evaluating names that do not exist.

Since Python 3.14 an annotation is evaluated at its first access, so a name that is imported under
`if TYPE_CHECKING:` raises NameError then. The probe needs names, kinds and defaults, not the types.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from importlib import import_module
from typing import Any, cast

# By name: older Pythons, on which this file is checked too, do not have the module.
_ANNOTATIONLIB: Any = import_module("annotationlib") if sys.version_info >= (3, 14) else None
BUILTIN = (types.WrapperDescriptorType, types.MethodDescriptorType)
_LENIENT: dict[str, Any] = (
    {} if _ANNOTATIONLIB is None else {"annotation_format": _ANNOTATIONLIB.Format.FORWARDREF}
)


def signature_of(function: Any, *, follow: bool = True) -> inspect.Signature:
    """Read a signature as `inspect.signature` does; `follow` looks below decorators."""
    if isinstance(function, BUILTIN):
        return _signature_of_builtin(function)
    return inspect.signature(function, follow_wrapped=follow, **_LENIENT)


@functools.cache
def _signature_of_builtin(function: Any) -> inspect.Signature:
    """Read the signature of what `object` and other builtins give to each of hundreds of classes: it is parsed from a text."""
    return inspect.signature(function)


def annotations_of(owner: Any) -> dict[str, Any]:
    """Read the annotations of a class or a function itself, none where there are none."""
    if _ANNOTATIONLIB is not None:
        lenient = _ANNOTATIONLIB.Format.FORWARDREF
        try:
            return dict(_ANNOTATIONLIB.get_annotations(owner, format=lenient))
        except Exception:  # whatever a foreign __annotate__ raises
            return {}
    of_class = isinstance(owner, type)  # whose bases have their own
    found = vars(owner).get("__annotations__") if of_class else getattr(owner, "__annotations__", 0)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
