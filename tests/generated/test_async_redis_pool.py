"""The committed wrapper of redis.asyncio.Redis, over three real servers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry as ClientRetry
from redis.backoff import NoBackoff

from connpool_runtime import BreakerState
from connpool_runtime.middleware.retry import Retry
from generated.async_redis_pool import AsyncRedisPool
from local_servers import RedisServer

pytestmark = pytest.mark.servers

MAX_FAILS = 3
COOLDOWN = 0.3
TASKS = 16
# More than the steps of the loop that a call takes to connect, send and wait (about ten).
STEPS_OF_A_CALL = 30


@pytest.fixture
async def wrapper(redis_servers: list[RedisServer]) -> AsyncIterator[AsyncRedisPool]:
    """A pool of three clients, named a, b and c."""
    async with AsyncRedisPool(
        balancer="round_robin", max_fails=MAX_FAILS, cooldown=COOLDOWN
    ) as wrapper:
        for name, server in zip("abc", redis_servers, strict=True):
            client = Redis(port=server.port, retry=ClientRetry(NoBackoff(), 0), socket_timeout=5.0)
            wrapper.pool.add_client(client, name=name)
        yield wrapper


async def on_each(wrapper: AsyncRedisPool, key: str) -> list[object]:
    """What each server holds under a key."""
    return [await client.get(key) for client in wrapper.pool.clients]


async def test_values_come_back(wrapper: AsyncRedisPool) -> None:
    """What each server holds is what the wrapper gives."""
    for client in wrapper.pool.clients:
        await client.hset("user", mapping={"name": "Ann"})
    for _ in range(3):
        assert await wrapper.hget("user", "name") == b"Ann"
        assert await wrapper.set("key", "value", ex=100) is True
    assert await on_each(wrapper, "key") == [b"value"] * 3


async def test_calls_spread_over_the_servers(wrapper: AsyncRedisPool) -> None:
    """Thirty calls at once give each of the three servers ten."""
    await asyncio.gather(*(wrapper.incr("count") for _ in range(30)))
    assert await on_each(wrapper, "count") == [b"10"] * 3


async def test_errors_come_back_as_they_are(wrapper: AsyncRedisPool) -> None:
    """A server's answer that is an error reaches the caller with its own type."""
    for client in wrapper.pool.clients:
        await client.set("text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        await wrapper.incr("text")


async def test_scanning_holds_one_server_to_the_end(wrapper: AsyncRedisPool) -> None:
    """`scan_iter` walks one server, and gives it back at the end or when closed early."""
    for number, client in enumerate(wrapper.pool.clients):
        await client.mset({f"{number}:{n}": "x" for n in range(50)})
    found = {key async for key in wrapper.scan_iter(count=10)}
    assert len(found) == 50
    left = wrapper.scan_iter(count=10)
    await anext(aiter(left))
    assert sum(member.in_flight for member in wrapper.pool.members) == 1
    await left.aclose()  # type: ignore[attr-defined] # the client calls it an iterator; it is a generator
    assert all(member.in_flight == 0 for member in wrapper.pool.members)


async def test_a_cancelled_call_blames_nobody(
    wrapper: AsyncRedisPool, redis_servers: list[RedisServer]
) -> None:
    """Calls to a hanging server, cancelled at any step, free the member and open no breaker."""
    for name in "abc":
        wrapper.pool.eject(name)
    # Without a timeout of its own: with one the client sends inside `asyncio.wait_for`, which before
    # Python 3.12 loses a cancellation that comes as the sending ends (python/cpython issue 86296).
    client = Redis(
        port=redis_servers[0].port, retry=ClientRetry(NoBackoff(), 0), socket_timeout=None
    )
    wrapper.pool.add_client(client, name="without timeout")
    member = wrapper.pool.members[-1]
    redis_servers[0].hang()
    for steps in range(STEPS_OF_A_CALL):
        tasks = [asyncio.ensure_future(wrapper.get("key")) for _ in range(MAX_FAILS + 2)]
        for _ in range(steps):
            await asyncio.sleep(0)
        assert member.in_flight == (len(tasks) if steps else 0)
        for task in tasks:
            task.cancel()
        # The server goes on hanging till the calls have ended: it could answer before.
        await asyncio.wait(tasks, timeout=20)
        assert all(task.cancelled() for task in tasks), steps
        assert (member.in_flight, member.breaker.state) == (0, BreakerState.CLOSED), steps
    redis_servers[0].resume()


@pytest.mark.stress
async def test_a_killed_server_costs_no_call_and_comes_back(
    wrapper: AsyncRedisPool, redis_servers: list[RedisServer]
) -> None:
    """With retry on, no idempotent call of 16 tasks fails while a server is killed and restarted."""
    wrapper.pool.register_middleware(Retry(attempts=3, base=0.0))
    ended = asyncio.Event()
    calls = 0

    async def work() -> None:
        nonlocal calls
        while not ended.is_set():
            await wrapper.get("key")
            calls += 1

    def state() -> BreakerState:
        return wrapper.pool.members[0].breaker.state

    async def until(state_wanted: BreakerState) -> None:
        while state() is not state_wanted:  # noqa: ASYNC110 - asked from outside the pool
            await asyncio.sleep(0.005)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(work())
        await until(BreakerState.CLOSED)
        await asyncio.to_thread(redis_servers[0].kill)
        await until(BreakerState.OPEN)
        await asyncio.to_thread(redis_servers[0].restart)
        back = asyncio.get_running_loop().time()
        await until(BreakerState.CLOSED)
        assert asyncio.get_running_loop().time() - back <= COOLDOWN + 1
        ended.set()
    assert calls > 0
