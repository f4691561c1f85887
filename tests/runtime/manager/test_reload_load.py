"""Calls under load while the config is reloaded all the time: none of them may notice. `make stress` for longer."""

import asyncio
import itertools
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.connectors.kinds import connector_of
from connpool_runtime.manager import Manager
from connpool_runtime.manager.async_manager import AsyncManager
from connpool_runtime.manager.services import ServiceConfig, open_async_pool, open_pool
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.runtime.manager.reloading import cut_in_half, write

pytestmark = pytest.mark.servers
SECONDS = float(os.environ.get("STRESS_SECONDS", "0")) or 2.0
THREADS = 8
TASKS = 16
BALANCERS = ("round_robin", "least_request", "consistent_hash", "weighted_round_robin", "peak_ewma")


class Changes:
    """Writes one config after the other, a kind of change at a time."""

    def __init__(self, path: Path, servers: list[RedisServer]) -> None:
        self._path = path
        self._servers = [server.address for server in servers]
        self._random = random.Random(7)
        self._turn = itertools.cycle(
            [self.in_place, self.endpoints, self.anew, self.middleware, self.invalid, self.half]
        )
        self.pool: dict[str, Any] = {}
        self.fields: dict[str, Any] = {"endpoints": self._servers}
        self.wrapped: dict[str, Any] = {}
        self.made = 0
        self.write()

    def write(self, **more: Any) -> None:
        """Write what there is now, for a service of the connector's and one that is discovered."""
        pool, middleware = self.pool, self.wrapped
        users = {"kind": "redis", "pool": pool, "middleware": middleware, **self.fields, **more}
        fields = {name: value for name, value in self.fields.items() if name != "endpoints"}
        endpoints = [
            {"address": one, "weight": self._random.randint(1, 3)}
            for one in self.fields["endpoints"]
        ]
        discovery = {"kind": "static", "endpoints": endpoints}
        sessions = {"kind": "redis", "pool": pool, **fields, "discovery": discovery}
        write(self._path, services={"users": users, "sessions": sessions})

    def next(self) -> bool:
        """Make the next change; tell whether it is a good config."""
        self.made += 1
        return next(self._turn)()

    def in_place(self) -> bool:
        self.pool = {
            "max_fails": self._random.randint(1, 9),
            "balancer": self._random.choice(BALANCERS),
            "max_concurrency": self._random.choice([None, 100]),
            "slow_start": self._random.choice([0, "1s"]),
            "metrics": self._random.choice([True, False]),
        }
        self.write()
        return True

    def endpoints(self) -> bool:
        self.fields["endpoints"] = self._random.sample(self._servers, self._random.randint(1, 3))
        self.write()
        return True

    def anew(self) -> bool:
        self.fields["database"] = self._random.randint(0, 9)
        self.write()
        return True

    def middleware(self) -> bool:
        limits = {"retry": {"attempts": self._random.randint(1, 4)}, "bulkhead": {"limit": 1000}}
        self.wrapped = dict(self._random.sample(list(limits.items()), self._random.randint(0, 2)))
        self.write()
        return True

    def invalid(self) -> bool:
        self.write(pool={"max_fail": 3})
        return False

    def half(self) -> bool:
        self.write()
        cut_in_half(self._path)
        return False


def build(service: ServiceConfig) -> Any:
    """Build a generated wrapper for one of the services, as a user does who wants types."""
    if service.name != "users":
        return open_pool(service)
    wrapper = RedisPool(name=service.name, **service.pool_options)
    wrapper.pool.add_connector(connector_of(service.connector))
    return wrapper


def test_no_call_of_a_thread_fails_for_a_reload(
    tmp_path: Path, redis_servers: list[RedisServer]
) -> None:
    """Through a wrapper that is kept, a pool that is kept and the manager: reloads of all kinds cost no call."""
    path = tmp_path / "services.json"
    changes = Changes(path, redis_servers)
    lost: list[BaseException] = []
    calls = itertools.count()
    done = threading.Event()
    with Manager.from_file(path, build) as manager:
        users, sessions = manager.get_pool("users"), manager.get_pool("sessions")

        def work() -> None:
            while not done.is_set():
                try:
                    users.get("key")
                    sessions.execute(lambda client: client.get("key"), key="a")
                    manager.execute("users", lambda client: client.get("key"))
                    next(calls)
                except BaseException as error:
                    lost.append(error)

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + SECONDS
        wrong: list[object] = []
        while time.monotonic() < until or changes.made < 12:
            good = changes.next()
            result = manager.reload()
            if result.applied is not good or (good and result.errors):
                wrong.append(result)
        done.set()
        for thread in threads:
            thread.join()
        assert lost == []
        assert wrong == []
        assert manager.get_pool("users") is users
        assert next(calls) > 100


async def test_no_call_of_a_task_fails_for_a_reload(
    tmp_path: Path, redis_servers: list[RedisServer]
) -> None:
    """The same for tasks."""
    path = tmp_path / "services.json"
    changes = Changes(path, redis_servers)
    lost: list[BaseException] = []
    wrong: list[object] = []
    calls = itertools.count()
    done = asyncio.Event()
    manager: AsyncManager[Any] = AsyncManager.from_file(path, open_async_pool)
    async with manager:
        users, sessions = await manager.get_pool("users"), await manager.get_pool("sessions")

        async def work() -> None:
            while not done.is_set():
                try:
                    await users.execute(lambda client: client.get("key"))
                    await sessions.execute(lambda client: client.get("key"), key="a")
                    await manager.execute("users", lambda client: client.get("key"))
                    next(calls)
                except Exception as error:
                    lost.append(error)

        workers = [asyncio.create_task(work()) for _ in range(TASKS)]
        until = time.monotonic() + SECONDS
        while time.monotonic() < until or changes.made < 12:
            good = changes.next()
            result = await manager.reload()
            if result.applied is not good or (good and result.errors):
                wrong.append(result)
        done.set()
        await asyncio.gather(*workers)
        assert lost == []
        assert wrong == []
        assert await manager.get_pool("users") is users
        assert next(calls) > 100
