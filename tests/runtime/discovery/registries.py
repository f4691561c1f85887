"""A registry of endpoints whose content a test changes, and sync and async pools that follow it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from connpool_runtime.discovery import AsyncCallbackSource, CallbackSource, Endpoint
from tests.runtime.faces import Client, Face

SOON = 0.005  # seconds between two questions to a source of these tests


class Registry:
    """Says what a test has put there; an error is raised, and while it is `held` it does not answer."""

    def __init__(self, *endpoints: object) -> None:
        self.answer: object = endpoints
        self.asked = 0
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def says(self, *endpoints: object) -> None:
        self.answer = endpoints

    def fails(self, error: Exception) -> None:
        self.answer = error

    def ask(self) -> Any:
        self.asked += 1
        self._go.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def source(self, face: Face) -> Any:
        """The source that asks this registry, for the kind of pool that a face has."""
        if face.kind == "threads":
            return CallbackSource(self.ask, interval=SOON, name="registry")
        return AsyncCallbackSource(
            lambda: asyncio.to_thread(self.ask), interval=SOON, name="registry"
        )


class Clients:
    """Opens clients of endpoints, as a test says; remembers all of them."""

    def __init__(self) -> None:
        self.opened: list[Client] = []
        self.refused: set[str] = set()  # ids of endpoints that cannot be opened
        self.held: set[str] = set()  # those whose opening hangs
        self.at_once = self.most_at_once = 0
        self._go = threading.Event()
        self._lock = threading.Lock()

    def release(self) -> None:
        self._go.set()

    def open(self, endpoint: Endpoint) -> Client:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if endpoint.id in self.held:
                self._go.wait(10)
            if endpoint.id in self.refused:
                raise ConnectionRefusedError(f"{endpoint.id} refuses")
            time.sleep(0.001)
            client = Client(endpoint.id)
            client.address = endpoint.address  # type: ignore[attr-defined]
            self.opened.append(client)
            return client
        finally:
            with self._lock:
                self.at_once -= 1

    def connect(self, face: Face) -> Callable[[Endpoint], Any]:
        """What opens a client, for the kind of pool that a face has."""
        if face.kind == "threads":
            return self.open
        return lambda endpoint: asyncio.to_thread(self.open, endpoint)

    def of(self, name: str) -> Client:
        """The client that was opened last for an endpoint."""
        return [client for client in self.opened if client.name == name][-1]


async def follow(
    face: Face, registry: Registry, clients: Clients, *, count: int = 1, **options: Any
) -> Any:
    """Let a pool follow a registry, and wait until so many endpoints are members."""
    source = options.pop("source", None) or registry.source(face)
    quick = {"retry_backoff": 0.01, "retry_backoff_max": 0.02, "connect_backoff": 0.01}
    given = {**quick, **options}
    connect = given.pop("connect", None) or clients.connect(face)
    discovery = await run(face, face.pool.discover, source, connect, **given)
    if count:
        await run(face, discovery.wait_ready, count, 10.0)
    return discovery


async def run(face: Face, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a sync or async method from a coroutine."""
    if face.kind == "threads":
        return await asyncio.to_thread(function, *args, **options)
    return await function(*args, **options)


def names(face: Face) -> set[str]:
    """The members that get calls."""
    return {member.name for member in face.pool.members if not member.leaving}


def endpoints(*ids: str, **more: Any) -> Iterable[Endpoint]:
    """Endpoints of these ids, each at an address of its own."""
    return [Endpoint(f"10.0.0.1:{7000 + ord(name[0])}", name, **more) for name in ids]
