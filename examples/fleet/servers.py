"""The servers of a service, each a child process that is in the registry as long as it may be called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from fleet.registry import Registry
from local_servers import ProcessServer


class Servers:
    """Runs servers of one service inside its `with` block.

    Args:
        service: its name.
        names: one for each server.
        make: starts a server, given its name.
        registry: where they are entered.
    """

    def __init__(
        self,
        service: str,
        names: Sequence[str],
        make: Callable[[str], ProcessServer],
        registry: Registry,
    ) -> None:
        self.service = service
        self.names = tuple(names)
        self._make = make
        self._registry = registry
        self._running: dict[str, ProcessServer] = {}
        self._ended = False
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        """Start a server, on a port that nobody knows yet, and enter it.

        Raises:
            RuntimeError: the block has ended meanwhile, and so has the server.
        """
        server = self._make(name)
        with self._lock:
            ended = self._ended
            if not ended:
                self._running[name] = server
        if ended:
            server.stop()
            raise RuntimeError(f"{self.service} has ended")
        self._registry.register(self.service, name, server.address)

    def withdraw(self, name: str) -> None:
        """Take a server out of the registry; it still runs."""
        self._registry.deregister(self.service, name)

    def stop(self, name: str) -> None:
        """End a server that nobody calls any more; again does nothing."""
        server = self._running.pop(name, None)
        if server is not None:
            server.stop()

    def kill(self, name: str) -> None:
        """Kill a server in the middle of its work (SIGKILL); the registry does not know."""
        self._running[name].kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended = True
        for name in list(self._running):
            self.stop(name)


def start_all(fleet: Sequence[Servers], stack: ExitStack) -> None:
    """Start all servers of all services at a time, and have them ended with the stack, even if only some came up."""
    for servers in fleet:
        stack.enter_context(servers)
    with ThreadPoolExecutor() as starters:
        started = [
            starters.submit(servers.start, name) for servers in fleet for name in servers.names
        ]
    for one in started:
        one.result()
