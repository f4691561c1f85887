"""Committed wrappers that open their own members, over real servers of each kind: one dies and comes back."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from connpool_runtime.connectors import ConnectorConfig, ConnectRefused
from connpool_runtime.connectors.etcd import EtcdConfig
from connpool_runtime.connectors.grpc import GrpcConfig
from connpool_runtime.connectors.http import HttpConfig
from connpool_runtime.connectors.milvus import MilvusConfig
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from connpool_runtime.discovery import (
    DISCOVERED,
    AsyncStaticSource,
    DiscoveryTimeout,
    StaticSource,
)
from connpool_runtime.middleware.retry import Retry
from generated.async_redis_pool import AsyncRedisPool
from generated.etcd3_client_pool import Etcd3ClientPool
from generated.greeter_stub_pool import GreeterStubPool
from generated.httpx_client_pool import HttpxClientPool
from generated.milvus_client_pool import MilvusClientPool
from generated.redis_pool import RedisPool
from greeter.greeter_pb2 import HelloRequest
from local_servers import EtcdCluster, GreeterServer, HttpServer, MilvusServer, RedisServer
from local_servers.ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.servers
QUICK = {"health_interval": 0.05, "reconnect_interval": 0.05, "reconnect_max_interval": 0.1}


@dataclass(frozen=True)
class Service:
    """A committed wrapper, its servers, and a call that may be repeated."""

    wrapper: Any
    config: type[ConnectorConfig]
    start: Callable[[], AbstractContextManager[list[Any]]]
    call: Callable[[Any], object]
    scheme: str = ""

    def config_for(self, servers: list[Any]) -> ConnectorConfig:
        """A config with all servers as endpoints, impatient enough for a test."""
        endpoints = [f"{self.scheme}127.0.0.1:{server.port}" for server in servers]
        return self.config(endpoints=endpoints, **QUICK)


def several(make: Callable[[], Any], count: int = 3) -> Callable[[], AbstractContextManager[Any]]:
    """A number of servers that know nothing of each other."""

    @contextmanager
    def start() -> Iterator[list[Any]]:
        with ExitStack() as stack:
            yield [stack.enter_context(make()) for _ in range(count)]

    return start


@contextmanager
def etcd_cluster() -> Iterator[list[Any]]:
    """A cluster of three, its leader last: without it nothing is answered for a while."""
    with EtcdCluster(3) as cluster:
        yield sorted(cluster.servers, key=lambda server: is_leader(server.port))


def is_leader(port: int) -> bool:
    """Whether the others follow this member."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v3/maintenance/status", data=b"{}", method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        status = json.load(answer)
    return bool(status["leader"] == status["header"]["member_id"])


SERVICES = {
    "redis": Service(RedisPool, RedisConfig, several(RedisServer), lambda pool: pool.get("a")),
    "etcd": Service(Etcd3ClientPool, EtcdConfig, etcd_cluster, lambda pool: pool.get("a")),
    "grpc": Service(
        GreeterStubPool,
        GrpcConfig,
        several(GreeterServer),
        lambda pool: pool.SayHello(HelloRequest(name="Ann")),
    ),
    "milvus": Service(
        MilvusClientPool,
        MilvusConfig,
        several(MilvusServer, 2),
        lambda pool: pool.list_collections(),
    ),
    "http": Service(
        HttpxClientPool, HttpConfig, several(HttpServer), lambda pool: pool.get("/"), "http://"
    ),
}


@pytest.mark.parametrize("kind", SERVICES)
def test_calls_go_on_when_a_server_dies(kind: str) -> None:
    """A pool made from a config loses no repeatable call, and serves from all when the server is back."""
    service = SERVICES[kind]
    with service.start() as servers:
        config = service.config_for(servers)
        with service.wrapper.from_config(
            config, balancer="round_robin", max_fails=1, cooldown=0.1
        ) as wrapper:
            wrapper.pool.register_middleware(Retry())
            for _ in range(2 * len(servers)):
                service.call(wrapper)
            assert all(member.successes for member in wrapper.pool.stats().members)
            end(servers[0])
            for _ in range(4 * len(servers)):
                service.call(wrapper)
            if kind == "http":  # that server is not made to come back
                return
            servers[0].restart()
            assert eventually(lambda: served_by_all(service, wrapper))


