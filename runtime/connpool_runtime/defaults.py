"""Defaults of a client's parameters that cannot be written as a literal."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["default_of"]


def default_of(owner: type, method: str, parameter: str) -> Any:
    """Return the very object that is the default of a parameter.

    Generated signatures use it for defaults that cannot be written as a literal.

    Arguments:
        owner: the class, by which the method is looked up.
        method: the name of the method.
        parameter: the name of the parameter.

    Raises:
        LookupError: the method has no such parameter, or the parameter has no default.
    """
    found = inspect.signature(getattr(owner, method)).parameters.get(parameter)
    if found is None or found.default is inspect.Parameter.empty:
        raise LookupError(
            f"{owner.__qualname__}.{method} has no default for a parameter named {parameter!r}"
        )
    return found.default
