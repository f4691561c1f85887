"""Finds whether a name that an annotation uses can be evaluated when the wrapper runs."""

from __future__ import annotations

import enum
import importlib
import typing

# Special forms in annotations that are no types themselves.
PARTS = (enum.Enum, typing.ParamSpecArgs, typing.ParamSpecKwargs)
# Values with a `|` operator that is not that of types.
OTHER_UNIONS = (int, dict, set, frozenset)


def is_usable(module: str, qualname: str, subscripted: bool) -> bool:
    """Return whether a module has this name, and it works as a type: with `|`, and with arguments if need be.

    Stubs declare names that no module has, and generic classes that take no arguments at run time.
    """
    try:
        found: object = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except BaseException:  # also SystemExit: a user's module must not end the run
        return False
    if has_forward_reference(found):
        return False
    if subscripted and not hasattr(found, "__class_getitem__"):
        return has_operator(found, "__getitem__")
    if isinstance(found, (type, *PARTS)):
        return True
    return has_operator(found, "__or__") and not isinstance(found, OTHER_UNIONS)


def has_operator(found: object, name: str) -> bool:
    """Whether an object's own class has an operator: `hasattr` would ask the class of that class too."""
    return any(name in vars(cls) for cls in type(found).__mro__)


def has_forward_reference(found: object) -> bool:
    """Whether an alias holds a name in quotes, such as `Union["Row", int]`: only its own module knows it."""
    if isinstance(found, typing.ForwardRef):
        return found.__forward_module__ is None
    return any(has_forward_reference(part) for part in typing.get_args(found))
