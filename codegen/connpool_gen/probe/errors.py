"""List the errors that a package defines, with their bases, to resolve names in its source."""

from __future__ import annotations

import sys
import types
from typing import cast


def errors_of(package: str) -> dict[str, list[str]]:
    """Return each error of a package under every name that its loaded modules have for it.

    The names are `module:Class`; with each stand the class itself and its bases.
    """
    loaded = cast("dict[str, object]", sys.modules)  # which may hold anything
    return {
        f"{name}:{key}": lineage(value)
        for name, module in list(loaded.items())
        if isinstance(module, types.ModuleType) and name.partition(".")[0] == package
        for key, value in list(vars(module).items())
        if is_error(value) and is_of(value, package)
    }


def is_error(value: object) -> bool:
    """Return whether a value is a class of errors, without asking its metaclass."""
    return isinstance(value, type) and BaseException in type.__dict__["__mro__"].__get__(value)


def is_of(value: type, package: str) -> bool:
    """Return whether a class is defined in a package."""
    return str(value.__module__).partition(".")[0] == package


def lineage(cls: type) -> list[str]:
    """Name a class and its bases, where they are defined."""
    bases = type.__dict__["__mro__"].__get__(cls)
    return [f"{base.__module__}:{base.__qualname__}" for base in bases]
