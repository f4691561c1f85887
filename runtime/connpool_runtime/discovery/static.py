"""A fixed list of endpoints: for tests, and for services that have no registry yet."""

from __future__ import annotations

import math
from collections.abc import Iterable

from connpool_runtime.discovery.endpoint import Endpoint, snapshot_of
from connpool_runtime.discovery.source import AsyncSource, Source

__all__ = ["AsyncStaticSource", "StaticSource"]


class AsyncStaticSource(AsyncSource):
    """Always returns the same endpoints. For the tasks of one event loop.

    Arguments:
        endpoints: endpoints, addresses, or mappings of the fields of `Endpoint`.

    Raises:
        InvalidEndpoint: one is not as it must be, or an id is there twice.
    """

    interval = math.inf

    def __init__(self, endpoints: Iterable[object]) -> None:
        self._endpoints = snapshot_of(endpoints, self.name)

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return "static"

    async def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Return the endpoints."""
        return self._endpoints


# Made by tools/derive_sync.py from the definitions above; edit those.


class StaticSource(Source):
    """Always returns the same endpoints. Safe for threads.

    Arguments:
        endpoints: endpoints, addresses, or mappings of the fields of `Endpoint`.

    Raises:
        InvalidEndpoint: one is not as it must be, or an id is there twice.
    """

    interval = math.inf

    def __init__(self, endpoints: Iterable[object]) -> None:
        self._endpoints = snapshot_of(endpoints, self.name)

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return "static"

    def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Return the endpoints."""
        return self._endpoints
