"""Turns the counters of `otel.py` into real histograms before export; needs opentelemetry-sdk (extra `otel-sdk`).

OpenTelemetry's own histogram takes single values only, and each would cost its call microseconds.
The pools count their buckets themselves, and those counts become histograms here, on the way from the
reader to the exporter, once per collection.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from connpool_runtime._extras import extra
from connpool_runtime.metrics.otel import NAMES, POOL, PREFIX, exemplars_of
from connpool_runtime.metrics.otel_database import DATABASE_PREFIX
from connpool_runtime.stats.counters import Counters

with extra("otel-sdk"):
    from opentelemetry.sdk.metrics import Exemplar
    from opentelemetry.sdk.metrics.export import (
        AggregationTemporality,
        Histogram,
        HistogramDataPoint,
        Metric,
        MetricExporter,
        MetricExportResult,
        MetricsData,
        NumberDataPoint,
        Sum,
    )

__all__ = ["HistogramExporter", "with_histograms"]

Key: TypeAlias = frozenset[tuple[str, Any]]

CALL_DURATION = PREFIX + NAMES["call_duration"][0]

_PARTS = ("count", "sum", "bucket")


class HistogramExporter(MetricExporter):
    """Passes all metrics on to an exporter, the latencies of pools as real histograms.

        PeriodicExportingMetricReader(HistogramExporter(OTLPMetricExporter()))

    Arguments:
        exporter: sends the metrics. Its preferences, such as deltas instead of sums, are kept.
    """

    def __init__(self, exporter: MetricExporter) -> None:
        # The SDK reads these two attributes from its exporter, and has no public name for them.
        super().__init__(
            preferred_temporality=getattr(exporter, "_preferred_temporality", None),
            preferred_aggregation=getattr(exporter, "_preferred_aggregation", None),
        )
        self._exported_at = 0  # start of the counters, in nanoseconds since 1970
        self._exporter: Any = exporter  # its methods take further untyped arguments

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export the metrics of one collection.

        Arguments:
            metrics_data: what a reader collected.
            timeout_millis: how long sending may take.
            kwargs: for the exporter.
        """
        since, self._exported_at = self._exported_at, time.time_ns()
        result: MetricExportResult = self._exporter.export(
            with_histograms(metrics_data, since), timeout_millis=timeout_millis, **kwargs
        )
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Let the exporter send what it still holds; return whether it did within so many milliseconds."""
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown(timeout_millis=timeout_millis, **kwargs)


def with_histograms(data: MetricsData, since: int = 0) -> MetricsData:
    """Return the same metrics, with the latencies of pools as real histograms.

    Arguments:
        data: what a reader collected, sums or deltas. It is not changed.
        since: when the deltas before these were sent, in nanoseconds since 1970: they had the examples of
            traces that are older.
    """
    return replace(
        data,
        resource_metrics=[
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=_converted(scope.metrics, since))
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ],
    )


def _converted(metrics: Sequence[Metric], since: int) -> list[Metric]:
    by_name = {metric.name: metric for metric in metrics}
    complete = {
        base
        for base, _, part in (name.rpartition(".") for name in by_name)
        if part == "bucket"
        and base.startswith((PREFIX, DATABASE_PREFIX))
        and all(isinstance(_data(by_name.get(f"{base}.{one}")), Sum) for one in _PARTS)
    }
    spent = {f"{base}.{part}" for base in complete for part in _PARTS}
    kept = [metric for metric in metrics if metric.name not in spent]
    return kept + [_histogram(base, by_name, since) for base in sorted(complete)]


def _data(metric: Metric | None) -> object:
    return None if metric is None else metric.data


def _histogram(base: str, by_name: Mapping[str, Metric], since: int) -> Metric:
    metric = by_name[f"{base}.bucket"]
    buckets = cast("Sum", metric.data)
    sums = cast("Sum", by_name[f"{base}.sum"].data)
    totals = {_key(point): point.value for point in sums.data_points}
    if buckets.aggregation_temporality is not AggregationTemporality.DELTA:
        since = 0
    points: defaultdict[Key, list[NumberDataPoint]] = defaultdict(list)
    for point in buckets.data_points:
        points[_key(point)].append(point)
    return Metric(
        name=base,
        description=metric.description,
        unit="s",
        data=Histogram(
            data_points=[
                _point(few, totals.get(key, 0.0), _examples(base, few[0], since))
                for key, few in points.items()
            ],
            aggregation_temporality=buckets.aggregation_temporality,
        ),
    )


def _key(point: NumberDataPoint) -> Key:
    """Return the key that the points of one histogram share."""
    return frozenset((name, value) for name, value in _items(point) if name != "le")


def _items(point: NumberDataPoint) -> Iterable[tuple[str, Any]]:
    return (point.attributes or {}).items()


def _examples(base: str, point: NumberDataPoint, since: int) -> list[Exemplar]:
    """Return the exemplars of a method that the middleware `Exemplars` has kept since a time."""
    if base != CALL_DURATION:
        return []
    attributes = dict(_items(point))
    method = attributes.get("connpool.method")
    found = [
        Exemplar({}, one.seconds, int(one.time * 1e9), int(one.span_id, 16), int(one.trace_id, 16))
        for one in exemplars_of(str(attributes[POOL]))
        if method in (one.method, Counters.ALL)
    ]
    return [one for one in found if one.time_unix_nano >= since]


def _point(
    buckets: list[NumberDataPoint], total: float, examples: list[Exemplar]
) -> HistogramDataPoint:
    """Return one histogram; in ours each bucket includes the buckets below it."""
    upto = sorted((float(str(dict(_items(point))["le"])), point.value) for point in buckets)
    counts = [int(count) for _, count in upto]
    unknown = cast("float", None)  # minimum and maximum are optional, and are not known
    return HistogramDataPoint(
        attributes={name: value for name, value in _items(buckets[0]) if name != "le"},
        start_time_unix_nano=buckets[0].start_time_unix_nano,
        time_unix_nano=buckets[0].time_unix_nano,
        count=counts[-1],
        sum=total,
        bucket_counts=[count - below for below, count in zip([0, *counts], counts, strict=False)],
        explicit_bounds=[bound for bound, _ in upto[:-1]],
        min=unknown,
        max=unknown,
        exemplars=examples,
    )