def end(server: Any) -> None:
    """Kill a server, or what comes nearest to it."""
    (server.kill if hasattr(server, "kill") else server.stop)()


def served_by_all(service: Service, wrapper: Any) -> bool:
    """Whether each member answers a call of its own."""
    before = {member.name: member.successes for member in wrapper.pool.stats().members}
    for _ in range(2 * len(before)):
        service.call(wrapper)
    return all(m.successes > before.get(m.name, 0) for m in wrapper.pool.stats().members)


async def test_calls_go_on_for_tasks(redis_servers: list[RedisServer]) -> None:
    """The same for an asynchronous wrapper."""
    config = RedisConfig(endpoints=[server.address for server in redis_servers], **QUICK)
    wrapper = await AsyncRedisPool.from_config(
        config, balancer="round_robin", max_fails=1, cooldown=0.1
    )
    async with wrapper:
        wrapper.pool.register_middleware(Retry())
        redis_servers[0].kill()  # before it has served anybody
        for _ in range(12):
            assert await wrapper.get("a") is None
        redis_servers[0].restart()
        dead = redis_servers[0].address

        async def answers() -> bool:
            for _ in range(6):
                await wrapper.get("a")
            members = wrapper.pool.stats().members
            return any(m.successes for m in members if m.name.startswith(dead))

        for _ in range(2000):
            if await answers():
                return
            await asyncio.sleep(0.01)
        pytest.fail("the server that came back serves nobody")


def test_a_connector_serves_other_endpoints_too(redis_servers: list[RedisServer]) -> None:
    """The endpoints given take the place of those in the connector's config."""
    connector = RedisConnector(RedisConfig(endpoints=["127.0.0.1:1"]))
    addresses = [server.address for server in redis_servers[:2]]
    with RedisPool.from_connector(connector, addresses) as wrapper:
        assert sorted(m.name for m in wrapper.pool.stats().members) == sorted(addresses)
        assert wrapper.ping() is True


async def test_a_wrapper_follows_a_source(redis_servers: list[RedisServer]) -> None:
    """`from_discovery` makes members of what a source gives, as the connector tells; the options are the pool's."""
    connector = RedisConnector(RedisConfig(endpoints=DISCOVERED))
    source = StaticSource([server.address for server in redis_servers[:2]])
    with RedisPool.from_discovery(source, connector, {"max_connecting": 1}, name="eu") as wrapper:
        assert wrapper.pool.name == "eu"
        assert eventually(lambda: len(wrapper.pool.members) == 2)
        assert wrapper.ping() is True
    aconnector = AsyncRedisConnector(RedisConfig(endpoints=DISCOVERED))
    asource = AsyncStaticSource([redis_servers[2].address])
    async with await AsyncRedisPool.from_discovery(asource, aconnector) as awrapper:
        assert [member.name for member in awrapper.pool.members] == [redis_servers[2].address]
        assert await awrapper.get("a") is None


def test_no_source_is_one_error() -> None:
    """When the source gives nobody, or nobody can be reached, making the pool fails with the reason."""
    connector = RedisConnector(RedisConfig(endpoints=DISCOVERED))
    nobody = StaticSource([f"127.0.0.1:{free_port()}"])
    with pytest.raises(DiscoveryTimeout, match="refused"):
        RedisPool.from_discovery(nobody, connector, {"start_timeout": 0.5})


def test_nobody_there_is_one_error() -> None:
    """When no endpoint gives a client, making the pool fails with the reason."""
    config = RedisConfig(endpoints=[f"127.0.0.1:{free_port()}"])
    with pytest.raises(ConnectRefused):
        RedisPool.from_config(config)
