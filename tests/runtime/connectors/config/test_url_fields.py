"""URLs in the place of endpoints: what they say, and what may not be said twice."""

import re
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.connectors import TLS, ConnectorConfig, InvalidConfig
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.secrets import reveal
from connpool_runtime.connectors.etcd import EtcdConfig
from connpool_runtime.connectors.grpc import GrpcConfig
from connpool_runtime.connectors.http import HttpConfig
from connpool_runtime.connectors.milvus import MilvusConfig
from connpool_runtime.connectors.redis import RedisConfig

SAME: list[tuple[str, ConnectorConfig]] = [
    ("redis://h", RedisConfig(endpoints="h:6379")),
    ("redis://", RedisConfig(endpoints="localhost:6379")),
    ("redis://H:7/2", RedisConfig(endpoints="h:7", database=2)),
    ("redis://[::1]:7", RedisConfig(endpoints="[::1]:7")),
    ("redis://[::1]", RedisConfig(endpoints="[::1]:6379")),
    ("redis://:p%40s%2Fs@h", RedisConfig(endpoints="h:6379", password="p@s/s")),
    ("redis://:a@b@h", RedisConfig(endpoints="h:6379", password="a@b")),
    (
        "redis://ann:pw@a,b:7/1",
        RedisConfig(endpoints="a:6379,b:7", username="ann", password="pw", database=1),
    ),
    (
        "redis://:pw@a/1, redis://:pw@b/1",
        RedisConfig(endpoints="a:6379,b:6379", password="pw", database=1),
    ),
    ("rediss://h?ssl_cert_reqs=none", RedisConfig(endpoints="h:6379", tls={"verify": False})),
    ("valkeys://h", RedisConfig(endpoints="h:6379", tls=True)),
    ("unix:///run/redis.sock?db=3", RedisConfig(endpoints="unix:///run/redis.sock", database=3)),
    (
        "redis://h?socket_timeout=0.5&protocol=3&decode_responses=True&health_check_interval=30&call_timeout=1s",
        RedisConfig(
            endpoints="h:6379",
            call_timeout=1,
            protocol=3,
            decode_responses=True,
            options={"health_check_interval": 30},
        ),
    ),
    ("grpc://h:1", GrpcConfig(endpoints="h:1")),
    ("grpcs://h", GrpcConfig(endpoints="h:443", tls=True)),
    ("https://h:1", GrpcConfig(endpoints="h:1", tls=True)),
    ("unix:///run/g.sock", GrpcConfig(endpoints="unix:///run/g.sock")),
    ("https://a:2379,https://b:2379", EtcdConfig(endpoints="a:2379,b:2379", tls=True)),
    ("etcd://root:pw@h", EtcdConfig(endpoints="h:2379", username="root", password="pw")),
    ("http://h/shop", MilvusConfig(endpoints="h:19530", database="shop")),
    (
        "https://root:pw@h:1",
        MilvusConfig(endpoints="h:1", username="root", password="pw", tls=True),
    ),
    (
        "https://ann:p%40w@h:1/api?v=1",
        HttpConfig(endpoints="https://h:1/api?v=1", username="ann", password="p@w"),
    ),
]


@pytest.mark.parametrize(("url", "config"), SAME)
def test_a_url_is_the_config_that_it_says(url: str, config: ConnectorConfig) -> None:
    """Host, port, user, password, path and query of a URL are the fields of those names."""
    assert type(config).from_url(url) == config
    assert (
        type(config).from_mapping({"endpoints": [url] if url.count("://") == 1 else url}) == config
    )


