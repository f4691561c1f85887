"""Configs as fields of pydantic's models, with the real pydantic and pydantic-settings."""

import json
from typing import Any

import pydantic
import pytest

from connpool_runtime.connectors import TLS
from connpool_runtime.connectors.redis import RedisConfig


class Shop(pydantic.BaseModel):
    """What a user's settings may be."""

    cache: RedisConfig
    tls: TLS | None = None


EXPECTED = RedisConfig(endpoints="a:1", database=2, password="hunter2")


def errors(**given: Any) -> dict[str, str]:
    with pytest.raises(pydantic.ValidationError) as caught:
        Shop(**given)
    assert "hunter2" not in str(caught.value) + repr(caught.value.errors())
    return {".".join(map(str, one["loc"])): one["msg"] for one in caught.value.errors()}


@pytest.mark.parametrize(
    "given",
    [
        EXPECTED,
        {"endpoints": "a:1", "database": 2, "password": "hunter2"},
        {"endpoints": ["a:1"], "database": "2", "password": "hunter2"},
        {"url": "redis://:hunter2@a:1/2"},
        "redis://:hunter2@a:1/2",
    ],
)
def test_what_a_field_takes(given: Any) -> None:
    """A config, its fields, also as texts, or its URL."""
    assert Shop(cache=given).cache == EXPECTED


def test_json_in_and_out() -> None:
    """JSON is read as other data are; what is written has no secrets, nor what nobody said."""
    shop = Shop.model_validate_json(
        '{"cache": {"endpoints": "a:1", "password": "hunter2", "tls": {"verify": false},'
        ' "reconnect_attempts": "unlimited", "options": {"health_check_interval": "3"}}}'
    )
    assert dict(shop.cache.options) == {"health_check_interval": 3}
    expected = {
        "endpoints": ["a:1"],
        "password": "***",
        "tls": {"verify": False},
        "options": {"health_check_interval": 3},
    }
    assert json.loads(shop.model_dump_json()) == {"cache": expected, "tls": None}
    assert "hunter2" not in repr(shop.model_dump()) + repr(shop)


def test_everything_that_is_wrong_is_told_by_its_place() -> None:
    """Each field that is wrong has an error of its own, which holds nothing of what was given."""
    wrong = {"endpoints": "a", "passwrd": "hunter2", "protocol": "4", "tls": {"ca_flie": "x"}}
    assert set(errors(cache=wrong)) == {
        *("cache.endpoints", "cache.passwrd", "cache.protocol", "cache.tls.ca_flie"),
    }
    assert errors(cache=3) == {"cache": "must be a RedisConfig, a mapping of its fields or a URL"}
    assert "%2F" in errors(cache="redis://:hunter2/@a:1")["cache.endpoints"]


def test_the_json_schema_is_that_of_the_config() -> None:
    """What pydantic tells of the model has the fields of the config with their explanations."""
    properties = Shop.model_json_schema()["properties"]["cache"]["properties"]
    assert properties["protocol"]["anyOf"][0] == {"enum": [2, 3]}
    assert "RESP" in properties["protocol"]["description"]


def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic-settings fills a config from nested variables, or from one with JSON."""
    settings = pytest.importorskip("pydantic_settings")
    model_config = settings.SettingsConfigDict(env_prefix="APP_", env_nested_delimiter="__")
    made: Any = type(
        "Settings",
        (settings.BaseSettings,),
        {
            "__annotations__": {"cache": RedisConfig},
            "model_config": model_config,
            "__module__": __name__,
        },
    )
    monkeypatch.setenv("APP_CACHE__URL", "redis://:hunter2@a:1")
    monkeypatch.setenv("APP_CACHE__DATABASE", "2")
    monkeypatch.setenv("APP_CACHE__TLS__VERIFY", "false")
    monkeypatch.setenv("APP_CACHE__OPTIONS__HEALTH_CHECK_INTERVAL", "3")
    assert made().cache == RedisConfig(
        endpoints="a:1",
        database=2,
        password="hunter2",
        tls={"verify": False},
        options={"health_check_interval": 3},
    )
    for name in ("URL", "DATABASE", "TLS__VERIFY", "OPTIONS__HEALTH_CHECK_INTERVAL"):
        monkeypatch.delenv(f"APP_CACHE__{name}")
    monkeypatch.setenv("APP_CACHE", '{"endpoints": "a:1", "database": 2, "password": "hunter2"}')
    assert made().cache == EXPECTED
