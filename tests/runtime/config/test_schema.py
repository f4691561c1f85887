"""The JSON schema of configs, and what the reader makes of the same files."""

import json
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.config import InvalidConfigFile, read_config
from connpool_runtime.config.schema import services_schema

Draft202012Validator: Any = import_module("jsonschema").Draft202012Validator  # has no types
REDIS = {"kind": "redis", "endpoints": ["a:1"]}


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = services_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


GOOD: list[Any] = [
    {"$schema": "./services.schema.json", "services": {}},
    {"services": {"a": REDIS}},
    {"services": {"a": {**REDIS, "password": "env:HOME", "tls": True, "pool": {"cooldown": "5s"}}}},
    {"services": {"a": {**REDIS, "middleware": {"retry": True, "bulkhead": {"limit": 2}}}}},
    {"services": {"a": {"kind": "redis", "discovery": "dns://a.example:80"}}},
    {"services": {"a": {"kind": "custom", "endpoints": "a:1", "middleware": {"retry": False}}}},
    {
        "services": {
            "a": {
                "kind": "redis",
                "discovery": {"kind": "static", "endpoints": [{"address": "a:1"}]},
            }
        },
        "defaults": {
            "health_interval": 3,
            "pool": {"zone": None},
            "discovery": {"allow_empty": True},
        },
        "manager": {"drain_timeout": "3s"},
        "reload": {"settle": 0},
        "metrics": {"prometheus": False},
        "admin": {"port": 9000},
    },
]
BAD: list[Any] = [
    {},
    {"services": {"a": {"kind": "reds", "endpoints": "a:1"}}},
    {"services": {"a": {**REDIS, "databse": 1}}},
    {"services": {"a": {**REDIS, "database": "one"}}},
    {"services": {"a": {**REDIS, "pool": {"max_fails": -1}}}},
    {"services": {"a": {**REDIS, "pool": {"cooldown": "soon"}}}},
    {"services": {"a": {**REDIS, "pool": {"balancer": "rond"}}}},
    {"services": {"a": {**REDIS, "middleware": {"retri": True}}}},
    {"services": {"a": {**REDIS, "middleware": {"retry": {"attempts": 0}}}}},
    {"services": {"a": {"kind": "redis"}}},
    {"services": {"a": {"kind": "redis", "discovery": {"kind": "consull"}}}},
    {"services": {}, "defalts": {}},
    {"services": {}, "manager": {"drain": 3}},
    {"services": {}, "admin": {"port": "x"}},
]


@pytest.mark.parametrize("data", GOOD, ids=range(len(GOOD)))
def test_good_files_are_good_for_both(data: Any, validator: Any, tmp_path: Path) -> None:
    """What the reader takes the schema allows."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    read_config(path)
    assert [error.message for error in validator.iter_errors(data)] == []


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
def test_bad_files_are_bad_for_both(data: Any, validator: Any, tmp_path: Path) -> None:
    """What the reader refuses by its form the schema refuses too, so that an editor marks it."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InvalidConfigFile):
        read_config(path)
    assert not validator.is_valid(data)


def test_the_files_of_the_repository_are_valid(validator: Any) -> None:
    """Every TOML file of services that the documentation shows fits the schema."""
    root = Path(__file__).parents[3]
    shown = (root / "docs" / "config.md").read_text().split("```toml\n")[1:]
    texts = [text.partition("```")[0] for text in shown]
    files = [tomllib.loads(text) for text in texts if "[services" in text]
    assert files
    for data in files:
        assert [error.message for error in validator.iter_errors(data)] == []
