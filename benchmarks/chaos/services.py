"""The kinds of servers: how they are started, and how a pool of them is opened and called.

Synchronous pools are those of the committed wrappers. Of the asynchronous ones only that of Redis is
committed; for the others the method is stated here as a wrapper would state it.
"""

from __future__ import annotations

import json
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.chaos.hosts import Host
from connpool_runtime import AsyncPool, Method, Pool
from connpool_runtime.connectors.etcd import AsyncEtcdConnector, EtcdConfig
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig
from connpool_runtime.connectors.http import AsyncHttpConnector, HttpConfig
from connpool_runtime.connectors.redis import RedisConfig
from generated.async_redis_pool import AsyncRedisPool
from generated.etcd3_client_pool import Etcd3ClientPool
from generated.greeter_stub_pool import GreeterStubPool
from generated.httpx_client_pool import HttpxClientPool
from generated.redis_pool import RedisPool
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import EtcdCluster, GreeterProcess, HttpProcess, ProcessServer, RedisServer
from local_servers.ports import HOST

PATIENCE = 0.5  # seconds for one attempt, and for connecting: the one number that is not a default
NAME = "name"  # the key under which each Redis has its own name


@dataclass(frozen=True)
class Target:
    """A pool, and a call through it that returns who answered."""

    pool: Pool[Any]
    call: Callable[[], str]


@dataclass(frozen=True)
class AsyncTarget:
    """The same for asyncio."""

    pool: AsyncPool[Any]
    call: Callable[[], Awaitable[str]]


class Service(ABC):
    """A kind of server.

    Attributes:
        name: as in the table.
        channels: which of its pools, "sync" and "async", have clients over channels of gRPC.
    """

    name: str
    channels: tuple[str, ...] = ()

    @abstractmethod
    def hosts(self) -> Any:
        """Return a context manager that runs three of them and gives them as a list of `Host`."""

    @abstractmethod
    def open(self, endpoints: Sequence[str], **options: Any) -> Target:
        """Open a pool with a member for each endpoint."""

    @abstractmethod
    async def open_async(self, endpoints: Sequence[str], **options: Any) -> AsyncTarget:
        """Open an asynchronous pool with a member for each endpoint."""

    def endpoint(self, address: str) -> str:
        """Return the endpoint in configs for a server's address, which is its member's name too."""
        return address


@contextmanager
def _running(make: Callable[[str], Host], count: int = 3) -> Iterator[list[Host]]:
    with ExitStack() as stack:
        yield [stack.enter_context(make(name)) for name in "abcdefghij"[:count]]


class Redis(Service):
    """Redis servers that know nothing of each other, asked for their own names."""

    name = "Redis"

    @contextmanager
    def hosts(self, count: int = 3) -> Iterator[list[Host]]:
        """Run some of them."""
        with _running(lambda name: Host(RedisServer(), name, named(name)), count) as hosts:
            yield hosts

    def config(self, endpoints: Sequence[str]) -> RedisConfig:
        """Return the config of the pools."""
        return RedisConfig(endpoints=endpoints, connect_timeout=PATIENCE, call_timeout=PATIENCE)

    def open(self, endpoints: Sequence[str], **options: Any) -> Target:
        """Open the committed wrapper."""
        options.setdefault("balancer", "round_robin")  # all hold the same
        wrapper = RedisPool.from_config(self.config(endpoints), **options)
        return Target(wrapper.pool, lambda: _text(wrapper.get(NAME)))

    async def open_async(self, endpoints: Sequence[str], **options: Any) -> AsyncTarget:
        """Open the committed wrapper for asyncio."""
        options.setdefault("balancer", "round_robin")
        wrapper = await AsyncRedisPool.from_config(self.config(endpoints), **options)

        async def call() -> str:
            return _text(await wrapper.get(NAME))

        return AsyncTarget(wrapper.pool, call)


class Grpc(Service):
    """gRPC servers that sign their greetings."""

    name = "gRPC"
    channels = ("sync", "async")

    @contextmanager
    def hosts(self) -> Iterator[list[Host]]:
        """Run three of them."""
        with _running(lambda name: Host(GreeterProcess(name), name)) as hosts:
            yield hosts

    def open(self, endpoints: Sequence[str], **options: Any) -> Target:
        """Open the committed wrapper."""
        config = GrpcConfig(endpoints=endpoints, connect_timeout=PATIENCE)
        wrapper = GreeterStubPool.from_config(config, **options)

        def call() -> str:
            return wrapper.SayHello(HelloRequest(name="Ann"), timeout=PATIENCE).message[-1]

        return Target(wrapper.pool, call)

    async def open_async(self, endpoints: Sequence[str], **options: Any) -> AsyncTarget:
        """Open a pool of stubs on channels of `grpc.aio`."""
        config = GrpcConfig(endpoints=endpoints, connect_timeout=PATIENCE)
        pool: AsyncPool[Any] = AsyncPool("greeter_async_stub", **options)
        await pool.add_connector(AsyncGrpcConnector(config, _stub))
        say_hello: Method[Any, Any] = Method(
            "SayHello",
            lambda stub, args: stub.SayHello(args[0], timeout=args[1]),
            idempotent=True,
        )

        async def call() -> str:
            reply = await pool.call(say_hello, (HelloRequest(name="Ann"), PATIENCE))
            return str(reply.message[-1])

        return AsyncTarget(pool, call)


