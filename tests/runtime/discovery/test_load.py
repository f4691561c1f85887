"""Pools of real servers under load while their endpoints come and go; `make stress` for longer."""

import gc
import itertools
import os
import random
import time
import tracemalloc
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from connpool_runtime import Method, Pool
from connpool_runtime.connectors.redis import RedisConfig, RedisConnector
from connpool_runtime.discovery import DISCOVERED, CallbackSource, Endpoint, reconcile
from connpool_runtime.members.member import Member
from connpool_runtime.middleware import Retry, RetryBudget
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.runtime.discovery.load import CALLERS, Load
from tests.waiting import eventually

SECONDS = float(os.environ.get("STRESS_SECONDS", "0"))
SERVERS = 5


def members(pool: Any) -> set[str]:
    return {member.name for member in pool.members if not member.leaving}


@pytest.mark.servers
@pytest.mark.stress
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
    assert len(load.lost) <= CALLERS * SERVERS


NAME: Method[Any, Any] = Method("name", lambda client, _: client.name(), idempotent=True)
COUNT = 10_000
NOISE = 1_000_000  # bytes; half a kilobyte for each endpoint that comes in a minute would be three times as much


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


class Fleet:
    """Ten thousand endpoints; with each `turn` one in a hundred is gone, and a new one is there in its place."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._draw = random.Random(1)
        self.endpoints = [self._new() for _ in range(COUNT)]

    def _new(self) -> Endpoint:
        number = next(self._numbers)
        return Endpoint(f"10.0.0.1:{1 + number % 60000}", f"e{number}")

    def turn(self) -> None:
        for place in self._draw.sample(range(COUNT), COUNT // 100):
            Client.gone.add(self.endpoints[place].id)
            self.endpoints[place] = self._new()


def alive() -> dict[type[Any], int]:
    """How many clients, members and endpoints there are in this process."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return {kind: kinds[kind] for kind in (Client, Member, Endpoint)}


@pytest.mark.stress
def test_nothing_piles_up_while_endpoints_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in a hundred of ten thousand endpoints is another one each second, under load: memory is flat, no call is lost."""
    # Of who has left it is known for a while: for less than the whole test, or it would look like a leak.
    monkeypatch.setattr(reconcile, "FLAP_WINDOW", 1.0)
    if SECONDS:  # it makes everything slower, and a leak of some seconds is less than the noise
        tracemalloc.start()
    fleet, load = Fleet(), Load()
    pool: Pool[Client] = Pool("many")
    pool.register_middleware(Retry(budget=RetryBudget(minimum=1000)))
    source = CallbackSource(lambda: list(fleet.endpoints), interval=0.05)
    discovery = pool.discover(source, Client)
    discovery.wait_ready(COUNT, 120)

    def call() -> None:
        pool.call(NAME)
        time.sleep(0.005)

    def has_turned(updates: int) -> bool:
        stats = discovery.stats()
        return stats.updates > updates and stats.joined == COUNT and not stats.leaving

    turns, pause = (max(10, int(SECONDS)), 1.0) if SECONDS else (6, 0.0)
    before, memory = alive(), list[int]()
    try:
        with load.by(("name", call)):
            for _ in range(turns):
                updates = discovery.stats().updates
                fleet.turn()
                time.sleep(pause)
                assert eventually(lambda updates=updates: has_turned(updates))  # type: ignore[misc]
                Client.gone.clear()
                if SECONDS:
                    gc.collect()
                memory.append(tracemalloc.get_traced_memory()[0])
            # An update may have been of the endpoints just before the turn.
            assert eventually(lambda: members(pool) == {one.id for one in fleet.endpoints})
        after = alive()
    finally:
        tracemalloc.stop()
        pool.close()
    print(f"{load.calls} calls; objects {before} -> {after}; bytes after each turn {memory}")
    assert load.lost == []
    assert load.calls > 100
    for (
        kind,
        number,
    ) in after.items():  # what the latest turns have replaced may still be on its way
        assert number < before[kind] + 2 * COUNT // 100, kind
    third = turns // 3
    assert min(memory[-third:]) < min(memory[:third]) + NOISE
