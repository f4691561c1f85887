"""The kinds of connectors as one table: a real server of each, its config, and a call that proves that a client works."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from connpool_runtime.connectors import ConnectorConfig
from connpool_runtime.connectors.etcd import AsyncEtcdConnector, EtcdConfig, EtcdConnector
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig, GrpcConnector
from connpool_runtime.connectors.http import AsyncHttpConnector, HttpConfig, HttpConnector
from connpool_runtime.connectors.milvus import AsyncMilvusConnector, MilvusConfig, MilvusConnector
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import EtcdCluster, GreeterServer, HttpServer, MilvusServer, RedisServer


@dataclass(frozen=True)
class Kind:
    """One kind of connector and how to try it."""

    name: str
    start: Callable[[], AbstractContextManager[Any]]
    config: type[ConnectorConfig]
    sync: Callable[..., Any]
    aio: Callable[..., Any]
    use: Callable[[Any], Any]
    scheme: str = ""

    def at(self, port: int, *, tls: bool = False) -> str:
        """The endpoint at a loopback port."""
        scheme = self.scheme.replace("http", "https") if tls else self.scheme
        return f"{scheme}127.0.0.1:{port}"


class OneEtcd(EtcdCluster):
    """A cluster of one."""

    def __init__(self) -> None:
        super().__init__(1)
        self.port = self.servers[0].port


KINDS = [
    Kind(
        "redis",
        RedisServer,
        RedisConfig,
        RedisConnector,
        AsyncRedisConnector,
        lambda client: client.set("a", "b"),
    ),
    Kind(
        "etcd",
        OneEtcd,
        EtcdConfig,
        EtcdConnector,
        AsyncEtcdConnector,
        lambda client: getattr(client, "kv", client).put("a", "b"),
    ),
    Kind(
        "grpc",
        GreeterServer,
        GrpcConfig,
        lambda config: GrpcConnector(config, GreeterStub),
        lambda config: AsyncGrpcConnector(config, GreeterStub),
        lambda client: client.SayHello(HelloRequest(name="Ann")),
    ),
    Kind(
        "milvus",
        MilvusServer,
        MilvusConfig,
        MilvusConnector,
        AsyncMilvusConnector,
        lambda client: client.list_collections(),
    ),
    Kind(
        "http",
        HttpServer,
        HttpConfig,
        HttpConnector,
        AsyncHttpConnector,
        lambda client: client.get("/"),
        "http://",
    ),
]


class Face:
    """A connector of either kind, driven the same way."""

    def __init__(self, connector: Any) -> None:
        self.connector = connector

    async def run(self, step: Callable[[], Any]) -> Any:
        """Run a step: in a thread, unless it gives something to wait for."""
        if inspect.iscoroutinefunction(self.connector.connect):
            found = step()
            return await found if isinstance(found, Awaitable) else found
        return await asyncio.to_thread(step)

    async def connect(self, seconds: float | None = None) -> Any:
        return await self.run(lambda: self.connector.connect(seconds))

    async def health_check(self, seconds: float | None = None) -> None:
        await self.run(lambda: self.connector.health_check(seconds))

    async def close(self) -> None:
        await self.run(self.connector.close)

    async def use(self, kind: Kind) -> Any:
        client = self.connector.client
        return await self.run(lambda: kind.use(client))
