"""Where a manager exports the numbers of its pools and reloads to, as its config says."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from connpool_runtime._extras import install
from connpool_runtime.config.sections import MetricsSettings
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.pool.base import BasePool

__all__ = ["Exporter", "exporters"]


class Exporter(Protocol):
    """What reads the numbers of pools."""

    def add(self, *pools: BasePool[Any]) -> None:
        """Read more pools."""
        ...

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop reading pools."""
        ...


def exporters(metrics: MetricsSettings, manager: object) -> list[Exporter]:
    """Return what is to read each new pool; export the numbers of the manager's reloads already.

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
        found.append(module.PoolCollector(registry=registry))
    if metrics.opentelemetry:
        found.append(_integration("otel", "opentelemetry").observe())
    return found


def _integration(name: str, option: str) -> Any:
    try:
        return import_module(f"connpool_runtime.metrics.{name}")
    except ImportError as error:
        allowed = f"false without {error.name} ({install(name)})"
        raise InvalidConfig(f"metrics.{option}", "True", allowed) from None
