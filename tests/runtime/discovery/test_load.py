"""Pools of real servers under load while their endpoints come and go; `make stress` for longer."""

import gc
import os
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from connpool_runtime import Method, Pool
from connpool_runtime.connectors.redis import RedisConfig, RedisConnector
from connpool_runtime.discovery import DISCOVERED, CallbackSource, Endpoint
from connpool_runtime.middleware import Retry, RetryBudget
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.waiting import eventually

SECONDS = float(os.environ.get("STRESS_SECONDS", "0"))
THREADS = 16
SERVERS = 5


class Load:
    """Threads that call all the time; `lost` are the calls that failed, by when they began and ended."""

    def __init__(self) -> None:
        self.calls = 0
        self.lost: list[tuple[str, float, float, BaseException]] = []
        self._done = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def by(self, *calls: tuple[str, Callable[[], object]]) -> Iterator[None]:
        """Make these calls in turn, in so many threads, until the block ends."""
        threads = [threading.Thread(target=self._work, args=(calls,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def _work(self, calls: tuple[tuple[str, Callable[[], object]], ...]) -> None:
        while not self._done.is_set():
            for name, call in calls:
                began = time.monotonic()
                try:
                    call()
                except BaseException as error:
                    with self._lock:
                        self.lost.append((name, began, time.monotonic(), error))
            self.calls += len(calls)


def members(pool: Any) -> set[str]:
    return {member.name for member in pool.members if not member.leaving}


@pytest.mark.servers
def test_a_rolling_restart_loses_no_call() -> None:
    """Each of five servers is taken out, ended, and comes back elsewhere: no call of 16 threads fails at all."""
    with ExitStack() as stack:
        servers = [stack.enter_context(RedisServer()) for _ in range(SERVERS)]
        registry = {f"s{number}": server.address for number, server in enumerate(servers)}

        def registered() -> list[Endpoint]:
            return [Endpoint(address, name) for name, address in list(registry.items())]

        source = CallbackSource(registered, interval=0.01, name="registry")
        connector = RedisConnector(RedisConfig(endpoints=DISCOVERED))
        pool = stack.enter_context(RedisPool.from_discovery(source, connector, {"flap_delay": 0}))
        pool.pool.register_middleware(Retry(budget=RetryBudget(minimum=1000)))
        assert eventually(lambda: len(members(pool.pool)) == SERVERS)
        load, rounds = Load(), 1 if not SECONDS else 5
        with load.by(("get", lambda: pool.get("key")), ("incr", lambda: pool.incr("count"))):
            for _ in range(rounds):
                for name, server in zip(list(registry), servers, strict=True):
                    address = registry.pop(name)
                    assert eventually(lambda name=name: name not in {m.name for m in pool.pool.members})  # type: ignore[misc]
                    server.kill()
                    server._port = 0  # it comes back at another port
                    server.restart()
                    assert server.address != address
                    registry[name] = server.address
                    assert eventually(lambda name=name: name in members(pool.pool))  # type: ignore[misc]
    assert load.lost == []
    assert load.calls > 100


@pytest.mark.servers
def test_servers_that_are_killed_without_notice() -> None:
    """No repeatable call is lost; and of the others only those that were in flight on the server that was killed."""
    with ExitStack() as stack:
        servers = [stack.enter_context(RedisServer()) for _ in range(SERVERS)]
        registry = {f"s{number}": server.address for number, server in enumerate(servers)}

        def registered() -> list[Endpoint]:
            return [Endpoint(address, name) for name, address in list(registry.items())]

        source = CallbackSource(registered, interval=0.01, name="registry")
        quick = {"health_interval": 0.1, "reconnect_interval": 0.05}
        config = RedisConfig(endpoints=DISCOVERED, **quick)
        options = {"max_fails": 1, "cooldown": 0.1}
        pool = stack.enter_context(
            RedisPool.from_discovery(source, RedisConnector(config), {"flap_delay": 0}, **options)
        )
        # On a busy machine there are few calls, and so a small budget: that retries are bounded is no matter here.
        plenty = RetryBudget(minimum=1000)
        pool.pool.register_middleware(Retry(unsent=True, budget=plenty))
        assert eventually(lambda: len(members(pool.pool)) == SERVERS)
        load, killed = Load(), list[tuple[float, float]]()
        with load.by(("get", lambda: pool.get("key")), ("incr", lambda: pool.incr("count"))):
            for name, server in zip(list(registry), servers, strict=True):
                before = time.monotonic()
                server.kill()
                killed.append((before, time.monotonic()))
                del registry[name]
                assert eventually(lambda name=name: name not in members(pool.pool))  # type: ignore[misc]
                server._port = 0
                server.restart()
                registry[name] = server.address
                assert eventually(lambda name=name: name in members(pool.pool))  # type: ignore[misc]
    assert [one for one in load.lost if one[0] == "get"] == []
    for name, began, ended, error in load.lost:
        in_flight = any(began <= after and ended >= before for before, after in killed)
        assert in_flight, f"{name} failed though no server was killed during it: {error!r}"
    assert len(load.lost) <= THREADS * SERVERS


NAME: Method[Any, Any] = Method("name", lambda client, _: client.name(), idempotent=True)


class Client:
    """A client of a server that may be gone."""

    gone: set[str] = set()  # noqa: RUF012  # by id; a test changes it

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.closed = False

    def name(self) -> str:
        if self.closed or self.endpoint.id in self.gone:
            raise ConnectionRefusedError(self.endpoint.id)
        return self.endpoint.id

    def close(self) -> None:
        self.closed = True


@pytest.mark.stress
def test_memory_is_flat_while_endpoints_come_and_go() -> None:
    """One in a hundred of a thousand endpoints is another one each second, under load: nothing piles up, no call is lost."""
    tracemalloc.start()
    count, numbers = 1000, iter(range(10**9))
    known = [
        Endpoint(f"10.0.0.1:{1 + n % 60000}", f"e{n}")
        for n in (next(numbers) for _ in range(count))
    ]
    draw = random.Random(1)

    def turn() -> None:
        for place in draw.sample(range(count), count // 100):
            number = next(numbers)
            Client.gone.add(known[place].id)
            known[place] = Endpoint(f"10.0.0.1:{1 + number % 60000}", f"e{number}")

    pool: Pool[Client] = Pool("many")
    pool.register_middleware(Retry(budget=RetryBudget(minimum=1000)))
    discovery = pool.discover(CallbackSource(lambda: list(known), interval=0.05), Client)
    discovery.wait_ready(count, 60)
    rounds = max(10, int(SECONDS))
    pause = 1.0 if SECONDS else 0.15
    load = Load()
    sizes: list[int] = []
    try:
        with load.by(("name", lambda: pool.call(NAME) and time.sleep(0.001))):  # type: ignore[func-returns-value]
            for number in range(rounds):
                turn()
                time.sleep(pause)
                if number >= rounds // 3:
                    gc.collect()
                    Client.gone.clear()
                    sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
        pool.close()
    assert load.lost == []
    assert discovery.stats().updates > rounds // 2
    half = len(sizes) // 2
    assert min(sizes[half:]) < min(sizes[:half]) * 1.1 + 100_000
