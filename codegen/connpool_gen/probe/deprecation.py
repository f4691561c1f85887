"""Finds the message and the warning of a member that the client marks as deprecated."""

from __future__ import annotations

import inspect
from typing import Any


def deprecation(function: Any) -> tuple[str, tuple[str, str] | None] | None:
    """Return the message and the class of the warning; no class where a call does not warn.

    Every implementation of `deprecated` stores the message on the function. The class is known only to the
    function that warns, which `deprecated` puts around the client's own.
    """
    function = getattr(function, "__func__", function)
    message = getattr(function, "__deprecated__", None)
    if not isinstance(message, str):
        return None
    return message, category(function)


def undeprecated(function: Any) -> Any:
    """Unwrap a function from the one that only warns; unchanged if no such wrapper is outermost."""
    return function.__wrapped__ if warning_class(function) is not None else function


def category(function: Any) -> tuple[str, str] | None:
    """Find the class of the warning, also below other decorators."""
    seen: set[int] = set()
    while callable(function) and id(function) not in seen:
        seen.add(id(function))
        found = warning_class(function)
        if found is not None:
            return importable(found)
        function = getattr(function, "__wrapped__", None)
    return None


def warning_class(function: Any) -> type[Warning] | None:
    """Find the class of the warning that a function gives, if `deprecated` created that function."""
    if not hasattr(function, "__wrapped__"):
        return None
    kept = kept_names(function)
    found: object = kept.get("category")
    if isinstance(found, type) and issubclass(found, Warning) and "msg" in kept:
        return found
    return None


def kept_names(function: Any) -> dict[str, Any]:
    """Return the variables of a function's closure."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):  # no function, or a name that has no value yet
        return {}


def importable(found: type[Warning]) -> tuple[str, str]:
    """Name a class of warnings, or the usual one for a class that cannot be imported."""
    if "<" in found.__qualname__:
        return "builtins", "DeprecationWarning"
    return found.__module__, found.__qualname__