class Http(Service):
    """HTTP servers that answer with their names."""

    name = "HTTP"

    @contextmanager
    def hosts(self) -> Iterator[list[Host]]:
        """Run three of them."""
        with _running(lambda name: Host(HttpProcess(name), name)) as hosts:
            yield hosts

    def endpoint(self, address: str) -> str:
        """Return the base URL."""
        return f"http://{address}"

    def config(self, endpoints: Sequence[str]) -> HttpConfig:
        """Return the config of the pools."""
        return HttpConfig(endpoints=endpoints, connect_timeout=PATIENCE, call_timeout=PATIENCE)

    def open(self, endpoints: Sequence[str], **options: Any) -> Target:
        """Open the committed wrapper."""
        wrapper = HttpxClientPool.from_config(self.config(endpoints), **options)
        return Target(wrapper.pool, lambda: wrapper.get("/").text)

    async def open_async(self, endpoints: Sequence[str], **options: Any) -> AsyncTarget:
        """Open a pool of `httpx.AsyncClient`."""
        pool: AsyncPool[Any] = AsyncPool("httpx_async_client", **options)
        await pool.add_connector(AsyncHttpConnector(self.config(endpoints)))
        get: Method[Any, Any] = Method(
            "get", lambda client, args: client.get(*args), idempotent=True
        )

        async def call() -> str:
            return str((await pool.call(get, ("/",))).text)

        return AsyncTarget(pool, call)


class Etcd(Service):
    """The members of an etcd cluster, each asked what it can answer alone; the leader comes last."""

    name = "etcd"
    channels = ("async",)

    @contextmanager
    def hosts(self) -> Iterator[list[Host]]:
        """Run a cluster of three."""
        with EtcdCluster(3) as cluster, ExitStack() as stack:
            states = [(_state(server.port), server) for server in cluster.servers]
            states.sort(key=lambda found: found[0]["leader"] == found[0]["header"]["member_id"])
            yield [
                stack.enter_context(Host(server, str(state["header"]["member_id"])))
                for state, server in states
            ]

    def open(self, endpoints: Sequence[str], **options: Any) -> Target:
        """Open the committed wrapper."""
        config = EtcdConfig(endpoints=endpoints, connect_timeout=PATIENCE, call_timeout=PATIENCE)
        wrapper = Etcd3ClientPool.from_config(config, **options)
        return Target(wrapper.pool, lambda: str(_header(wrapper.status())["member_id"]))

    async def open_async(self, endpoints: Sequence[str], **options: Any) -> AsyncTarget:
        """Open a pool of `etcd3aio.Etcd3Client`."""
        config = EtcdConfig(endpoints=endpoints, connect_timeout=PATIENCE, call_timeout=PATIENCE)
        pool: AsyncPool[Any] = AsyncPool("etcd3aio_client", **options)
        await pool.add_connector(AsyncEtcdConnector(config))
        get: Method[Any, Any] = Method(
            "get",
            lambda client, args: client.kv.get(args[0], serializable=True, timeout=args[1]),
            idempotent=True,
        )

        async def call() -> str:
            return str((await pool.call(get, (b"key", PATIENCE))).header.member_id)

        return AsyncTarget(pool, call)


SERVICES: tuple[Service, ...] = (Redis(), Grpc(), Http(), Etcd())


def _stub(channel: Any) -> Any:
    """Return a stub on a channel of `grpc.aio`; the stubs' types know only those of threads."""
    return GreeterStub(channel)


def named(name: str) -> Callable[[ProcessServer], None]:
    """Return a function that stores a Redis server's own name in it."""

    def prepare(server: ProcessServer) -> None:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.set(NAME, name)

    return prepare


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else ""


def _header(status: Any) -> Any:
    return status["header"]


def _state(port: int) -> Any:
    url = f"http://{HOST}:{port}/v3/maintenance/status"
    request = urllib.request.Request(url, data=b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
