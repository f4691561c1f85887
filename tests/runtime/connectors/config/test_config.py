"""Configs: where they are read from, what they refuse, and when two are the same."""

import hashlib
import json
import math
import pickle
import re
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

from connpool_runtime.connectors import TLS, ConnectorConfig, InvalidConfig, UnknownField
from connpool_runtime.connectors.config.fields import Secret
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.connectors.etcd import EtcdConfig
from connpool_runtime.connectors.grpc import GrpcConfig
from connpool_runtime.connectors.http import HttpConfig
from connpool_runtime.connectors.kinds import KINDS, config_of
from connpool_runtime.connectors.milvus import MilvusConfig
from connpool_runtime.connectors.redis import RedisConfig

CONFIGS: list[type[ConnectorConfig]] = [
    EtcdConfig,
    GrpcConfig,
    HttpConfig,
    MilvusConfig,
    RedisConfig,
]
PLACES = {HttpConfig: "http://h:1"}


def of(config: type[ConnectorConfig], **given: Any) -> ConnectorConfig:
    """Make a config with one endpoint."""
    return config(**{"endpoints": PLACES.get(config, "h:1"), **given})


def refusal(values: dict[str, Any], config: type[ConnectorConfig] = RedisConfig) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        config.from_mapping(values)
    return caught.value


SAME = {
    "endpoints": ["b:2", "a:1"],
    "connect_timeout": "500ms",
    "health_interval": 0,
    "reconnect": False,
    "username": "ann",
    "password": "hunter2",
    "tls": {"server_name": "etcd.test"},
}
EXPECTED = EtcdConfig(
    endpoints=("a:1", "b:2"),
    connect_timeout=0.5,
    health_interval=0.0,
    reconnect=False,
    username="ann",
    password="hunter2",
    tls=TLS(server_name="etcd.test"),
)


@pytest.mark.parametrize("ending", ["json", "toml", "yaml"])
def test_every_kind_of_file_has_the_same_names(ending: str, tmp_path: Path) -> None:
    """JSON, TOML and YAML files with the same fields are the same config."""
    text = {
        "json": json.dumps({"services": {"users": SAME}}),
        "toml": (
            '[services.users]\nendpoints = ["b:2", "a:1"]\nconnect_timeout = "500ms"\n'
            'health_interval = 0\nreconnect = false\nusername = "ann"\npassword = "hunter2"\n'
            '[services.users.tls]\nserver_name = "etcd.test"\n'
        ),
        "yaml": (
            "services:\n  users:\n    endpoints: [b:2, a:1]\n    connect_timeout: 500ms\n"
            "    health_interval: 0\n    reconnect: false\n    username: ann\n    password: hunter2\n"
            "    tls: {server_name: etcd.test}\n"
        ),
    }
    file = tmp_path / f"config.{ending}"
    file.write_text(text[ending])
    assert EtcdConfig.load(file, section="services.users") == EXPECTED


def test_the_environment_has_the_same_names() -> None:
    """A prefix and the field's name in capitals, a section's before it."""
    environ = {
        "USERS_ENDPOINTS": "b:2, a:1",
        "USERS_CONNECT_TIMEOUT": "500ms",
        "USERS_HEALTH_INTERVAL": "0",
        "USERS_RECONNECT": "off",
        "USERS_USERNAME": "ann",
        "USERS_PASSWORD": "hunter2",
        "USERS_TLS_SERVER_NAME": "etcd.test",
        "OTHER": "not ours",
    }
    assert EtcdConfig.load(env="USERS_", environ=environ) == EXPECTED


def test_the_environment_has_numbers_flags_and_pairs() -> None:
    """Texts become what a file would hold."""
    environ = {
        "USERS_ENDPOINTS": "https://a",
        "USERS_HEADERS": "x-a=1, x-b=2",
        "USERS_MAX_CONNECTIONS": "7",
        "USERS_TLS": "on",
    }
    assert HttpConfig.load(env="USERS_", environ=environ) == HttpConfig(
        endpoints="https://a", headers={"x-a": "1", "x-b": "2"}, max_connections=7, tls=True
    )


def test_what_is_given_goes_over_the_environment_over_the_file(tmp_path: Path) -> None:
    """Explicit values win, then the environment, then the file, then the default; None is not given."""
    file = tmp_path / "redis.json"
    file.write_text(
        '{"endpoints": "file:1", "call_timeout": 1, "database": 1, "tls": {"verify": false}}'
    )
    found = RedisConfig.load(
        file,
        env="R_",
        environ={"R_CALL_TIMEOUT": "2s", "R_DATABASE": "2"},
        database=3,
        endpoints=None,
    )
    assert (found.endpoints, found.call_timeout, found.database) == (("file:1",), 2.0, 3)
    assert found.connect_timeout == 5.0
    assert found.tls is not None
    assert not found.tls.verify


