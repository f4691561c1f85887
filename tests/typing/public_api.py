"""How users write against the public names; checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, assert_type

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from connpool_runtime import (
    AsyncPool,
    BreakerChanged,
    BreakerState,
    Call,
    Event,
    Member,
    Method,
    Outcome,
    Pool,
    PoolOptions,
    PoolStats,
    Proceed,
    Stream,
    deadline,
    remaining,
)
from connpool_runtime.metrics.otel import observe
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import (
    AdaptiveLimit,
    Bulkhead,
    ErrorLog,
    Fallback,
    Hedging,
    Logging,
    RateLimit,
    Retry,
    RetryBudget,
    Timeout,
    in_order,
)
from connpool_runtime.middleware.tracing import Tracing
from connpool_runtime.testing import FakeClock, Hangs, Script
from generated.async_redis_pool import AsyncRedisPool
from generated.redis_pool import RedisPool


class Client:
    """A client of the user's."""

    def get(self, key: str, *, fields: Sequence[str] = ()) -> int:
        """Return a number."""
        return len(key) + len(fields)

    def scan(self) -> Iterator[str]:
        """Yield keys."""
        yield "key"

    def session(self) -> AbstractContextManager[bytes]:
        """Open a session."""
        raise NotImplementedError

    async def fetch(self, key: str) -> int:
        """Return a number, later."""
        return len(key)

    async def close(self) -> None:
        """Hang up."""


GET: Method[Client, int] = Method(
    "get", lambda client, args: client.get(args[0], fields=args[1]), idempotent=True, timeout=1.0
)
SCAN: Method[Client, Iterator[str]] = Method("scan", lambda client, args: client.scan())
SESSION: Method[Client, AbstractContextManager[bytes]] = Method(
    "session", lambda client, args: client.session()
)


def weighted(members: Sequence[Member[Any]], call: Call) -> Member[Any]:
    """A balancer of the user's."""
    return max(members, key=lambda member: member.weight)


def middleware(call: Call, proceed: Proceed) -> Any:
    """A middleware of the user's."""
    return proceed(call)


async def async_middleware(call: Call, proceed: Proceed) -> Any:
    """A middleware of the user's, for asyncio."""
    return await proceed(call)


def listen(event: Event) -> None:
    """A listener of the user's."""
    if isinstance(event, BreakerChanged):
        assert_type(event.after, BreakerState)


def options() -> None:
    """Settings are keyword arguments, checked by name and type."""
    chosen: PoolOptions = {"balancer": weighted, "max_fails": 3, "cooldown": 5.0}
    Pool[Client]("clients", methods=(GET, SCAN), **chosen)
    RedisPool(balancer="weighted_round_robin", max_fails=3, cooldown=5.0, drain_timeout=1.0)
    RedisPool(max_failures=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no such setting
    RedisPool(cooldown="long")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # not a number


def threads(pool: Pool[Client]) -> None:
    """Every way to use a pool keeps the client's types."""
    assert_type(pool.call(GET, ("key", ())), int)
    assert_type(pool.stream(SCAN, ()), Stream[str])
    with pool.context(SESSION, ()) as session:
        assert_type(session, bytes)
    with pool.lease() as client:
        assert_type(client, Client)
    assert_type(pool.execute(lambda client: client.get("key"), idempotent=True), int)
    assert_type(pool.stats(), PoolStats)
    pool.add_client(Client(), name="a", weight=2)
    pool.add_client("no client")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # not a Client
    pool.register_middleware(middleware)
    pool.register_middleware(ErrorLog())
    pool.register_middleware(Logging())
    pool.register_middleware(Retry(budget=RetryBudget(share=0.1)))
    pool.register_middleware(Bulkhead(10, per_method=True))
    pool.register_middleware(RateLimit(100.0, max_wait=1.0))
    pool.register_middleware(Fallback(lambda call, error: 0))
    pool.register_middleware(Hedging(0.1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # cannot cancel a thread
    for own in in_order(Tracing(), AdaptiveLimit()):
        pool.register_middleware(own)
    with deadline(5.0) as scope:
        assert_type(scope.remaining(), float)
    assert_type(remaining(), float)
    pool.subscribe(listen)
    PoolCollector(pool)
    observe(pool)


def judge(answer: object) -> Outcome | None:
    """Call an empty answer a failure."""
    return Outcome.FAILURE if answer == 0 else None


JUDGED: Method[Client, int] = Method("get", lambda client, args: client.get("key"), judge=judge)


def testing() -> None:
    """A scripted client has the type of the one it stands in for."""
    script = Script("a", clock=FakeClock()).then(1, ConnectionError()).always(Hangs(2))
    assert_type(script.client(Client), Client)


async def tasks(pool: AsyncPool[Client]) -> None:
    """The same for asyncio."""
    assert_type(await pool.execute(lambda client: client.fetch("key")), int)
    async with pool.lease(balancer="random") as client:
        assert_type(client, Client)
    pool.register_middleware(async_middleware)
    pool.register_middleware(Retry())
    pool.register_middleware(Timeout(1.0))
    pool.register_middleware(Hedging(quantile=0.9))
    observe(pool)
    await pool.remove_client("a", drain_timeout=1.0)
    await pool.close()


def wrapper(pooled: RedisPool, client: Redis) -> None:
    """A wrapper's methods have the client's types, and its pool is one of that client."""
    assert_type(pooled.get("key"), bytes | str | None)
    assert_type(client.get("key"), bytes | str | None)
    assert_type(pooled.pool, Pool[Redis])


async def async_wrapper(pooled: AsyncRedisPool, client: AsyncRedis) -> AsyncIterator[object]:
    """The same for asyncio."""
    assert_type(await pooled.get("key"), bytes | str | None)
    assert_type(await client.get("key"), bytes | str | None)
    assert_type(pooled.pool, AsyncPool[AsyncRedis])
    async for key in pooled.scan_iter():
        yield key
