"""What `Manager` and `AsyncManager` have in common: whatever does not wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.errors import ConfigConflict, NotFound, PoolClosed
from connpool_runtime.manager.services import ServiceConfig
from connpool_runtime.pool.base import BasePool
from connpool_runtime.registry.base import BaseRegistry
from connpool_runtime.registry.resources import pool_in
from connpool_runtime.stats.types import PoolStats

__all__ = ["BaseManager"]

P = TypeVar("P")
G = TypeVar("G", bound="BaseRegistry[Any]")


class BaseManager(Generic[P, G]):
    """The services that are known, and the pools that they have. Safe for threads."""

    def __init__(self, registry: G, services: Iterable[ServiceConfig]) -> None:
        self._pools: G = registry
        self._lock = new_lock()
        self._services: dict[str, ServiceConfig] = {}
        for service in services:
            self.define(service)

    @property
    def name(self) -> str:
        """What errors call this manager."""
        return self._pools.name

    @property
    def closed(self) -> bool:
        """Whether the manager was stopped."""
        return self._pools.closed

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services, sorted, whether they have a pool or not."""
        with self._lock:
            return tuple(sorted(self._services))

    @property
    def started(self) -> tuple[str, ...]:
        """The names of the services that have a pool, sorted."""
        return tuple(self._pools.list())

    def define(self, service: ServiceConfig) -> None:
        """Make a service known; its pool is made when it is wanted.

        Raises:
            ConfigConflict: a service of this name is known with another config.
        """
        with self._lock:
            known = self._services.setdefault(service.name, service)
        if known != service:
            raise ConfigConflict(
                f"service {service.name!r} of {self.name!r} is known with another config",
                pool=self.name,
            )

    def config(self, service: str) -> ServiceConfig:
        """Return the config of a service.

        Raises:
            NotFound: there is no such service.
        """
        with self._lock:
            found = self._services.get(service)
        if found is None:
            known = ", ".join(map(repr, self.services)) or "none"
            raise NotFound(
                f"{self.name!r} has no service {service!r}; it has {known}", pool=self.name
            )
        return found

    def health(self) -> dict[str, bool]:
        """Tell for each pool whether it has a member to call, without I/O."""
        return self._pools.health()

    def pools(self) -> dict[str, BasePool[Any]]:
        """Return the pools that there are now by the name of their service, sorted; it builds none."""
        pools: dict[str, BasePool[Any]] = {}
        for service in self.started:
            try:
                pool = pool_in(self._pools.get(service))
            except (NotFound, PoolClosed):  # drained a moment ago
                continue
            if pool is not None:
                pools[service] = pool
        return pools

    def stats(self) -> dict[str, PoolStats]:
        """Return the numbers of all pools by the name of their service."""
        return {service: pool.stats() for service, pool in self.pools().items()}

    def _pool_of(self, service: str, resource: object) -> BasePool[Any]:
        pool = pool_in(resource)
        if pool is None:
            raise TypeError(
                f"service {service!r} of {self.name!r} has no pool to run calls on:"
                f" {type(resource).__name__} is neither a pool nor a generated wrapper"
            )
        return pool

    def __repr__(self) -> str:
        closed = " closed" if self.closed else ""
        started = ", ".join(self.started) or "none"
        return f"<{type(self).__name__} {self.name!r}{closed} {len(self.services)} services, started: {started}>"