@pytest.mark.parametrize("config", CONFIGS)
def test_none_is_the_default_and_zero_is_zero(config: type[ConnectorConfig]) -> None:
    """None for any field is as if it was not given; 0 of an interval is never."""
    nothing = {name: None for name in config.fields if name != "endpoints"}
    assert of(config, **nothing) == of(config)
    assert of(config, health_interval=0).health_interval == 0.0
    assert of(config, reconnect_attempts=0).reconnect_attempts == 0
    assert of(config).reconnect_attempts == math.inf


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"endpoints": []}, "endpoints", "at least one"),
        ({}, "endpoints", "at least one"),
        ({"endpoints": "host"}, "endpoints", "host:port"),
        ({"endpoints": "host:0"}, "endpoints", "between 1 and 65535"),
        ({"endpoints": "host:65536"}, "endpoints", "between 1 and 65535"),
        ({"endpoints": "mysql://host:1"}, "endpoints", "redis://"),
        ({"endpoints": 7}, "endpoints", "a list"),
        ({"connect_timeout": -1}, "connect_timeout", "500ms"),
        ({"connect_timeout": "soon"}, "connect_timeout", "500ms"),
        ({"connect_timeout": 0}, "connect_timeout", "more than 0"),
        ({"reconnect": "yes"}, "reconnect", "true or false"),
        ({"database": -1}, "database", "at least 0"),
        ({"database": True}, "database", "whole number"),
        ({"reconnect_attempts": 1.5}, "reconnect_attempts", "unlimited"),
        ({"username": "ann"}, "password", "together with username"),
        ({"tls": 3}, "tls", "group of settings"),
        ({"tls": {"ca_file": "/no/such.pem"}}, "tls.ca_file", "exists"),
        ({"tls": {"cert_file": __file__}}, "tls.key_file", "together with cert_file"),
        ({"tls": {"key_file": __file__}}, "tls.cert_file", "together with key_file"),
    ],
)
def test_a_bad_value_is_refused_by_name(values: dict[str, Any], field: str, told: str) -> None:
    """One error when the config is made, with the field and what is allowed."""
    error = refusal({"endpoints": "h:1", **values} if values else {})
    assert error.field == field
    assert told in str(error)


@pytest.mark.parametrize(
    ("config", "values", "field"),
    [
        (MilvusConfig, {"token": "t", "username": "u", "password": "p"}, "token"),
        (HttpConfig, {"token": "t", "username": "u", "password": "p"}, "token"),
        (HttpConfig, {"tls": True}, "endpoints"),
        (HttpConfig, {"endpoints": "ftp://h"}, "endpoints"),
        (GrpcConfig, {"token": "t"}, "tls"),
        (EtcdConfig, {"password": "p"}, "username"),
    ],
)
def test_what_does_not_go_together_is_refused(
    config: type[ConnectorConfig], values: dict[str, Any], field: str
) -> None:
    """Two kinds of credentials, half a pair, TLS for a plain address."""
    error = refusal({"endpoints": PLACES.get(config, "h:1"), **values}, config)
    assert error.field == field


@pytest.mark.parametrize(
    ("given", "nearest"),
    [({"conect_timeout": 1}, "connect_timeout"), ({"tls": {"ca_flie": "x"}}, "ca_file")],
)
def test_an_unknown_key_is_refused_with_the_nearest(given: dict[str, Any], nearest: str) -> None:
    """A slip of the pen is not silently ignored, and its value is not shown."""
    error = refusal({"endpoints": "h:1", **given})
    assert isinstance(error, UnknownField)
    assert str(error) == f"unknown option {error.field!r}; did you mean {nearest!r}?"
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied)) == (UnknownField, str(error))


