"""Servers that are killed for real: the connectors of three Redis, a three-node etcd and two Milvus."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connpool_runtime.connectors import ConnectorError, HealthCheckFailed
from connpool_runtime.connectors.etcd import AsyncEtcdConnector, EtcdConfig, EtcdConnector
from connpool_runtime.connectors.milvus import AsyncMilvusConnector, MilvusConfig, MilvusConnector
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from local_servers import EtcdCluster, MilvusServer, RedisSentinel, RedisServer
from tests.runtime.connectors.kinds import Face

pytestmark = pytest.mark.servers

LATE = 30.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[EtcdCluster]:
    """Three etcd servers, one cluster."""
    with EtcdCluster() as found:
        yield found


@pytest.fixture(scope="module")
def milvus() -> Iterator[list[MilvusServer]]:
    """Two Milvus servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(MilvusServer()) for _ in range(2)]


async def until(step: Any) -> Any:
    """Try until it works: a server that was killed comes back in its own time."""
    deadline = time.monotonic() + LATE
    while True:
        try:
            return await step()
        except ConnectorError:
            if time.monotonic() > deadline:
                raise


@pytest.mark.parametrize("connector", [RedisConnector, AsyncRedisConnector])
async def test_three_redis(connector: Any, redis_servers: list[RedisServer]) -> None:
    """When the first is killed, a new client is of the second; its own connector knows that it is ill."""
    config = RedisConfig(endpoints=[server.address for server in redis_servers])
    one = Face(connector(config))
    await one.connect()
    redis_servers[0].kill()
    with pytest.raises(HealthCheckFailed):
        await one.health_check()
    other = Face(one.connector.fresh())
    await other.connect()
    await other.health_check()
    redis_servers[0].restart()
    await until(one.health_check)
    await one.close()
    await other.close()


@pytest.mark.parametrize("connector", [RedisConnector, AsyncRedisConnector])
async def test_sentinel(connector: Any) -> None:
    """The endpoints are Sentinels; the client is of the server that they call the primary."""
    with RedisServer() as primary, RedisSentinel("main", primary) as sentinel:
        one = Face(connector(RedisConfig(endpoints=sentinel.address, sentinel="main")))
        client = await one.connect()
        assert (await one.run(lambda: client.info("server")))["tcp_port"] == primary.port
        await one.close()
        with pytest.raises(ConnectorError):
            await Face(
                connector(RedisConfig(endpoints=sentinel.address, sentinel="other"))
            ).connect()


@pytest.mark.parametrize("connector", [EtcdConnector, AsyncEtcdConnector])
async def test_a_cluster_of_etcd(connector: Any, cluster: EtcdCluster) -> None:
    """One of three may die; without a majority none of them is healthy, though each still answers."""
    ones = [Face(connector(EtcdConfig(endpoints=place))) for place in cluster.endpoints]
    for one in ones:
        await one.connect()
    try:
        cluster.servers[0].kill()
        with pytest.raises(HealthCheckFailed):
            await ones[0].health_check()
        for one in ones[1:]:
            await until(one.health_check)
        anyone = Face(connector(EtcdConfig(endpoints=cluster.endpoints)))
        await anyone.connect()
        await anyone.close()
        cluster.servers[1].kill()
        with pytest.raises(HealthCheckFailed):
            await ones[2].health_check(0.5)
    finally:
        cluster.restart_dead()
    for one in ones:
        await until(one.health_check)
        await one.close()


@pytest.mark.parametrize("connector", [MilvusConnector, AsyncMilvusConnector])
async def test_two_milvus(connector: Any, milvus: list[MilvusServer]) -> None:
    """One is killed and comes back: a new client works, whatever became of the old one."""
    ones = [Face(connector(MilvusConfig(endpoints=server.address))) for server in milvus]
    for one in ones:
        await one.connect()
    milvus[0].kill()
    with pytest.raises(HealthCheckFailed):
        await ones[0].health_check()
    await ones[1].health_check()
    milvus[0].restart()
    new = Face(ones[0].connector.fresh())
    client = await until(new.connect)
    assert await new.run(client.list_collections) == []
    for one in (*ones, new):
        await one.close()


async def test_milvus_clients_are_dedicated(milvus: list[MilvusServer]) -> None:
    """Two clients of one address share no connection: closing one leaves the other alone."""
    ones = [Face(MilvusConnector(MilvusConfig(endpoints=milvus[0].address))) for _ in range(2)]
    clients = [await one.connect() for one in ones]
    assert clients[0]._handler is not clients[1]._handler
    await ones[0].close()
    await ones[1].health_check()
    await ones[1].close()
