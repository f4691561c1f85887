"""The JSON schema of options."""

import json
import re
from typing import Any

import pytest

from connpool_runtime import EndpointSettings, PoolSettings
from connpool_runtime.options.durations import seconds_of
from connpool_runtime.options.schema import DURATION, schema_of

POOL = schema_of(PoolSettings)["properties"]


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("max_fails", {"type": "integer", "minimum": 0}),
        ("half_open_calls", {"type": "integer", "minimum": 1}),
        ("cooldown", DURATION),
        ("cooldown_max", DURATION),
        ("cooldown_factor", {"type": "number", "minimum": 1.0}),
        ("load_factor", {"type": "number", "minimum": 1}),
        ("panic_threshold", {"type": "number", "minimum": 0, "maximum": 1}),
        ("metrics", {"type": "boolean"}),
        ("zone", {"type": "string"}),
        ("buckets", {"type": "array", "items": DURATION, "minItems": 1, "uniqueItems": True}),
    ],
)
def test_every_kind_of_option_has_its_schema(name: str, schema: dict[str, Any]) -> None:
    """What a file may say for it, or null for the default."""
    assert POOL[name]["anyOf"] == [schema, {"type": "null"}]


def test_the_balancers_are_listed() -> None:
    """A file names one of them."""
    assert "peak_ewma" in POOL["balancer"]["anyOf"][0]["enum"]


def test_the_schema_is_plain_data() -> None:
    """It can be written as JSON, with defaults and descriptions."""
    for settings in (PoolSettings, EndpointSettings):
        schema = schema_of(settings)
        assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    assert POOL["cooldown"]["default"] == 5.0
    assert "default" not in POOL["zone"]


@pytest.mark.parametrize(
    "text", ["0", "1.5", "500ms", "30s", "1h30m", " 2s ", "", "s", "5 parsecs", "1.s", "-1s", "inf"]
)
def test_the_pattern_of_durations_is_what_is_read(text: str) -> None:
    """A text matches if and only if it can be read."""
    try:
        seconds_of(text)
        readable = True
    except ValueError:
        readable = False
    assert bool(re.search(DURATION["anyOf"][1]["pattern"], text)) == readable
