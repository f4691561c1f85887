"""A JSON schema of `[tool.connpool-gen]`, for editors; derived from the keys that are checked."""

from __future__ import annotations

import json
from typing import Any

from connpool_gen.config.manifest import METHOD_KEYS, TARGET_KEYS
from connpool_gen.config.request import CONNECTORS, MODES

JSON_TYPES: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    float: {"type": "number", "exclusiveMinimum": 0},
    list: {"type": "array", "items": {"type": "string"}},
}


def manifest_schema() -> str:
    """The schema as JSON text."""
    methods = {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: JSON_TYPES[kind] for key, kind in METHOD_KEYS.items()},
        },
    }
    target = {
        key: methods if kind is dict else JSON_TYPES[kind] for key, kind in TARGET_KEYS.items()
    }
    target["mode"] = {"enum": list(MODES)}
    target["connector"] = {"enum": list(CONNECTORS)}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tool.connpool-gen",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "target": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["client"],
                    "additionalProperties": False,
                    "properties": target,
                },
            }
        },
    }
    return json.dumps(schema, indent=2)
