"""The numbers of pools as OpenTelemetry metrics; needs opentelemetry-api (extra `otel`).

Observable instruments: the pools count for themselves and are only read when the reader collects.
Names and attributes are written as OpenTelemetry's conventions have it: dotted, in base units, no
unit in the name. OpenTelemetry has no observable histogram, so latencies are three counters: the
calls measured, their seconds, and those of each bucket with its upper bound `le`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from connpool_runtime.metrics.series import (
    DURATIONS,
    SERIES,
    Durations,
    Series,
    middleware_series,
    upper,
)
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.types import LatencyStats, PoolStats

__all__ = ["observe"]

Read: TypeAlias = Callable[[PoolStats], Iterable[tuple[dict[str, str], float]]]

PREFIX = "connpool.client."
POOL = "connpool.pool.name"
ATTRIBUTES = {
    "member": "server.address",
    "method": "connpool.method",
    "outcome": "connpool.outcome",
    "reason": "error.type",
    "state": "connpool.member.state",
}


def observe(*pools: BasePool[Any], meter: Meter | None = None) -> None:
    """Let OpenTelemetry read the numbers of pools, of either colour, from now on.

    The numbers of middleware are those of the middleware that are registered by now.

    Arguments:
        pools: the pools to read.
        meter: makes the instruments; by default that of the global provider.
    """
    meter = meter or get_meter("connpool_runtime")
    reader = _Reader(pools)
    for series in (*SERIES, *middleware_series([pool.stats() for pool in pools])):
        _instrument(meter, reader, series)
    for durations in DURATIONS:
        _histogram(meter, reader, durations)


class _Reader:
    """Reads the pools once per collection, though every instrument asks."""

    def __init__(self, pools: tuple[BasePool[Any], ...]) -> None:
        self._pools = pools
        self._stats: list[PoolStats] = []
        self._asked: set[str] = set()

    def callback(self, name: str, read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return what an instrument calls when it is collected."""

        def ask(_options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, {POOL: stats.name, **attributes})
                for stats in self._read(name)
                for attributes, value in read(stats)
            ]

        return ask

    def _read(self, name: str) -> list[PoolStats]:
        # An instrument that asks again begins the next collection.
        if name in self._asked or not self._asked:
            self._asked.clear()
            self._stats = [pool.stats() for pool in self._pools]
        self._asked.add(name)
        return self._stats


def _instrument(meter: Meter, reader: _Reader, series: Series) -> None:
    name = PREFIX + series.name
    callbacks = [reader.callback(name, partial(_samples, series))]
    if series.kind == "counter":
        meter.create_observable_counter(name, callbacks, series.unit, series.text)
    elif series.unit == "1":  # the states and budgets of several pools make no sum
        meter.create_observable_gauge(name, callbacks, series.unit, series.text)
    else:
        meter.create_observable_up_down_counter(name, callbacks, series.unit, series.text)


def _samples(series: Series, stats: PoolStats) -> Iterable[tuple[dict[str, str], float]]:
    for values, number in series.samples(stats):
        yield _attributes(series.labels, values), number


def _histogram(meter: Meter, reader: _Reader, durations: Durations) -> None:
    base = PREFIX + durations.name.replace("_", ".")
    parts: tuple[tuple[str, str, Callable[[LatencyStats], float]], ...] = (
        ("count", "{call}", lambda latency: latency.count),
        ("sum", "s", lambda latency: latency.total),
    )
    for part, unit, value in parts:
        name = f"{base}.{part}"
        read = partial(_part, durations, value)
        meter.create_observable_counter(name, [reader.callback(name, read)], unit, durations.text)
    name = f"{base}.bucket"
    meter.create_observable_counter(
        name, [reader.callback(name, partial(_buckets, durations))], "{call}", durations.text
    )


def _part(
    durations: Durations, value: Callable[[LatencyStats], float], stats: PoolStats
) -> Iterable[tuple[dict[str, str], float]]:
    for values, latency in durations.samples(stats):
        yield _attributes(durations.labels, values), value(latency)


def _buckets(durations: Durations, stats: PoolStats) -> Iterable[tuple[dict[str, str], float]]:
    for values, latency in durations.samples(stats):
        for bound, count in latency.buckets:
            yield _attributes(durations.labels, values) | {"le": upper(bound)}, count


def _attributes(labels: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    return {
        ATTRIBUTES.get(label, label): value for label, value in zip(labels, values, strict=True)
    }
