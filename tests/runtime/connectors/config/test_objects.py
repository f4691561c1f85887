"""Objects of a program in configs, and their names in files."""

import json
from typing import Any

import pytest

from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.connectors.grpc import GrpcConfig
from connpool_runtime.connectors.http import HttpConfig
from connpool_runtime.connectors.redis import RedisConfig


class Provider:
    """Has what redis-py asks of one, and shows its secret to whoever looks."""

    def get_credentials(self) -> tuple[str]:
        return ("hunter2",)

    def __repr__(self) -> str:
        return "Provider('hunter2')"


PROVIDER = Provider()


def test_a_file_names_objects() -> None:
    """`module:attribute` stands for the object, in lists and texts with commas too; it is shown by its name."""
    http = HttpConfig.from_mapping(
        {
            "endpoints": "http://h",
            "event_hooks": {"request": "json:dumps", "response": ["json:loads"]},
        }
    )
    assert http.event_hooks == {"request": (json.dumps,), "response": (json.loads,)}
    assert "{'request': ['json:dumps'], 'response': ['json:loads']}" in repr(http)
    environ = {
        "G_ENDPOINTS": "h:1",
        "G_INTERCEPTORS": "json:dumps, json.decoder:JSONDecoder.decode",
    }
    grpc = GrpcConfig.load(env="G_", environ=environ)
    assert grpc.interceptors == (json.dumps, json.JSONDecoder.decode)


def test_an_object_is_shown_by_its_class_only() -> None:
    """Its own `repr` may tell a secret; configs with another object are not equal."""
    config = RedisConfig(endpoints="h:1", credential_provider=PROVIDER)
    assert "hunter2" not in repr(config)
    assert "credential_provider=<Provider>" in repr(config)
    assert config == RedisConfig(endpoints="h:1", credential_provider=PROVIDER)
    assert config.key() != RedisConfig(endpoints="h:1", credential_provider=Provider()).key()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"credential_provider": "no.such:thing"}, "No module named 'no'"),
        ({"credential_provider": "json:nothing"}, "has no attribute 'nothing'"),
        ({"credential_provider": "json dumps"}, "its name as module:attribute"),
        ({"credential_provider": "json:dumps"}, "an object with get_credentials"),
        ({"credential_provider": PROVIDER, "password": "x"}, "password must be left out when"),
    ],
)
def test_what_is_no_such_object_is_refused(given: dict[str, Any], told: str) -> None:
    """A name that leads nowhere, and an object that cannot do what it is for."""
    with pytest.raises(InvalidConfig, match=told) as caught:
        RedisConfig(endpoints="h:1", **given)
    assert "hunter2" not in str(caught.value)


def test_hooks_have_names() -> None:
    """What there are no events for, and what cannot be called, is refused."""
    for wrong in ({"requests": [print]}, {"request": [3]}, [print]):
        with pytest.raises(InvalidConfig, match=r"lists of functions, .* by request and response"):
            HttpConfig(endpoints="http://h", event_hooks=wrong)  # type: ignore[arg-type]  # that is the point
