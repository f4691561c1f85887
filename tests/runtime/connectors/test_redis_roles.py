"""A real Redis with replicas: reads land on these, writes on the primary, and failovers lose neither."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connpool_runtime import NoMemberForRoute, Pool, calling, method
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.connectors.redis import RedisConfig, RedisConnector
from connpool_runtime.discovery import StaticSource
from connpool_runtime.middleware import Retry
from local_servers import RedisServer
from tests.runtime.classifiers.library import library

redis = library("redis")

pytestmark = pytest.mark.servers
PATIENCE = 60.0


@method("get", idempotent=True, route="replica")
def get(client: Any, packed: tuple[str]) -> bytes | None:
    (name,) = packed
    found: bytes | None = client.get(name)
    return found


@method("set")
def set_(client: Any, packed: tuple[str, str]) -> None:
    name, value = packed
    client.set(name, value)


@method("port", route="replica")
def port_of(client: Any, _: object) -> int:
    port: int = client.connection_pool.connection_kwargs["port"]
    return port


class Servers:
    """A primary and two replicas of it."""

    def __init__(self, stack: ExitStack) -> None:
        self.primary = stack.enter_context(RedisServer())
        replicaof = ("--replicaof", "127.0.0.1", str(self.primary.port))
        self.replicas = [stack.enter_context(RedisServer(*replicaof)) for _ in range(2)]
        for one in self.replicas:
            until(lambda one=one: self.ask(one, "replication")["master_link_status"] == "up")

    @property
    def ports(self) -> set[int]:
        return {one.port for one in self.replicas}

    def ask(self, server: RedisServer, section: str) -> dict[str, Any]:
        with redis.Redis(port=server.port, retry=None) as client:
            told: dict[str, Any] = client.info(section)
            return told

    def calls(self, server: RedisServer, command: str) -> int:
        told = self.ask(server, "commandstats").get(f"cmdstat_{command}", {"calls": 0})
        calls: int = told["calls"]
        return calls

    def pool(self, **options: Any) -> Pool[Any]:
        options = {"max_fails": 1, "cooldown": 60.0, **options}
        return Pool("cache", methods=(get, set_, port_of), **options)

    def config(self) -> RedisConfig:
        everybody = [self.primary, *self.replicas]
        return RedisConfig(
            endpoints=[one.address for one in everybody],
            call_timeout=2.0,
            health_interval=0.05,
            labels={"role": "replica", self.primary.address: {"role": "primary"}},
        )


def until(condition: Callable[..., bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@pytest.fixture
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


def test_reads_land_on_replicas_and_writes_on_the_primary(servers: Servers) -> None:
    """As the servers themselves count their commands; labels come from the connector's config."""
    pool = servers.pool()
    with pool:
        pool.add_connector(RedisConnector(servers.config()))
        for number in range(10):
            pool.call(set_, (f"key {number}", "value"))
        until(lambda: all(servers.ask(one, "keyspace") for one in servers.replicas))
        until(lambda: all(pool.call(get, ("key 9",)) == b"value" for _ in range(4)))
        before = [servers.calls(one, "get") for one in servers.replicas]
        for _ in range(20):
            pool.call(get, ("key 1",))
        assert [
            servers.calls(one, "get") - n for one, n in zip(servers.replicas, before, strict=True)
        ] == [10, 10]
        assert servers.calls(servers.primary, "get") == 0
        assert servers.calls(servers.primary, "set") == 10
        with calling(label="primary"):  # who must read what was just written
            assert pool.call(get, ("key 1",)) == b"value"
        assert servers.calls(servers.primary, "get") == 1


def test_reads_go_on_when_replicas_are_killed(servers: Servers) -> None:
    """By the other replica, then by the primary, without an error for the caller."""
    pool = servers.pool()
    with pool:
        pool.register_middleware(Retry(base=0.0))
        pool.add_connector(RedisConnector(servers.config()))
        pool.call(set_, ("name", "value"))
        until(lambda: all(pool.call(get, ("name",)) == b"value" for _ in range(4)))
        first, second = servers.replicas
        first.kill()
        assert {pool.call(get, ("name",)) for _ in range(6)} == {b"value"}
        second.kill()
        assert {pool.call(get, ("name",)) for _ in range(6)} == {b"value"}
        assert servers.calls(servers.primary, "get") >= 6


