"""Signatures and annotations of what is described, without evaluating names that do not exist.

Since Python 3.14 an annotation is evaluated when it is asked for, so a name that is imported under
`if TYPE_CHECKING:` raises NameError then. The probe needs names, kinds and defaults, not the types.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, cast

_LENIENT: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    import annotationlib

    _LENIENT = {"annotation_format": annotationlib.Format.FORWARDREF}


def signature_of(function: Any, *, follow: bool = True) -> inspect.Signature:
    """Read a signature as `inspect.signature` does; `follow` looks below decorators."""
    return inspect.signature(function, follow_wrapped=follow, **_LENIENT)


def annotations_of(owner: Any) -> dict[str, Any]:
    """Read the annotations of a class or a function itself, none where there are none."""
    if sys.version_info >= (3, 14):
        try:
            return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)
        except Exception:  # whatever a string annotation or a foreign __annotate__ raises
            return {}
    found = (
        vars(owner)
        if isinstance(owner, type)
        else {"__annotations__": getattr(owner, "__annotations__", None)}
    )
    held = found.get("__annotations__")
    return cast("dict[str, Any]", held) if isinstance(held, dict) else {}