def test_an_unknown_keyword_is_refused_with_the_nearest() -> None:
    """As Python does, by a TypeError; fields that a subclass adds in its own way are known."""
    with pytest.raises(TypeError, match=r"^unknown option 'ca_flie'; did you mean 'ca_file'\?$"):
        TLS(ca_flie="x")  # type: ignore[call-arg]

    @dataclass(kw_only=True)
    class PhoneConfig(ConnectorConfig):
        rings: int = 3

        def __setattr__(self, name: str, value: object) -> None:
            object.__setattr__(self, name, value)

    assert PhoneConfig(endpoints="h:1", rings=4).rings == 4


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Unknown names, values that are not allowed and what does not go together: each is an error of its own."""
    error = refusal(
        {
            "endpoints": "a",
            "databse": 1,
            "protocol": 4,
            "username": "ann",
            "tls": {"ca_file": 3, "key_file": 4},
        }
    )
    assert {one.field for one in error.errors} == {
        *("endpoints", "databse", "protocol", "password", "tls.ca_file", "tls.key_file"),
    }
    assert str(error).splitlines()[0] == "6 errors:"
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), len(copied.errors)) == (str(error), 6)
    url = refusal({"endpoints": "redis://h/1", "database": 2, "protocol": 4})
    assert [one.field for one in url.errors] == ["database", "protocol"]
    single = refusal({"endpoints": "a"})
    assert single.errors == (single,)


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    """The prefix is ours alone; a variable under it that no field reads is a mistake."""
    with pytest.raises(InvalidConfig, match="'R_TLS_CA_FLIE'; did you mean 'R_TLS_CA_FILE'"):
        RedisConfig.load(env="R_", environ={"R_ENDPOINTS": "h:1", "R_TLS_CA_FLIE": "x"})


def test_a_kind_is_named_in_the_file() -> None:
    """`kind` says which config a mapping is for; a slip gets the nearest."""
    assert config_of({"kind": "redis", "endpoints": "h:1"}) == RedisConfig(endpoints="h:1")
    assert {
        type(config_of({"kind": kind, "endpoints": "http://h:1" if kind == "http" else "h:1"}))
        for kind in KINDS
    } == set(CONFIGS)
    with pytest.raises(InvalidConfig, match="kind must be redis, not 'reddis'"):
        config_of({"kind": "reddis", "endpoints": "h:1"})


def test_equal_are_configs_that_mean_the_same() -> None:
    """Order and repetition of endpoints, the case of hosts and how a number was written mean nothing."""
    one = RedisConfig(endpoints="A:1,b:2,a:1", connect_timeout="5s", tls={"verify": True})
    two = RedisConfig(endpoints=["b:2", "a:1"], tls=True)
    assert one == two
    assert hash(one) == hash(two)
    assert one.key() == two.key()


@pytest.mark.parametrize(
    "other",
    [
        {"endpoints": "h:2"},
        {"endpoints": "h:1,h:2"},
        {"connect_timeout": 4},
        {"health_interval": 1},
        {"reconnect": False},
        {"reconnect_attempts": 3},
        {"username": "ann", "password": "x"},
        {"password": "x"},
        {"password": "y"},
        {"database": 1},
        {"call_timeout": 1},
        {"retries": 1},
        {"tls": True},
        {"tls": {"verify": False}},
        {"sentinel": "main"},
    ],
)
def test_every_field_is_in_the_key(other: dict[str, Any]) -> None:
    """Two configs that differ in any field have different keys."""
    plain = RedisConfig(endpoints="h:1")
    assert RedisConfig(**{"endpoints": "h:1", **other}).key() != plain.key()
    assert RedisConfig(**{"endpoints": "h:1", **other}) != plain


def test_fields_cannot_run_into_each_other() -> None:
    """What one field ends with and the next begins with makes a difference."""
    one = RedisConfig(endpoints="h:1", username="ab", password="c")
    two = RedisConfig(endpoints="h:1", username="a", password="bc")
    assert one.key() != two.key()
    assert EtcdConfig(endpoints="h:1").key() != RedisConfig(endpoints="h:1").key()


@pytest.mark.parametrize(
    "config",
    [
        RedisConfig(endpoints="h:1", password="hunter2"),
        RedisConfig(endpoints="h:1", sentinel="s", sentinel_password="hunter2"),
        MilvusConfig(endpoints="h:1", token="hunter2"),
        HttpConfig(endpoints="http://h", headers={"x-api-key": "hunter2"}),
    ],
)
def test_secrets_are_masked(config: ConnectorConfig) -> None:
    """Neither `repr` nor the key shows a secret, and it can be taken out of any text."""
    assert "hunter2" not in repr(config)
    assert "***" in repr(config)
    assert "hunter2" not in config.key()
    assert config.masked("wrong password hunter2 given") == "wrong password *** given"


def test_a_digest_of_a_secret_cannot_be_looked_up() -> None:
    """What stands for a weak password is salted, so that no table of digests gives it away."""
    plain = hashlib.sha256(json.dumps("hunter2").encode()).hexdigest()
    assert RedisConfig(endpoints="h:1", password="hunter2").canonical()["password"] != plain


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (RedisConfig, {"endpoints": "h:1", "password": ["hunter2"]}),
        (HttpConfig, {"endpoints": "http://h", "headers": ["hunter2"]}),
        (HttpConfig, {"endpoints": "http://ann:hunter2/@h"}),
        (RedisConfig, {"endpoints": "ann:hunter2@h:1"}),
    ],
)
def test_errors_mask_secrets(config: type[ConnectorConfig], values: dict[str, Any]) -> None:
    """A refused secret is not shown, nor one that stands in an address."""
    assert "hunter2" not in str(refusal(values, config))


def test_a_config_is_frozen() -> None:
    """No field can be changed, and nothing that was given can be changed from outside."""
    headers = {"x": "1"}
    config = HttpConfig(endpoints="http://h", headers=headers)
    headers["x"] = "2"
    assert config.headers["x"] == "1"
    for name in ("call_timeout", "no_such_field"):
        with pytest.raises(FrozenInstanceError):
            setattr(config, name, 1)
    with pytest.raises(FrozenInstanceError):
        del config.call_timeout
    with pytest.raises(TypeError):
        config.headers["x"] = "2"  # type: ignore[index]


def test_the_same_config_for_another_endpoint() -> None:
    """`at` changes the endpoints and nothing else."""
    config = RedisConfig(endpoints="a:1,b:2", password="x", call_timeout=1)
    assert config.at("c:3") == RedisConfig(endpoints="c:3", password="x", call_timeout=1)
    assert config.endpoints == ("a:1", "b:2")


def test_configs_can_be_pickled() -> None:
    """They travel between processes."""
    labels = {"role": "replica", "a:1": {"role": "primary"}}
    config = RedisConfig(endpoints="a:1", password="x", tls=True, labels=labels)
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_config_of_ones_own() -> None:
    """A subclass has its own fields, and masks its secrets without doing anything for it."""

    @dataclass(kw_only=True)
    class PhoneConfig(ConnectorConfig):
        kind: ClassVar[str] = "phone"
        pin: Secret = Secret()  # noqa: RUF009 - a descriptor

    config = PhoneConfig.from_mapping({"endpoints": "h:1", "pin": "1234"})
    assert config.pin == "1234"
    assert "1234" not in repr(config)
    assert config != PhoneConfig(endpoints="h:1", pin="4321")
    assert config.key().startswith("phone:")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("c.ini", "", "a file in"),
        ("c.json", "{", "JSON"),
        ("c.toml", "= 3", "TOML"),
        ("c.yaml", "a: [", "YAML"),
        ("c.json", "[1]", "mapping"),
        ("c.json", "{}", "section"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    name: str, text: str, told: str, tmp_path: Path
) -> None:
    """An unknown form, a syntax error, a missing section: the file is named."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidConfig, match=told):
        RedisConfig.load(tmp_path / name, section="users" if told == "section" else "")


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    """When the config is made, not when it is first used."""
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    assert refusal({"endpoints": "h:1", "tls": {"ca_file": file}}).field == "tls.ca_file"


