"""The JSON schema of options, for editors and for validating files before they are used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from connpool_runtime.options import Option, Settings
from connpool_runtime.options.durations import PATTERN
from connpool_runtime.options.validation import Rule

if TYPE_CHECKING:
    from connpool_runtime.options.validation import Kind

__all__ = ["DURATION", "Schema", "schema_of", "schema_of_option"]

Schema = dict[str, Any]

DURATION: Mapping[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": PATTERN}]
}


def schema_of(settings: type[Settings]) -> Schema:
    """Return the schema of a mapping of options, without those that a file cannot hold.

    Arguments:
        settings: whose options.
    """
    properties = {
        name: schema_of_option(each)
        for name, each in settings.declared.items()
        if each.rule.kind != "function"
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def schema_of_option(option: Option) -> Schema:
    """Return the schema of one option that a file can hold."""
    described: Schema = {"description": f"{option.does} {option.why}".strip()}
    if option.default not in (None, math.inf):  # None is the `null` below, and JSON has no infinity
        described |= {"default": _plain(option.default)}
    return {"anyOf": [_OF_KIND[option.rule.kind](option.rule), {"type": "null"}], **described}


def _plain(value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _number(rule: Rule) -> Schema:
    return {"type": "number", "minimum": rule.least}


_OF_KIND: Mapping[Kind, Callable[[Rule], Schema]] = {
    "amount": _number,
    "bounds": lambda _: {"type": "array", "items": DURATION, "minItems": 1, "uniqueItems": True},
    "seconds": lambda _: dict(DURATION),
    "share": lambda rule: {**_number(rule), "maximum": 1},
    "switch": lambda _: {"type": "boolean"},
    "text": lambda _: {"type": "string"},
    "whole number": lambda rule: {"type": "integer", "minimum": rule.least},
    "word": lambda rule: {"enum": list(rule.known)},
}
