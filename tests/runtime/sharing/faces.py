"""One way to drive shared clients for threads and for tasks, and connectors that do as they are told."""

import asyncio
import threading
from collections import deque
from typing import Any

from connpool_runtime.connectors import ConnectFailed, ConnectorConfig, HealthCheckFailed
from connpool_runtime.sharing.async_shared_clients import AsyncSharedClients
from connpool_runtime.sharing.shared_clients import SharedClients
from tests.runtime.faces import PATIENCE

NO_CHECKS = {"health_interval": 0.0}


def config_of(name: str = "a", **fields: Any) -> ConnectorConfig:
    """The config of a server by this name."""
    return ConnectorConfig(endpoints=[f"{name}:1"], **{**NO_CHECKS, **fields})


class Client:
    """A client that tells when it is used after its end."""

    def __init__(self) -> None:
        self.closed = 0

    def use(self, _: object = None) -> None:
        assert not self.closed, "a closed client was used"


class World:
    """What the connectors of one test share: what they do, and what became of them."""

    def __init__(self) -> None:
        self.opened: list[Client] = []
        self.connects = 0
        self.script: deque[BaseException] = deque()  # what the next attempts to connect give
        self.sick = False  # whether health checks fail
        self.checks = 0
        self.connecting = threading.Event()
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        """Let attempts to connect wait."""
        self.connecting.clear()
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    @property
    def open_clients(self) -> int:
        return sum(not client.closed for client in self.opened)

    def connect(self) -> Client:
        self.connects += 1
        self.connecting.set()
        assert self._go.wait(PATIENCE), "nobody let this go on"
        if self.script:
            raise self.script.popleft()
        client = Client()
        self.opened.append(client)
        return client

    def check(self) -> None:
        self.checks += 1
        if self.sick:
            raise HealthCheckFailed("sick")


class _Base:
    def __init__(self, world: World, config: ConnectorConfig) -> None:
        self.world = world
        self.config = config
        self.name = "fake"
        self.healthy = False
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    def fresh(self, endpoint: str | None = None) -> Any:
        config = self.config if endpoint is None else self.config.at(endpoint)
        return type(self)(self.world, config)

    def _closed(self) -> None:
        self.healthy = False
        if self._client is not None:
            self._client.closed += 1


class ThreadConnector(_Base):
    """A connector for threads."""

    def connect(self, timeout: float | None = None) -> Client:
        self._client = self.world.connect()
        self.healthy = True
        return self._client

    def health_check(self, timeout: float | None = None) -> None:
        self.world.check()

    def close(self) -> None:
        self._closed()


class TaskConnector(_Base):
    """A connector for tasks."""

    async def connect(self, timeout: float | None = None) -> Client:
        await asyncio.sleep(0)
        self._client = await asyncio.to_thread(self.world.connect)
        self.healthy = True
        return self._client

    async def health_check(self, timeout: float | None = None) -> None:
        await asyncio.sleep(0)
        self.world.check()

    async def close(self) -> None:
        await asyncio.sleep(0)
        self._closed()


class SharingFace:
    """What both kinds can do, in the words of a coroutine."""

    kind: str
    clients: Any

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world

    async def acquire(self, config: ConnectorConfig, timeout: float | None = None) -> Any:
        raise NotImplementedError

    async def close(self, drain_timeout: float | None = None) -> None:
        raise NotImplementedError


class ThreadSharing(SharingFace):
    kind = "threads"

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world)
        self.clients: SharedClients[ConnectorConfig, Client] = SharedClients(
            lambda config: ThreadConnector(world, config), "test", **options
        )

    async def acquire(self, config: ConnectorConfig, timeout: float | None = None) -> Any:
        return await asyncio.to_thread(self.clients.acquire, config, timeout)

    async def close(self, drain_timeout: float | None = None) -> None:
        await asyncio.to_thread(self.clients.close, drain_timeout)


class TaskSharing(SharingFace):
    kind = "tasks"

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world)
        self.clients: AsyncSharedClients[ConnectorConfig, Client] = AsyncSharedClients(
            lambda config: TaskConnector(world, config), "test", **options
        )

    async def acquire(self, config: ConnectorConfig, timeout: float | None = None) -> Any:
        return await self.clients.acquire(config, timeout)

    async def close(self, drain_timeout: float | None = None) -> None:
        await self.clients.close(drain_timeout)


DOWN = ConnectFailed("down")
