"""The numbers of pools as Prometheus metrics; needs prometheus-client (extra `prometheus`).

The pools count for themselves and are only read when Prometheus asks, so a call pays nothing for
it. What there is stands in `series.py`; here it gets the prefix `connpool_` and the suffixes that
Prometheus expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from connpool_runtime.metrics.series import (
    DURATIONS,
    SERIES,
    Durations,
    Series,
    middleware_series,
    upper,
)
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.types import PoolStats

__all__ = ["PoolCollector"]


class PoolCollector(Collector):
    """Collects from pools of either colour.

    Arguments:
        pools: the pools to read.
        registry: where to register; nowhere if not given.
    """

    def __init__(self, *pools: BasePool[Any], registry: CollectorRegistry | None = None) -> None:
        self._pools = pools
        if registry is not None:
            registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples, so that registering reads no pool."""
        return _families([])

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        return _families([pool.stats() for pool in self._pools])


def _families(pools: list[PoolStats]) -> Iterator[Metric]:
    for series in (*SERIES, *middleware_series(pools)):
        yield _family(series, pools)
    for durations in DURATIONS:
        yield _histogram(durations, pools)


def _family(series: Series, pools: list[PoolStats]) -> Metric:
    # A middleware of the user's may call its numbers as it likes.
    name = "connpool_" + re.sub(r"\W", "_", series.name, flags=re.ASCII)
    kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    family = kind(name, series.text, labels=["pool", *series.labels])
    for pool in pools:
        for values, number in series.samples(pool):
            family.add_metric([pool.name, *values], number)
    return family


def _histogram(durations: Durations, pools: list[PoolStats]) -> Metric:
    family = HistogramMetricFamily(
        f"connpool_{durations.name}_seconds", durations.text, labels=["pool", *durations.labels]
    )
    for pool in pools:
        for values, latency in durations.samples(pool):
            buckets = [(upper(bound), count) for bound, count in latency.buckets]
            family.add_metric([pool.name, *values], buckets, latency.total)
    return family
