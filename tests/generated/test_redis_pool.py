"""The committed wrapper of redis.Redis, over three real servers."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis

from connpool_runtime import BreakerState
from connpool_runtime.middleware.retry import Retry
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.generated.load import Attempt, Load, NotingRedis
from tests.waiting import eventually

pytestmark = pytest.mark.servers

MAX_FAILS = 3
COOLDOWN = 0.3
THREADS = 16


@pytest.fixture
def clients(redis_servers: list[RedisServer]) -> list[NotingRedis]:
    """One client per server."""
    return [NotingRedis(server.port) for server in redis_servers]


@pytest.fixture
def wrapper(clients: list[NotingRedis]) -> Iterator[RedisPool]:
    """A pool of the three clients, named a, b and c."""
    with RedisPool(balancer="round_robin", max_fails=MAX_FAILS, cooldown=COOLDOWN) as wrapper:
        for name, client in zip("abc", clients, strict=True):
            wrapper.pool.add_client(client, name=name)
        yield wrapper


def test_values_come_back(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """What each server holds is what the wrapper gives, with the client's own types."""
    for client in clients:
        client.hset("user", mapping={"name": "Ann", "age": 42})
        client.rpush("list", "a", "b")
    for _ in clients:
        assert wrapper.hget("user", "name") == b"Ann"
        assert wrapper.hgetall("user") == {b"name": b"Ann", b"age": b"42"}
        assert wrapper.lrange("list", 0, -1) == [b"a", b"b"]
        assert wrapper.exists("user", "list", "nothing") == 2
        assert wrapper.get("nothing") is None


