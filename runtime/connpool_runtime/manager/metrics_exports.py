"""The exporters to which a manager's config sends the numbers of its pools and reloads."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from connpool_runtime._extras import install
from connpool_runtime.config.sections import MetricsSettings
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.pool.base import BasePool

__all__ = ["Exporter", "exporters"]


DATABASES = frozenset({"etcd", "milvus", "redis"})
"""The kinds of connectors whose servers are databases, in OpenTelemetry's sense."""


class Exporter(Protocol):
    """Reads the numbers of pools."""

    def add(self, pool: BasePool[Any], kind: str) -> None:
        """Read one more pool, of clients of a kind."""
        ...

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop reading pools."""
        ...


def exporters(metrics: MetricsSettings, manager: object) -> list[Exporter]:
    """Return the exporters for new pools; those for the manager's reloads start at once.

    Arguments:
        metrics: where to.
        manager: whose reloads they are.

    Raises:
        InvalidConfig: a library is not installed; the message says how to get it.
    """
    found: list[Exporter] = []
    if metrics.prometheus:
        module = _integration("prometheus", "prometheus")
        registry: Any = import_module("prometheus_client").REGISTRY
        import_module("connpool_runtime.metrics.config_reloads").ConfigCollector(
            manager, registry=registry
        )
        found.append(_Prometheus(module.PoolCollector(registry=registry)))
    if metrics.opentelemetry:
        found.append(_OpenTelemetry(_integration("otel", "opentelemetry").observe()))
    return found


class _Prometheus:
    """Lets a `PoolCollector` read pools."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def add(self, pool: BasePool[Any], kind: str) -> None:
        self._collector.add(pool)

    def remove(self, *pools: BasePool[Any]) -> None:
        self._collector.remove(*pools)


class _OpenTelemetry:
    """Lets a `PoolObserver` read pools, those of databases as database pools."""

    def __init__(self, observer: Any) -> None:
        self._observer = observer

    def add(self, pool: BasePool[Any], kind: str) -> None:
        self._observer.add(pool, database=kind in DATABASES)

    def remove(self, *pools: BasePool[Any]) -> None:
        self._observer.remove(*pools)


def _integration(name: str, option: str) -> Any:
    try:
        return import_module(f"connpool_runtime.metrics.{name}")
    except ImportError as error:
        allowed = f"false without {error.name} ({install(name)})"
        raise InvalidConfig(f"metrics.{option}", "True", allowed) from None
