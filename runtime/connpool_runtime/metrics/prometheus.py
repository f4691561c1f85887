"""The numbers of pools as Prometheus metrics; needs prometheus-client (extra `prometheus`).

The pools count for themselves and are only read when Prometheus asks, so a call pays nothing for
it. Labels are pool and method, or pool and member, never both: their product would be too many
series. Durations are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from connpool_runtime.base import BasePool
from connpool_runtime.core.breaker import BreakerState
from connpool_runtime.core.stats import MemberStats, MethodStats, PoolStats

__all__ = ["PoolCollector"]

Sample: TypeAlias = tuple[tuple[str, ...], float]
Samples: TypeAlias = Callable[[PoolStats], Iterable[Sample]]

_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


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
    yield _counter("calls", "Calls as users saw them.", "method outcome", pools, _calls)
    yield _durations(pools)
    yield _counter(
        "attempts", "Uses of a member, retries included.", "member outcome", pools, _uses
    )
    yield _counter("trips", "Times a member was cut off.", "member", pools, _trips)
    yield _counter("rejections", "Calls that reached no member.", "reason", pools, _rejections)
    yield _gauge("in_flight", "Calls running on a member.", "member", pools, _in_flight)
    yield _gauge("breaker_state", "0 closed, 1 half-open, 2 open.", "member", pools, _states)


def _counter(name: str, text: str, labels: str, pools: list[PoolStats], samples: Samples) -> Metric:
    family = CounterMetricFamily(f"connpool_{name}", text, labels=["pool", *labels.split()])
    for pool in pools:
        for values, number in samples(pool):
            family.add_metric([pool.name, *values], number)
    return family


def _gauge(name: str, text: str, labels: str, pools: list[PoolStats], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"connpool_{name}", text, labels=["pool", *labels.split()])
    for pool in pools:
        for values, number in samples(pool):
            family.add_metric([pool.name, *values], number)
    return family


def _durations(pools: list[PoolStats]) -> Metric:
    text = "How long calls took, without the neutral ones."
    family = HistogramMetricFamily(
        "connpool_call_duration_seconds", text, labels=["pool", "method"]
    )
    for pool in pools:
        for method in _called(pool):
            latency = method.latency
            buckets = [(_upper(bound), count) for bound, count in latency.buckets]
            family.add_metric([pool.name, method.name], buckets, latency.total)
    return family


def _upper(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(bound)


def _called(pool: PoolStats) -> Iterator[MethodStats]:
    """Methods that were called: a client may have 400, and each would be twenty lines of zeros."""
    return (m for m in pool.methods if m.successes or m.failures or m.neutrals)


def _calls(pool: PoolStats) -> Iterator[Sample]:
    for method in _called(pool):
        yield from _outcomes(method)


def _uses(pool: PoolStats) -> Iterator[Sample]:
    for member in pool.members:
        yield from _outcomes(member)


def _outcomes(counted: MethodStats | MemberStats) -> Iterator[Sample]:
    yield (counted.name, "success"), counted.successes
    yield (counted.name, "failure"), counted.failures
    yield (counted.name, "neutral"), counted.neutrals


def _trips(pool: PoolStats) -> Iterator[Sample]:
    return (((member.name,), member.trips) for member in pool.members)


def _rejections(pool: PoolStats) -> Iterator[Sample]:
    return (((reason,), count) for reason, count in pool.rejections)


def _in_flight(pool: PoolStats) -> Iterator[Sample]:
    return (((member.name,), member.in_flight) for member in pool.members)


def _states(pool: PoolStats) -> Iterator[Sample]:
    return (((member.name,), _STATES[member.state]) for member in pool.members)