def test_a_key_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A certificate with another one's key is half a pair too."""
    authority = trustme.CA()
    one, other = authority.issue_cert("a.test"), authority.issue_cert("b.test")
    one.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")
    tls = {"cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    assert refusal({"endpoints": "h:1", "tls": tls}).field == "tls.cert_file"


@pytest.mark.parametrize("config", [*CONFIGS, TLS])
def test_every_field_is_explained(config: type[Record]) -> None:
    """The docstrings of a config have a meaning for each field; documentation and schema show it."""
    assert set(config.meanings()) == set(config.fields)
    assert all(field.words for field in config.fields.values())


def test_the_schema_of_a_config() -> None:
    """Every field has the schema of its kind, and nothing else is allowed."""
    schema = RedisConfig.schema()
    assert schema["additionalProperties"] is False
    timeout = schema["properties"]["connect_timeout"]
    assert timeout["default"] == 5.0
    assert timeout["anyOf"][0]["anyOf"][0] == {"type": "number", "minimum": 0}
    assert timeout["anyOf"][-1] == {"type": "null"}
    pattern = timeout["anyOf"][0]["anyOf"][1]["pattern"]
    assert [bool(re.search(pattern, text)) for text in ("500ms", "1h30m", "2", "soon")] == [
        *(True, True, True, False)
    ]
    attempts = schema["properties"]["reconnect_attempts"]["anyOf"][0]
    assert attempts == {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]}
    tls = schema["properties"]["tls"]["anyOf"][0]["anyOf"]
    assert tls == [TLS.schema(), {"type": "boolean"}]


def test_health_and_reconnecting_may_change_in_a_running_pool() -> None:
    """They need no new client; everything else does."""
    changing = {name for name, field in RedisConfig.fields.items() if field.reloadable}
    assert changing == {
        *("health_timeout", "health_interval", "reconnect", "reconnect_interval"),
        *("reconnect_max_interval", "reconnect_attempts", "labels"),
    }
