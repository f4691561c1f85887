"""Defaults of a client's parameters: those that no literal gives, and those not worth passing on."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["default_of", "unless_default"]


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


def unless_default(**pairs: tuple[Any, Any]) -> dict[str, Any]:
    """Return the arguments that are not their default, from pairs of value and default.

    For clients whose decorators look at which arguments a caller gave: passing a default on would
    change what they do.
    """
    return {name: value for name, (value, default) in pairs.items() if value is not default}
