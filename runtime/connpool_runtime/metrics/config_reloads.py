"""The reloads of managers as Prometheus metrics; needs prometheus-client (extra `prometheus`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from connpool_runtime._extras import extra
from connpool_runtime.manager.reload import ReloadStats
from connpool_runtime.metrics.registered_collector import RegisteredCollector

with extra("prometheus"):
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import CollectorRegistry

__all__ = ["ConfigCollector"]


class _Reloading(Protocol):
    @property
    def closed(self) -> bool: ...

    @property
    def reloads(self) -> ReloadStats: ...


class ConfigCollector(RegisteredCollector):
    """Collects the numbers of managers' reloads at every scrape. Safe for threads.

    `connpool_config_reloads_total` counts by `result`: success, partial or failure;
    `connpool_config_last_reload_success` is 0 while the latest one was not applied as a whole;
    `connpool_config_version` counts the configs that were used; and
    `connpool_config_loaded_timestamp_seconds` is when the one in use was read.

    A registry has one such collector: creating another one returns the existing one. Managers that are
    stopped are forgotten.

    Arguments:
        managers: whose reloads; each with a name of its own.
        registry: where to register; nowhere if not given.

    Raises:
        ValueError: two managers have one name, or the registry has metrics of these names from elsewhere.
    """

    _managers: list[_Reloading]

    def _begin(self) -> None:
        self._managers = []

    def __init__(self, *managers: _Reloading, registry: CollectorRegistry | None = None) -> None:
        self.add(*managers)

    def add(self, *managers: _Reloading) -> None:
        """Collect from more managers.

        Raises:
            ValueError: two managers that are not stopped have one name.
        """
        for manager in managers:
            name = manager.reloads.manager
            for other in self._open():
                if other is not manager and other.reloads.manager == name:
                    raise ValueError(
                        f"another manager named {name!r} is already exported, and their series could not be told"
                        " apart: give each manager a name of its own"
                    )
            self._managers = [*(one for one in self._open() if one is not manager), manager]

    def _open(self) -> list[_Reloading]:
        return [one for one in self._managers if not one.closed]

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples."""
        return _families([])

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        return _families([one.reloads for one in self._open()])


def _families(all_reloads: list[ReloadStats]) -> list[Metric]:
    prefix = "connpool_config_"
    reloads = CounterMetricFamily(
        f"{prefix}reloads", "Times that a config was read again.", labels=["manager", "result"]
    )
    success = GaugeMetricFamily(
        f"{prefix}last_reload_success",
        "0 while the latest reload was not applied as a whole, else 1.",
        labels=["manager"],
    )
    version = GaugeMetricFamily(
        f"{prefix}version", "Counts the configs that were used.", labels=["manager"]
    )
    loaded = GaugeMetricFamily(
        f"{prefix}loaded_timestamp_seconds",
        "When the config in use was read, in seconds since 1970.",
        labels=["manager"],
    )
    for one in all_reloads:
        results = (("success", one.successes), ("partial", one.partials), ("failure", one.failures))
        for result, count in results:
            reloads.add_metric([one.manager, result], count)
        success.add_metric([one.manager], int(one.last_success))
        version.add_metric([one.manager], one.version)
        loaded.add_metric([one.manager], one.last_reload)
    return [reloads, success, version, loaded]
