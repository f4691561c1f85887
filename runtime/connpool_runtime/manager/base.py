"""What `Manager` and `AsyncManager` share: everything that does not wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._log import extra, runtime_logger
from connpool_runtime.config.config import Config
from connpool_runtime.config.effective import shown_service
from connpool_runtime.config.problems import InvalidConfigFile
from connpool_runtime.config.sections import MetricsSettings
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.discovery.file_changes import Signature
from connpool_runtime.errors import ConfigConflict, NotFound, PoolClosed
from connpool_runtime.manager.metrics_exports import Exporter, exporters
from connpool_runtime.manager.reload import ReloadResult, ReloadStats
from connpool_runtime.pool.base import BasePool
from connpool_runtime.registry.base import BaseRegistry
from connpool_runtime.registry.resources import pool_in
from connpool_runtime.stats.types import PoolStats

__all__ = ["BaseManager"]

P = TypeVar("P")
G = TypeVar("G", bound="BaseRegistry[Any]")


class BaseManager(Generic[P, G]):
    """The known services and their pools. Safe for threads."""

    def __init__(
        self, registry: G, services: Iterable[ServiceConfig], read: Callable[[], Config] | None
    ) -> None:
        self._pools: G = registry
        self._lock = new_lock()  # guards everything below
        self._services: dict[str, ServiceConfig] = {}
        self._read = read
        self._exports: list[Exporter] = []
        self._config: Config | None = None
        self._seen: Signature = None  # of the file that the manager is made from
        self._reloads = ReloadStats(
            manager=registry.name,
            version=1,
            successes=0,
            partials=0,
            failures=0,
            last_success=True,
            last_reload=time.time(),
            errors=(),
        )
        for service in services:
            self.define(service)

    @property
    def name(self) -> str:
        """The name of this manager in errors."""
        return self._pools.name

    @property
    def closed(self) -> bool:
        """Whether the manager was stopped."""
        return self._pools.closed

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, sorted, whether they have a pool or not."""
        with self._lock:
            return tuple(sorted(self._services))

    @property
    def started(self) -> tuple[str, ...]:
        """The names of the services that have a pool, sorted."""
        return tuple(self._pools.list())

    @property
    def reloads(self) -> ReloadStats:
        """The numbers of all reloads so far."""
        return self._reloads

    @property
    def loaded_config(self) -> Config | None:
        """The config in use; None if the services do not come from a file."""
        return self._config

    def shown_config(self) -> dict[str, object]:
        """Return every option in use with its value and its origin, as plain data with secrets masked.

        The options of a service are under `services` (or the section that they are in), its name and their key path; each is a mapping of
        `value` and `from`: `default`, a file and line, a variable of the environment, an argument, or
        `program`. Beside them are `file` (None without one), `version`, and `loaded`, when that was read, in
        seconds since 1970.
        """
        with self._lock:
            config, services, reloads = self._config, dict(self._services), self._reloads
        shown: dict[str, Any] = {} if config is None else config.shown()
        others = {
            name: shown_service(service)
            for name, service in services.items()
            if config is None or name not in config.services
        }
        key = "services" if config is None else config.key
        shown = {**shown, key: {**shown.get(key, {}), **others}} if key else {**shown, **others}
        file = None if config is None else config.file
        head = {"file": file, "version": reloads.version, "loaded": reloads.last_reload}
        return {**head, **shown}

    def define(self, service: ServiceConfig) -> None:
        """Define a service; its pool is built when it is first needed.

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
        """Return for each pool whether it has a member to call, without I/O."""
        return self._pools.health()

    def pools(self) -> dict[str, BasePool[Any]]:
        """Return the existing pools by the name of their service, sorted; builds none."""
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
        """Return the stats of all pools by the name of their service."""
        return {service: pool.stats() for service, pool in self.pools().items()}

    # Reloads

    def _begin_with(self, config: Config, seen: Signature) -> None:
        """Take over the config that the manager is made from, and the signature of its file."""
        self._config, self._seen = config, seen

    def _ended(self, result: ReloadResult) -> ReloadResult:
        """Count a reload, and log its result."""
        counts = {"success": "successes", "partial": "partials", "failure": "failures"}
        name = counts[result.outcome]
        with self._lock:
            before = self._reloads
            counted: dict[str, Any] = {name: getattr(before, name) + 1}
            self._reloads = replace(
                before,
                version=result.version,
                last_success=result.outcome == "success",
                last_reload=time.time() if result.applied else before.last_reload,
                errors=result.errors,
                **counted,
            )
        logger = runtime_logger()
        if result.applied and result.changes:
            logger.info(
                "%r now uses config %d: %s",
                *(self.name, result.version, _listed(result.changes)),
                extra=extra(
                    event_name="config_reloaded", manager=self.name, config_version=result.version
                ),
            )
        if result.errors:
            kept = (
                "these services go on as they were" if result.applied else "the old config is kept"
            )
            logger.error(
                "reloading the config of %r: %s: %s",
                *(self.name, kept, _listed(result.errors)),
                extra=extra(
                    event_name="reload_failed",
                    manager=self.name,
                    reason=kept,
                    config_version=result.version,
                ),
            )
        return result

    def _drain_limit(self, given: float | None) -> float:
        """Return the seconds that a pool has to drain: the given ones, or the manager's."""
        return self._pools.drain_timeout if given is None else given

    def _export_to(self, metrics: MetricsSettings) -> None:
        """Export the numbers of all pools as soon as they are built, and those of reloads."""
        self._exports += exporters(metrics, self)

    def _read_anew(self, read: Callable[[], Config]) -> Config | tuple[str, ...]:
        """Read the current config; return it, or the problems with it."""
        try:
            return read()
        except InvalidConfigFile as error:
            return tuple(map(str, error.problems))
        except OSError as error:
            return (f"the config cannot be read: {error}",)

    def _take_over(self, config: Config) -> int:
        """Use another config; return its version."""
        with self._lock:
            from_program = {
                name: service
                for name, service in self._services.items()
                if self._config is None or name not in self._config.services
            }
            self._services = {**from_program, **config.services}
            self._config = config
        self._pools.set_drain_timeout(config.manager.drain_timeout)
        return self._reloads.version + 1

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


def _listed(sentences: Iterable[str]) -> str:
    return "; ".join(sentences)
