"""The numbers of pools as Prometheus metrics; needs prometheus-client (extra `prometheus`).

The pools count for themselves and are only read when Prometheus asks, so a call pays nothing for
it. The metrics are defined in `series.py`; here it gets the prefix `connpool_` and the suffixes that
Prometheus expects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from connpool_runtime._extras import extra
from connpool_runtime.metrics.exported_pools import ExportedPools
from connpool_runtime.metrics.registered_collector import RegisteredCollector
from connpool_runtime.metrics.series import (
    CALL_DURATION,
    DURATIONS,
    SERIES,
    Durations,
    Series,
    exemplar_of,
    middleware_series,
    upper,
)
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.types import LatencyStats, PoolStats

with extra("prometheus"):
    from prometheus_client.core import (
        CounterMetricFamily,
        Exemplar,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import CollectorRegistry

__all__ = ["PoolCollector", "families"]


class PoolCollector(RegisteredCollector):
    """Collects the numbers of pools, sync and async, at every scrape. Safe for threads.

    A registry has one collector of pools, because it takes each metric from one collector only:
    `PoolCollector(pool, registry=registry)` returns the existing collector if there is one, which then
    collects from the pool too.

    The collector holds its pools until they are removed or closed. The counts of a closed pool are exported
    for five more minutes, except the series of its members, which end with the members.

    Arguments:
        pools: the pools to read; more may come later, see `add`. Each needs a name of its own.
        registry: where to register; nowhere if not given.

    Raises:
        TypeError: an argument is not a pool.
        ValueError: two pools have one name, or the registry has metrics of these names from elsewhere.
    """

    _pools: ExportedPools

    def _begin(self) -> None:
        self._pools = ExportedPools()

    def __init__(
        self,
        *pools: BasePool[Any],
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.add(*pools)

    def add(self, *pools: BasePool[Any]) -> None:
        """Collect from more pools; pools that are collected from already stay.

        Arguments:
            pools: the pools. A pool that takes the name of a closed one replaces it.

        Raises:
            TypeError: an argument is not a pool.
            ValueError: two pools that are open have one name. No pool was added then.
        """
        self._pools.add(*pools)

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop collecting from pools at once; others are ignored.

        Arguments:
            pools: the pools. They stay as they are, and may be added again.
        """
        self._pools.remove(*pools)

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples, so that registering reads no pool."""
        return families([])

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        return families(self._pools.stats())


def families(pools: list[PoolStats]) -> Iterator[Metric]:
    """Return the metrics of pools, each with a name of its own."""
    for series in (*SERIES, *middleware_series(pools)):
        yield _family(series, pools)
    for durations in DURATIONS:
        yield _histogram(durations, pools)


def _family(series: Series, pools: list[PoolStats]) -> Metric:
    kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    labels = ["pool", *map(_label, series.labels)]
    family = kind(f"connpool_{series.name}", series.text, labels=labels)
    for pool in pools:
        for values, number in series.samples(pool):
            family.add_metric([pool.name, *values], number)
    return family


def _label(name: str) -> str:
    """Return the name of a middleware's label, renamed where Prometheus reserves it."""
    return "exported_pool" if name == "pool" else name


def _histogram(durations: Durations, pools: list[PoolStats]) -> Metric:
    family = HistogramMetricFamily(
        f"connpool_{durations.name}_seconds", durations.text, labels=["pool", *durations.labels]
    )
    for pool in pools:
        for values, latency in durations.samples(pool):
            if pool.exemplars and durations is CALL_DURATION:
                family.add_metric(
                    [pool.name, *values], _with_exemplars(pool, values[0], latency), latency.total
                )
            else:
                buckets = [(upper(bound), count) for bound, count in latency.buckets]
                family.add_metric([pool.name, *values], buckets, latency.total)
    return family


def _with_exemplars(
    pool: PoolStats, method: str, latency: LatencyStats
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Return buckets with trace exemplars where known; only OpenMetrics shows them."""
    found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    above = -math.inf
    for bound, count in latency.buckets:
        one = exemplar_of(pool, method, above, bound)
        if one is None:
            found.append((upper(bound), count))
        else:
            labels = {"trace_id": one.trace_id, "span_id": one.span_id}
            found.append((upper(bound), count, Exemplar(labels, one.seconds, one.time)))
        above = bound
    return found