@pytest.mark.parametrize(
    ("config", "given", "told"),
    [
        (RedisConfig, {"endpoints": "redis://:hunter2/@h"}, "%2F"),
        (RedisConfig, {"endpoints": "redis://:hunter2@h:x"}, "between 1 and 65535"),
        (RedisConfig, {"endpoints": "rediz://:hunter2@h"}, "redis:// or rediss://"),
        (RedisConfig, {"endpoints": "unix://run/redis.sock"}, "three slashes"),
        (RedisConfig, {"endpoints": "redis://h/x"}, "database must be a whole number"),
        (
            RedisConfig,
            {"endpoints": "redis://h?tiemout=hunter2"},
            "unknown option 'options.tiemout'",
        ),
        (
            RedisConfig,
            {"endpoints": "redis://:hunter2@a/1,redis://:hunter2@b/2"},
            "interchangeable",
        ),
        (RedisConfig, {"endpoints": "redis://:hunter2@a,rediss://:hunter2@b"}, "interchangeable"),
        (RedisConfig, {"endpoints": "redis://h/1", "database": 0}, "database must be left out"),
        (
            RedisConfig,
            {"endpoints": "redis://:hunter2@h", "password": "x"},
            "password must be left out",
        ),
        (RedisConfig, {"endpoints": "rediss://h", "tls": False}, "tls must be left out"),
        (GrpcConfig, {"endpoints": "grpc://h"}, "between 1 and 65535"),
        (GrpcConfig, {"endpoints": "grpc://ann:hunter2@h:1"}, "without a username"),
        (GrpcConfig, {"endpoints": "grpc://h:1/shop"}, "without a path"),
        (HttpConfig, {"endpoints": "ftp://ann:hunter2@h"}, "http://host:port or https://host:port"),
        (ConnectorConfig, {"endpoints": "redis://ann:hunter2@h"}, "without a scheme"),
    ],
)
def test_what_a_url_may_not_say(
    config: type[ConnectorConfig], given: dict[str, Any], told: str
) -> None:
    """What is no URL of the kind, or says another thing than a field or URL beside it, is refused without its secrets."""
    with pytest.raises(InvalidConfig, match=re.escape(told)) as caught:
        config.from_mapping(given)
    assert "hunter2" not in str(caught.value)


def test_a_user_is_not_dropped() -> None:
    """Where no field is for the user of a URL, it is refused, and not passed over."""
    endpoints = Endpoints("http", "https")
    endpoints.name = "endpoints"
    with pytest.raises(InvalidConfig, match="without a user") as caught:
        endpoints.checked("http://ann:hunter2@h:1")
    assert "hunter2" not in str(caught.value)


def test_a_field_beside_a_url() -> None:
    """What a URL does not say, or says alike, may be said beside it; TLS in more detail."""
    config = RedisConfig(
        endpoints="rediss://:pw@h/2",
        database=2,
        password="pw",
        call_timeout=1,
        tls={"verify": False},
    )
    assert config == RedisConfig(
        endpoints="h:6379", password="pw", database=2, call_timeout=1, tls=TLS(verify=False)
    )


def test_layers_go_over_each_other_with_urls(tmp_path: Path) -> None:
    """The URL of the environment goes before what the file says, an argument before the URL."""
    file = tmp_path / "c.toml"
    file.write_text('endpoints = "redis://:old@old/1"\ncall_timeout = 3\n')
    environ = {"REDIS_URL": "redis://:new@new/2"}
    config = RedisConfig.load(file, env="REDIS_", environ=environ, database=4)
    assert config == RedisConfig(endpoints="new:6379", password="new", database=4, call_timeout=3)
    with pytest.raises(InvalidConfig, match="left out where REDIS_ENDPOINTS is given"):
        RedisConfig.load(env="REDIS_", environ={**environ, "REDIS_ENDPOINTS": "h:1"})


def test_usual_variables() -> None:
    """`from_env` reads what others call the variables; a password in them is read anew later."""
    environ = {"REDIS_URL": "redis://:first@h/1"}
    config = RedisConfig.from_env(environ, call_timeout=1)
    assert (config.endpoints, config.database, config.call_timeout) == (("h:6379",), 1, 1.0)
    environ["REDIS_URL"] = "redis://:second@h/1"
    assert reveal(config.password) == "second"
    etcd = EtcdConfig.from_env({"ETCDCTL_ENDPOINTS": "http://a:1,b:2", "ETCDCTL_USER": "ann:pw"})
    assert (etcd.endpoints, etcd.username, etcd.password) == (("a:1", "b:2"), "ann", "pw")
    milvus = MilvusConfig.from_env({"MILVUS_URI": "http://h:1", "MILVUS_TOKEN": "t"})
    assert (milvus.endpoints, reveal(milvus.token)) == (("h:1",), "t")
    with pytest.raises(InvalidConfig, match="set: REDIS_URL or VALKEY_URL"):
        RedisConfig.from_env({})
    with pytest.raises(InvalidConfig, match="no usual variable"):
        GrpcConfig.from_env({})


def test_a_variable_that_is_set_is_pointed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forgets the endpoints is told of the variable that has them."""
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@h")
    with pytest.raises(
        InvalidConfig, match='REDIS_URL is set: endpoints = "env:REDIS_URL"'
    ) as caught:
        RedisConfig()
    assert "hunter2" not in str(caught.value)
    assert RedisConfig(endpoints="env:REDIS_URL").endpoints == ("h:6379",)
    assert RedisConfig(endpoints="file:6379").endpoints == ("file:6379",)  # a host may be called so