def test_options_reach_the_server(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """Keyword-only options and defaults arrive as on the client itself."""
    for _ in clients:
        assert wrapper.set("key", "value", ex=100, nx=True) is True
    for client in clients:
        assert client.get("key") == b"value"
        assert 0 < client.ttl("key") <= 100
    for _ in clients:
        assert wrapper.set("key", "other", nx=True) is None


def test_calls_spread_over_the_servers(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """Round robin gives each of the three servers the same share."""
    for _ in range(30):
        wrapper.incr("count")
    assert [client.get("count") for client in clients] == [b"10", b"10", b"10"]


def test_errors_come_back_as_they_are(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """A server's answer that is an error reaches the caller with its own type and text."""
    for client in clients:
        client.set("text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        wrapper.incr("text")


def test_scanning_holds_one_server_to_the_end(
    wrapper: RedisPool, clients: list[NotingRedis]
) -> None:
    """`scan_iter` is lazy, walks one server only, and gives it back at the end or when closed."""
    for number, client in enumerate(clients):
        client.mset({f"{number}:{n}": "x" for n in range(50)})
    keys = wrapper.scan_iter(count=10)
    assert all(member.in_flight == 0 for member in wrapper.pool.members)
    first = next(keys)
    assert [member.in_flight for member in wrapper.pool.members].count(1) == 1
    found = {first, *keys}
    assert len(found) == 50
    assert len({bytes(key).split(b":")[0] for key in found}) == 1
    assert all(member.in_flight == 0 for member in wrapper.pool.members)
    left = wrapper.scan_iter(count=10)
    next(left)
    left.close()  # type: ignore[attr-defined] # the client calls it an iterator; it is a generator
    assert all(member.in_flight == 0 for member in wrapper.pool.members)


def test_a_lease_stays_on_one_server(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """Several steps that belong together run on the client of one lease."""
    with wrapper.pool.lease() as client:
        client.set("step", "1")
        client.append("step", "2")
        assert client.get("step") == b"12"
    assert sorted(client.exists("step") for client in clients) == [0, 0, 1]


def test_a_removed_server_gets_no_calls(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """After `remove_client` the others serve alone."""
    wrapper.pool.remove_client("b")
    before = len(clients[1].attempts)
    for _ in range(10):
        wrapper.ping()
    assert len(clients[1].attempts) == before
    assert {member.name for member in wrapper.pool.members} == {"a", "c"}


def test_many_threads_lose_nothing(wrapper: RedisPool, clients: list[NotingRedis]) -> None:
    """Every increment of 16 threads arrives on exactly one server."""

    def work() -> None:
        for _ in range(50):
            wrapper.incr("total")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = [int(client.get("total") or 0) for client in clients]
    assert sum(totals) == THREADS * 50
    assert min(totals) > 0
    successes = {method.name: method.successes for method in wrapper.pool.stats().methods}
    assert successes["incr"] == THREADS * 50


# ---------------------------------------------------------------- one server is killed under load


def state_of(wrapper: RedisPool, name: str) -> BreakerState:
    return next(m.breaker.state for m in wrapper.pool.members if m.name == name)


def in_flight(wrapper: RedisPool, name: str) -> int:
    return next(m.in_flight for m in wrapper.pool.members if m.name == name)


@pytest.mark.stress
def test_with_retry_a_killed_server_costs_no_call(
    wrapper: RedisPool, redis_servers: list[RedisServer]
) -> None:
    """With retry on, no idempotent call of 16 threads fails when one of three servers is killed."""
    wrapper.pool.register_middleware(Retry(attempts=3, base=0.0))
    with Load(lambda: wrapper.get("key"), threads=THREADS) as load:
        assert eventually(lambda: load.calls > 500)
        redis_servers[0].kill()
        assert eventually(lambda: state_of(wrapper, "a") is BreakerState.OPEN)
        after = load.calls
        assert eventually(lambda: load.calls > after + 500)
        redis_servers[0].restart()
        assert eventually(lambda: state_of(wrapper, "a") is BreakerState.CLOSED)
        after = load.calls
        assert eventually(lambda: load.calls > after + 500)
    assert load.failed == []


@pytest.mark.stress
def test_without_retry_few_calls_fail(
    redis_servers: list[RedisServer], clients: list[NotingRedis]
) -> None:
    """Without retry at most `max_fails` calls and those in flight fail before the member is cut off."""
    # The cooldown outlasts the test, so that no probe is among the failures.
    with RedisPool(balancer="round_robin", max_fails=MAX_FAILS, cooldown=3600) as wrapper:
        for name, client in zip("abc", clients, strict=True):
            wrapper.pool.add_client(client, name=name)
        with Load(lambda: wrapper.get("key"), threads=THREADS) as load:
            assert eventually(lambda: load.calls > 500)
            redis_servers[0].kill()
            assert eventually(lambda: state_of(wrapper, "a") is BreakerState.OPEN)
            after = load.calls
            assert eventually(lambda: load.calls > after + 500)
    assert MAX_FAILS <= len(load.failed) <= MAX_FAILS + THREADS
    assert all(isinstance(error, redis.ConnectionError) for error in load.failed)


@pytest.mark.stress
def test_a_killed_server_comes_back_with_one_probe(
    wrapper: RedisPool, redis_servers: list[RedisServer], clients: list[NotingRedis]
) -> None:
    """While a server is away one call per cooldown tries it; back, the next one that tries it is served."""
    wrapper.pool.register_middleware(Retry(attempts=3, base=0.0))
    client = clients[0]
    with Load(lambda: wrapper.get("key"), threads=THREADS) as load:
        assert eventually(lambda: load.calls > 500)
        redis_servers[0].kill()
        assert eventually(lambda: state_of(wrapper, "a") is BreakerState.OPEN)
        assert eventually(lambda: in_flight(wrapper, "a") == 0)
        quiet = time.monotonic()
        assert eventually(lambda: len(client.since(quiet)) >= 2)
        redis_servers[0].restart()
        back = time.monotonic()

        def served() -> list[Attempt]:
            return [attempt for attempt in client.since(quiet) if attempt.succeeded]

        assert eventually(lambda: bool(served()))
        assert eventually(lambda: len(served()) > 20)
    first = served()[0]
    assert [a for a in client.since(back) if not a.succeeded] == []
    probes = [a.begun for a in client.since(quiet) if a.begun <= first.begun]
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert all(gap >= COOLDOWN * 0.9 for gap in gaps)
    herd = [a for a in client.since(quiet) if first.begun < a.begun < first.ended]
    assert herd == []
    assert load.failed == []
