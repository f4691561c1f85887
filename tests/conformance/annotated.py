"""Whether the author of a class annotated a member, found out from the running class."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from tests.conformance.corpus import Client


def is_annotated(client: Client, path: str) -> bool:
    """Whether a method, a property or a declared attribute has any annotation; a namespace has none."""
    cls: type = client.load()
    raw = inspect.getattr_static(cls, path, None)
    declared = any(path in inspect.get_annotations(base) for base in cls.__mro__)
    return declared or bool(getattr(function_of(raw), "__annotations__", None))


def function_of(raw: Any) -> Any:
    """The function below properties and decorators."""
    if isinstance(raw, property):
        raw = raw.fget
    elif isinstance(raw, functools.cached_property):
        raw = raw.func
    elif isinstance(raw, (classmethod, staticmethod)):
        raw = raw.__func__
    return inspect.unwrap(raw) if callable(raw) else raw
