"""Managers of services in a file, over real Redis servers, for threads and for tasks alike."""

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from connpool_runtime import AsyncPool, Pool
from connpool_runtime.config import ServiceConfig
from connpool_runtime.manager import Manager
from connpool_runtime.manager.async_manager import AsyncManager
from connpool_runtime.manager.services import open_async_pool, open_pool
from tests.runtime.faces import PATIENCE, Client


def write(path: Path, **content: Any) -> None:
    """Replace a file at once, as editors and deployments do."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(path)


def cut_in_half(path: Path) -> None:
    """Write the first half of a file over it, as who writes in pieces does."""
    text = path.read_text()
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        os.fsync(file.fileno())


class Threads:
    """A manager for threads, called from tests that are coroutines."""

    kind = "threads"
    manager_class: Any = Manager
    open: Any = staticmethod(open_pool)

    def manager(self, path: Path, build: Any = None, **options: Any) -> Any:
        return self.manager_class.from_file(path, build or self.open, **options)

    def custom(self, service: ServiceConfig) -> Any:
        """Build a pool whose clients nobody but its builder can open."""
        pool = Pool[Any](service.name, **service.pool_options)
        for address in service.connector.endpoints:
            pool.add_client(Client(address), address)
        return pool

    def slowly(self, began: threading.Event, go: threading.Event) -> Any:
        """Return a `build` that says when it has begun, and goes on when it is told to."""

        def build(service: ServiceConfig) -> Any:
            began.set()
            assert go.wait(PATIENCE)
            return self.custom(service)

        return build

    async def do(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(work, *args)


class Tasks(Threads):
    kind = "tasks"
    manager_class = AsyncManager
    open = staticmethod(open_async_pool)

    def custom(self, service: ServiceConfig) -> Any:
        pool = AsyncPool[Any](service.name, **service.pool_options)
        for address in service.connector.endpoints:
            pool.add_client(Client(address), address)
        return pool

    def slowly(self, began: threading.Event, go: threading.Event) -> Any:
        async def build(service: ServiceConfig) -> Any:
            began.set()
            assert await asyncio.to_thread(go.wait, PATIENCE)
            return self.custom(service)

        return build

    async def do(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await work(*args)
