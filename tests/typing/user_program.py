"""A program that uses wrappers: what its author sees of them in a type checker; checked by many, never run.

A line with `# wrong:` is a mistake that a checker has to find; the comments before it keep quiet those of `make lint`.
`tools/type_checkers.py` takes them away and counts.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import assert_type

import grpc
import httpx
from etcd3gw.client import Etcd3Client
from etcd3gw.types import Member
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from connpool_runtime import (
    AsyncPool,
    Pool,
    PoolOptions,
    PoolStats,
    RetryPolicy,
    calling,
    deadline,
)
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig
from connpool_runtime.middleware import Retry
from generated.async_redis_pool import AsyncRedisPool
from generated.etcd3_client_pool import Etcd3ClientPool
from generated.greeter_stub_pool import GreeterStubPool
from generated.httpx_client_pool import HttpxClientPool
from generated.milvus_client_pool import MilvusClientPool
from generated.redis_pool import RedisPool
from greeter.greeter_pb2 import HelloReply, HelloRequest
from tests.typing.async_shelf_pool import AsyncShelfPool
from tests.typing.shelf_pool import ShelfPool
from tests.typing.shelves import AsyncShelf, Shelf

Open = Callable[[str], AbstractContextManager[int]]  # what `borrow` of a pool of numbers is


async def making(config: RedisConfig, chosen: PoolOptions) -> None:
    """A pool is made from clients, from a config or from a connector."""
    with RedisPool.from_config(config, balancer="round_robin", max_fails=3) as pool:
        assert_type(pool, RedisPool)
        assert_type(pool.pool, Pool[Redis])
    later = await AsyncRedisPool.from_connector(
        AsyncRedisConnector(config), ["10.0.0.1:6379"], cooldown=5.0
    )
    assert_type(later, AsyncRedisPool)
    shelves = ShelfPool[int](name="numbers", **chosen)
    shelves.pool.add_client(Shelf({"one": 1}), "a", weight=2)
    shelves.pool.add_client(Shelf({"one": "1"}), "b")  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]  # wrong: of texts
    RedisPool(max_failures=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no such option
    RedisPool(cooldown="long")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong: no number


def generic(pool: ShelfPool[int]) -> None:
    """Type parameters, overloads, iterators, context managers and properties are the client's."""
    assert_type(pool.find("one"), int | None)
    assert_type(pool.find("one", required=True), int)
    assert_type(pool.size, int)
    for key in pool.keys(prefix="o"):
        assert_type(key, str)
    with pool.borrow("one") as thing:
        assert_type(thing, int)
    opened: Open = pool.borrow
    del opened
    pool.put("two", "2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong: a text among numbers
    pool.find(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]  # wrong: no overload
    pool.find("one", needed=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # wrong: no parameter
    pool.drop("one")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # wrong: no method


async def generic_async(pool: AsyncShelfPool[int]) -> AsyncIterator[str]:
    """The same for asyncio."""
    assert_type(pool.pool, AsyncPool[AsyncShelf[int]])
    assert_type(await pool.find("one"), int | None)
    assert_type(await pool.find("one", required=True), int)
    async with pool.borrow("one") as thing:
        assert_type(thing, int)
    await pool.put("two", "2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong: a text among numbers
    number: int = pool.find("one", required=True)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # wrong: not awaited
    del number
    async for key in pool.keys(prefix="o"):
        assert_type(key, str)
        yield key


def redis(pool: RedisPool) -> None:
    """A large client whose methods say by overloads what they answer."""
    assert_type(pool.get("key"), bytes | str | None)
    assert_type(pool.incr("key", 2), int)
    assert_type(pool.exists("a", "b"), int)
    for key in pool.scan_iter(match="a*"):
        print(key)
    pool.get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no key
    pool.incr("key", "2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong: no number


async def redis_async(pool: AsyncRedisPool, client: AsyncRedis) -> None:
    """The same for asyncio; a pool's answers have the types of its client's."""
    assert_type(await pool.get("key"), bytes | str | None)
    assert_type(await client.get("key"), bytes | str | None)
    assert_type(await pool.incr("key"), int)
    async for key in pool.scan_iter(match="a*"):
        print(key)
    async with pool.pool.lease() as leased:
        assert_type(leased, AsyncRedis)
    await pool.get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no key


def greeter(pool: GreeterStubPool) -> None:
    """The callables of a gRPC stub."""
    request = HelloRequest(name="you")
    assert_type(pool.SayHello(request, timeout=1.0), HelloReply)
    for reply in pool.ListReplies(request):
        assert_type(reply, HelloReply)
    answer, call = pool.SayHello.with_call(request)
    assert_type(answer, HelloReply)
    assert_type(call.code(), grpc.StatusCode)
    pool.SayHello("you")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong: no request


def http(pool: HttpxClientPool) -> None:
    """A client with streams in a `with` block and many optional parameters."""
    assert_type(pool.get("/", params={"page": 1}, timeout=2.0), httpx.Response)
    with pool.stream("GET", "/events") as response:
        assert_type(response, httpx.Response)
    pool.get("/", retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no parameter


def stores(etcd: Etcd3ClientPool, milvus: MilvusClientPool) -> None:
    """Clients whose packages hold half of their types."""
    assert_type(etcd.pool, Pool[Etcd3Client])
    assert_type(etcd.get("key"), list[bytes])
    for cluster_member in etcd.members():
        assert_type(cluster_member, Member)
    assert_type(milvus.has_partition("books", "new"), bool)
    etcd.put("key")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no value


def policies(pool: RedisPool) -> None:
    """What is said about calls, and what a pool tells of itself."""
    pool.pool.register_middleware(Retry())
    with calling(retry=RetryPolicy(attempts=3), timeout=0.5), deadline(2.0) as scope:
        assert_type(scope.remaining(), float)
        assert_type(pool.pool.execute(lambda client: client.get("a"), key="a"), bytes | str | None)
    assert_type(pool.pool.stats(), PoolStats)
    with calling(retries=3):  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wrong: no such argument
        pool.get("a")
