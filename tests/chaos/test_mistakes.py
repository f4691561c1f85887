"""Ten thousand calls that are all their callers' mistakes, on healthy servers: no member is ejected."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from typing import Any

import grpc
import httpx
import pytest
import redis
from prometheus_client import CollectorRegistry

from connpool_runtime import AsyncPool, BreakerState, Method, Pool
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig
from connpool_runtime.connectors.http import AsyncHttpConnector, HttpConfig
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import in_order
from generated.async_redis_pool import AsyncRedisPool
from generated.greeter_stub_pool import GreeterStubPool
from generated.httpx_client_pool import HttpxClientPool
from generated.redis_pool import RedisPool
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import GreeterServer, HttpServer, RedisServer
from local_servers.greeter_server import NOBODY
from local_servers.http_server import MISSING

pytestmark = [pytest.mark.servers, pytest.mark.chaos]
REDIS, GRPC, HTTP = (
    3000,
    1500,
    500,
)  # calls through each of two pools, as many as their clients make in a second
AT_ONCE = 10  # tasks


@pytest.fixture
def text_servers(redis_servers: list[RedisServer]) -> list[str]:
    """The addresses of three Redis servers, each with a text under a key."""
    for server in redis_servers:
        with redis.Redis(port=server.port) as client:
            client.set("text", "no number")
    return [server.address for server in redis_servers]


@pytest.fixture
def http_servers() -> Iterator[list[str]]:
    """The base URLs of three HTTP servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(HttpServer(name)).address for name in "abc"]


def make(
    pool: Pool[Any],
    mistakes: Sequence[Callable[[], object]],
    error: type[Exception],
    calls: int,
) -> None:
    """Make the mistakes over and over, and check that no member is ejected for them."""
    for middleware in in_order():
        pool.register_middleware(middleware)
    for mistake in islice(cycle(mistakes), calls):
        with pytest.raises(error):
            mistake()
    assert_nobody_suffers(pool, calls)


async def make_async(
    pool: AsyncPool[Any],
    mistakes: Sequence[Callable[[], Awaitable[object]]],
    error: type[Exception],
    calls: int,
) -> None:
    """Do the same in several tasks."""
    for middleware in in_order():
        pool.register_middleware(middleware)
    ahead = islice(cycle(mistakes), calls)

    async def caller() -> None:
        for mistake in ahead:
            with pytest.raises(error):
                await mistake()

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    assert_nobody_suffers(pool, calls)


def assert_nobody_suffers(pool: Pool[Any] | AsyncPool[Any], calls: int) -> None:
    """No breaker opened, no call was refused, each was counted as an answer, on every member."""
    stats = pool.stats()
    assert [(member.state, member.trips) for member in stats.members] == [
        (BreakerState.CLOSED, 0)
    ] * 3
    assert stats.rejections == ()
    assert all(member.answers >= calls // 4 for member in stats.members)
    assert exported(pool) == {"answer": calls}


def exported(pool: Pool[Any] | AsyncPool[Any]) -> Counter[str]:
    """Return what `calls_total` says, by outcome."""
    registry = CollectorRegistry()
    PoolCollector(pool, registry=registry)
    counts = Counter[str]()
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_calls_total") and "method" in sample.labels and sample.value:
                counts[sample.labels["outcome"]] += int(sample.value)
    return counts


def test_wrong_types_on_redis(text_servers: list[str]) -> None:
    """Commands that do not fit the value eject no Redis, whichever command it is."""
    config = RedisConfig(endpoints=text_servers)
    with RedisPool.from_config(config, balancer="round_robin") as pool:
        wrong = (
            lambda: pool.incr("text"),
            lambda: pool.lpush("text", "x"),
            lambda: pool.hget("text", "x"),
            lambda: pool.smembers("text"),
        )
        make(pool.pool, wrong, redis.ResponseError, REDIS)


async def test_wrong_types_on_redis_by_tasks(text_servers: list[str]) -> None:
    """The same through the asynchronous wrapper."""
    config = RedisConfig(endpoints=text_servers)
    wrapper = await AsyncRedisPool.from_config(config, balancer="round_robin")
    async with wrapper as pool:
        wrong = (
            lambda: pool.incr("text"),
            lambda: pool.lpush("text", "x"),
            lambda: pool.hget("text", "x"),
        )
        await make_async(pool.pool, wrong, redis.ResponseError, REDIS)


def test_not_found_on_grpc(greeter_servers: list[GreeterServer]) -> None:
    """Asking for something that does not exist ejects no gRPC server."""
    config = GrpcConfig(endpoints=[server.address for server in greeter_servers])
    with GreeterStubPool.from_config(config) as pool:
        nobody = HelloRequest(name=NOBODY)
        wrong = (lambda: pool.SayHello(nobody), lambda: pool.SayHello.with_call(nobody))
        make(pool.pool, wrong, grpc.RpcError, GRPC)


@pytest.fixture
async def greeter_pool(greeter_servers: list[GreeterServer]) -> AsyncIterator[AsyncPool[Any]]:
    """A pool of stubs on channels of `grpc.aio`."""
    config = GrpcConfig(endpoints=[server.address for server in greeter_servers])
    pool: AsyncPool[Any] = AsyncPool("greeter_async_stub")

    def stub(channel: Any) -> Any:
        return GreeterStub(channel)

    await pool.add_connector(AsyncGrpcConnector(config, stub))
    async with pool:
        yield pool


async def test_not_found_on_grpc_by_tasks(greeter_pool: AsyncPool[Any]) -> None:
    """The same through `grpc.aio`."""
    say_hello: Method[Any, Any] = Method(
        "SayHello", lambda stub, args: stub.SayHello(*args), idempotent=True
    )
    wrong = (lambda: greeter_pool.call(say_hello, (HelloRequest(name=NOBODY),)),)
    await make_async(greeter_pool, wrong, grpc.RpcError, GRPC)


def missing(client: httpx.Client) -> httpx.Response:
    """Ask for something that does not exist, and take the answer as an error."""
    return client.get(MISSING).raise_for_status()


def test_not_found_on_http(http_servers: list[str]) -> None:
    """A 404 that the client raises ejects no HTTP server."""
    with HttpxClientPool.from_config(HttpConfig(endpoints=http_servers)) as pool:
        wrong = (
            lambda: pool.pool.execute(missing),
            lambda: pool.pool.execute(missing, idempotent=True),
        )
        make(pool.pool, wrong, httpx.HTTPStatusError, HTTP)


async def test_not_found_on_http_by_tasks(http_servers: list[str]) -> None:
    """The same through `httpx.AsyncClient`."""

    async def get(client: httpx.AsyncClient, path: str) -> httpx.Response:
        return (await client.get(path)).raise_for_status()

    method: Method[httpx.AsyncClient, Awaitable[httpx.Response]] = Method(
        "get", lambda client, args: get(client, *args), idempotent=True
    )
    async with AsyncPool[httpx.AsyncClient]("httpx_async_client") as pool:
        await pool.add_connector(AsyncHttpConnector(HttpConfig(endpoints=http_servers)))
        await make_async(
            pool, (lambda: pool.call(method, (MISSING,)),), httpx.HTTPStatusError, HTTP
        )