def test_writes_are_refused_when_the_primary_is_killed(servers: Servers) -> None:
    """No replica is asked to write, reads go on, and a failover is a change of labels."""
    pool = servers.pool()
    with pool:
        pool.add_connector(RedisConnector(servers.config()))
        pool.call(set_, ("name", "value"))
        servers.primary.kill()
        with pytest.raises(redis.ConnectionError):
            pool.call(set_, ("name", "other"))
        for _ in range(3):
            with pytest.raises(NoMemberForRoute, match="role=primary, of which none may be called"):
                pool.call(set_, ("name", "other"))
        assert {pool.call(port_of) for _ in range(6)} == servers.ports
        assert all(servers.calls(one, "set") <= 1 for one in servers.replicas)  # the replicated one
        new = servers.replicas[0]
        with redis.Redis(port=new.port) as client:
            client.replicaof("NO", "ONE")
        pool.set_labels(new.address, {"role": "primary"})
        pool.call(set_, ("name", "third"))
        with redis.Redis(port=new.port) as client:
            assert client.get("name") == b"third"


def test_a_replica_that_is_called_primary_is_cut_off(servers: Servers) -> None:
    """What answers READONLY is a failure of its member: the labels are wrong, or its server was demoted."""
    pool = servers.pool()
    with pool:
        pool.add_connector(RedisConnector(servers.config()))
        wrong = servers.replicas[0]
        pool.set_labels(servers.primary.address, {"role": "replica"})
        pool.set_labels(wrong.address, {"role": "primary"})
        with pytest.raises(redis.ReadOnlyError):
            pool.call(set_, ("name", "value"))
        with pytest.raises(NoMemberForRoute) as caught:
            pool.call(set_, ("name", "value"))
        assert isinstance(caught.value.cause, redis.ReadOnlyError)


def test_labels_of_a_source_of_endpoints(servers: Servers) -> None:
    """The metadata of an endpoint is its member's labels, over those that the connector's config gives all."""
    endpoints = [
        {"address": servers.primary.address, "metadata": {"role": "primary"}},
        *({"address": one.address, "metadata": {"rack": "b"}} for one in servers.replicas),
    ]
    pool = servers.pool()
    with pool:
        config = RedisConfig(endpoints=servers.primary.address, labels={"role": "replica"})
        pool.discover(StaticSource(endpoints), RedisConnector(config))
        until(lambda: len(pool.members) == 3)
        labels = {one.name: dict(one.labels) for one in pool.stats().members}
        assert labels[servers.primary.address] == {"role": "primary"}
        assert labels[servers.replicas[0].address] == {"role": "replica", "rack": "b"}
        pool.call(set_, ("name", "value"))
        assert {pool.call(port_of) for _ in range(6)} == servers.ports


def test_labels_of_no_endpoint_are_refused() -> None:
    """A slip in an address would else leave a member without a role."""
    with pytest.raises(InvalidConfig, match=r"by endpoint, which is 'a:1', not 'b:1'"):
        RedisConfig(endpoints="a:1", labels={"b:1": {"role": "primary"}})
    wrong: Any
    for wrong in ("replica", {"role": 1}, {"a:1": {"role": 1}}, {"": "x"}):
        with pytest.raises(InvalidConfig, match="labels"):
            RedisConfig(endpoints="a:1", labels=wrong)
    config = RedisConfig(endpoints="a:1, b:1", labels={"zone": "z", "b:1": {"role": "primary"}})
    assert config.labels_of("a:1") == {"zone": "z"}
    assert config.labels_of("b:1") == {"zone": "z", "role": "primary"}
    assert config.at("a:1").labels == {"zone": "z"}
    environ = {"R_ENDPOINTS": "a:1", "R_LABELS": "role=replica, zone=z"}
    read = RedisConfig.load(env="R_", environ=environ)
    assert dict(read.labels) == {"role": "replica", "zone": "z"}
