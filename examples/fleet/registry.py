"""Who serves what: a file that the pools watch, or a Consul agent."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Protocol

from connpool_runtime.discovery import (
    ConsulSource,
    ConsulSourceConfig,
    FileSource,
    FileSourceConfig,
    Source,
)
from local_servers import ConsulServer


class Registry(Protocol):
    """Servers enter themselves here; pools follow what it says."""

    def register(self, service: str, server: str, address: str) -> None:
        """Say that a server of a service is to be called at an address."""

    def deregister(self, service: str, server: str) -> None:
        """Say that it is not to be called any more."""

    def source(self, service: str) -> Source:
        """Return what a pool of the service follows."""
        ...

    def member(self, service: str, server: str) -> str:
        """Return what a pool calls this server."""
        ...


class FileRegistry:
    """A JSON file, replaced as a whole with each change: `{"pages": {"endpoints": [{"id": "a", ...}]}, ...}`.

    Safe for threads; one program alone may write the file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._servers: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def register(self, service: str, server: str, address: str) -> None:
        """Enter a server."""
        with self._lock:
            self._servers.setdefault(service, {})[server] = address
            self._write()

    def deregister(self, service: str, server: str) -> None:
        """Take a server out."""
        with self._lock:
            del self._servers[service][server]
            self._write()

    def source(self, service: str) -> Source:
        """Return a source that reads the service's section whenever the file changes."""
        return FileSource(FileSourceConfig(path=str(self._path), section=service))

    def member(self, service: str, server: str) -> str:
        """Return the id, as it stands in the file."""
        del service
        return server

    def _write(self) -> None:
        text = {
            service: {"endpoints": [{"id": name, "address": at} for name, at in servers.items()]}
            for service, servers in self._servers.items()
        }
        # Readers see the old file or the new one, and never a part of one.
        part = self._path.with_suffix(".new")
        part.write_text(json.dumps(text, indent=2))
        part.replace(self._path)


class ConsulRegistry:
    """A Consul agent.

    Args:
        agent: a running one.
    """

    def __init__(self, agent: ConsulServer) -> None:
        self._agent = agent

    def register(self, service: str, server: str, address: str) -> None:
        """Register an instance of the service."""
        self._agent.register(f"{service}-{server}", address, service)

    def deregister(self, service: str, server: str) -> None:
        """Deregister it."""
        self._agent.deregister(f"{service}-{server}")

    def source(self, service: str) -> Source:
        """Return a source that waits for changes in blocking queries."""
        return ConsulSource(ConsulSourceConfig(service=service, address=self._agent.address))

    def member(self, service: str, server: str) -> str:
        """Return node and service id, as Consul names an instance."""
        return f"node/{service}-{server}"
