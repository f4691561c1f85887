"""Shared clients of real servers under everything at once; `make stress` does it for a minute."""

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from connpool_runtime import ClientsExhausted, PoolError
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from connpool_runtime.sharing.async_shared_clients import AsyncSharedClients
from connpool_runtime.sharing.shared_clients import SharedClients
from local_servers import RedisServer
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.stress]

SECONDS = float(os.environ.get("STRESS_SECONDS", "3"))
CALLERS = 64
SERVERS = 5
CONFIGS = 10
MAX_CLIENTS = 8  # fewer than configs, so that clients are evicted all the time
EXPECTED = (redis.ConnectionError, redis.TimeoutError, PoolError)


class MiddlewareCounters:
    """What was done with closed clients, and what else happened."""

    def __init__(self) -> None:
        self.closed: set[Any] = set()  # the clients themselves, so that no other gets their id
        self.opened: list[str] = []
        self.misused = 0
        self.counts: Counter[str] = Counter()

    def judge(self, client: Any) -> None:
        if client in self.closed:
            self.misused += 1


class TalliedConnector(RedisConnector):
    """A connector that tells when its client is closed; redis-py would open it again by itself."""

    tally: MiddlewareCounters

    def open_client(self, endpoint: str, *left: Any) -> Any:
        self.tally.opened.append(endpoint)
        return super().open_client(endpoint, *left)

    def close_client(self, client: Any) -> None:
        self.tally.closed.add(client)
        super().close_client(client)


class AsyncTalliedConnector(AsyncRedisConnector):
    """The same for tasks."""

    tally: MiddlewareCounters

    async def open_client(self, endpoint: str, *left: Any) -> Any:
        self.tally.opened.append(endpoint)
        return await super().open_client(endpoint, *left)

    async def close_client(self, client: Any) -> None:
        self.tally.closed.add(client)
        await super().close_client(client)


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    """Servers of this test only, because it kills them."""
    with ExitStack() as stack:
        yield [stack.enter_context(RedisServer()) for _ in range(SERVERS)]


def configs_of(servers: list[RedisServer]) -> list[RedisConfig]:
    """Two databases of each server."""
    return [
        RedisConfig(
            endpoints=[f"{server.host}:{server.port}"],
            database=database,
            connect_timeout=2.0,
            call_timeout=2.0,
            health_interval=0.1,
            health_timeout=1.0,
        )
        for server in servers
        for database in range(CONFIGS // SERVERS)
    ]


def sockets() -> int:
    """How many sockets this process has open."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except OSError:
            continue
    return sum(link.startswith("socket:") for link in links)


def disturb(
    servers: list[RedisServer], clients: Any, configs: list[RedisConfig], dice: random.Random
) -> str:
    """Do something that clients must survive: kill a server, bring one back, remove a client."""
    deed = dice.choice(["kill", "remove", "remove", "remove"])
    if deed == "kill":
        server = dice.choice(servers)
        server.kill()
        time.sleep(0.05)
        server.restart()
    elif not clients.remove(dice.choice(configs)):
        deed = "nothing to remove"
    return deed


def test_threads(servers: list[RedisServer]) -> None:
    """64 threads on 10 configs, servers killed and clients removed: no closed client is used, and nothing is left.

    The counts return to zero, and neither sockets nor threads are leaked (B16, B17, B18, B20).
    """
    tally, configs = MiddlewareCounters(), configs_of(servers)
    connector = type("Connector", (TalliedConnector,), {"tally": tally})
    sockets_before, threads_before = sockets(), threading.active_count()
    clients: SharedClients[RedisConfig, Any] = SharedClients(
        connector, idle_ttl=0.05, max_clients=MAX_CLIENTS, acquire_timeout=5.0
    )
    end, over = time.monotonic() + SECONDS, threading.Event()

    def use(seed: int) -> None:
        dice = random.Random(seed)
        counts: Counter[str] = Counter()
        while not over.is_set():
            try:
                with clients.acquire(dice.choice(configs)) as client:
                    tally.judge(client)
                    client.incr("count")
                    tally.judge(client)
                counts["ok"] += 1
            except EXPECTED as error:
                counts[type(error).__name__] += 1
        tally.counts.update(counts)

    callers = [threading.Thread(target=use, args=(seed,)) for seed in range(CALLERS)]
    for caller in callers:
        caller.start()
    dice = random.Random(0)
    deeds: Counter[str] = Counter()
    try:
        # On a machine that is short of time this thread may get its turns late.
        while time.monotonic() < end or not {"kill", "remove"} <= set(deeds):
            deeds[disturb(servers, clients, configs, dice)] += 1
            assert len(clients.stats()) <= MAX_CLIENTS
            time.sleep(0.02)
    finally:
        over.set()
    for caller in callers:
        caller.join()

    print(f"\n{dict(tally.counts)} {dict(deeds)} opened {len(tally.opened)}")
    assert tally.misused == 0
    assert tally.counts["ok"] > CALLERS
    assert {"kill", "remove"} <= set(deeds)
    assert [one.references for one in clients.stats() if one.references] == []
    clients.close()
    assert eventually(lambda: len(tally.closed) == len(tally.opened))
    assert eventually(lambda: threading.active_count() <= threads_before), threading.enumerate()
    tally.closed.clear()
    assert eventually(lambda: sockets() <= sockets_before)


async def test_tasks(servers: list[RedisServer]) -> None:
    """The same for 64 tasks of one event loop, some of which are cancelled at any point."""
    tally, configs = MiddlewareCounters(), configs_of(servers)
    connector = type("Connector", (AsyncTalliedConnector,), {"tally": tally})
    sockets_before = sockets()
    clients: AsyncSharedClients[RedisConfig, Any] = AsyncSharedClients(
        connector, idle_ttl=0.05, max_clients=MAX_CLIENTS, acquire_timeout=5.0
    )
    end = time.monotonic() + SECONDS

    async def use(dice: random.Random) -> None:
        try:
            async with clients.acquire(dice.choice(configs)) as client:
                tally.judge(client)
                await client.incr("count")
                tally.judge(client)
            tally.counts["ok"] += 1
        except EXPECTED as error:
            tally.counts[type(error).__name__] += 1

    async def call(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            task = asyncio.ensure_future(use(dice))
            if dice.random() < 0.1:
                asyncio.get_running_loop().call_later(dice.random() / 100, task.cancel)
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def trouble() -> None:
        dice = random.Random(0)
        while time.monotonic() < end:
            clients.remove(dice.choice(configs))
            server = dice.choice(servers)
            if dice.random() < 0.2:
                await asyncio.to_thread(server.restart)
            await asyncio.sleep(0.02)

    await asyncio.gather(trouble(), *(call(seed) for seed in range(CALLERS)))
    print(f"\n{dict(tally.counts)} opened {len(tally.opened)}")
    assert tally.misused == 0
    assert tally.counts["ok"] > CALLERS
    assert tally.counts[ClientsExhausted.__name__] < tally.counts["ok"]
    assert [one.references for one in clients.stats() if one.references] == []
    await clients.close()
    assert len(tally.closed) == len(tally.opened)
    tally.closed.clear()
    await asyncio.sleep(0.05)
    assert sockets() <= sockets_before
