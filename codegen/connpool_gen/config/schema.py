"""A JSON schema of `[tool.connpool-gen]`, for editors; derived from the table of options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from connpool_gen.config.options import (
    ENTRY_KEYS,
    INHERITED_KEYS,
    LISTS,
    METHOD_KEYS,
    TARGET_KEYS,
    Kind,
    Option,
)
from connpool_gen.config.reads import READS
from connpool_gen.config.value_forms import DURATION

# The groups have no names, as JavaScript and Python write those in different ways.
DURATION_SCHEMA = {"type": "string", "pattern": f"^{re.sub('[?]P<[^>]+>', '', DURATION.pattern)}$"}
RETRY_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "attempts": {"type": "integer", "minimum": 1},
        "base": {"anyOf": [{"type": "number", "minimum": 0}, DURATION_SCHEMA]},
        "errors": {"type": "array", "items": {"type": "string"}},
        "unsent": {"type": "boolean"},
    },
}


def manifest_schema() -> str:
    """Write the schema as JSON text."""
    return json.dumps(schema_of_manifest(), indent=2)


def tool_schema(tool: str = "connpool-gen") -> dict[str, Any]:
    """Give the schema to validate-pyproject, which finds this function by its entry point and knows draft 7.

    Arguments:
        tool: the name of the table below `[tool]`.
    """
    return {
        **schema_of_manifest(),
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:{tool}:pyproject",
    }


def schema_of_manifest() -> dict[str, Any]:
    """Create the schema of `[tool.connpool-gen]`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tool.connpool-gen",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "target": {
                "type": "array",
                "items": {
                    **table_schema({**TARGET_KEYS, **ENTRY_KEYS}),
                    "oneOf": [{"required": ["client"]}, {"required": ["clients"]}],
                },
            },
            "defaults": {
                "description": "What all targets inherit; a target's own value replaces it.",
                **table_schema(INHERITED_KEYS),
            },
        },
    }


def table_schema(keys: Mapping[str, Option]) -> dict[str, Any]:
    """A table with these keys and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: value_schema(option) for key, option in keys.items()},
    }


def value_schema(option: Option) -> dict[str, Any]:
    """What one key may hold, and what it is for."""
    return {"description": option.help, **type_schema(option)}


def type_schema(option: Option) -> dict[str, Any]:
    """The type of one key's value."""
    if option.kind is Kind.CHOICE:
        return {"enum": list(option.allowed)}
    if option.kind is Kind.SWITCH:
        return {"type": "boolean"}
    if option.kind is Kind.SECONDS:
        return {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, DURATION_SCHEMA]}
    if option.kind is Kind.DEADLINE:
        return {"anyOf": [{"const": False}, {"type": "string"}]}
    if option.kind is Kind.RETRY:
        return {"anyOf": [{"const": False}, RETRY_SCHEMA]}
    if option.kind is Kind.TABLE:
        return {"type": "object", "additionalProperties": table_schema(METHOD_KEYS)}
    if option.kind is Kind.METHODS:
        name = {"type": "string", "pattern": f"^([^@]|{READS}$)"}
        return {"anyOf": [{"const": READS}, {"type": "array", "items": name}]}
    if option.kind in LISTS:
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "string"}
