"""Real histograms for OpenTelemetry."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider

from connpool_runtime import Method, Pool
from connpool_runtime.metrics.otel import observe
from connpool_runtime.metrics.otel_histograms import HistogramExporter, with_histograms
from connpool_runtime.middleware.exemplars import Exemplars
from connpool_runtime.testing import FakeClock

DELTA = AggregationTemporality.DELTA
CUMULATIVE = AggregationTemporality.CUMULATIVE


class Sent(MetricExporter):
    """Keeps what it is given."""

    def __init__(self, temporality: AggregationTemporality) -> None:
        super().__init__(preferred_temporality={ObservableCounter: temporality})
        self.data: list[MetricsData] = []
        self.told: list[str] = []

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        self.data.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        self.told.append(f"flush {timeout_millis}")
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self.told.append("shutdown")


class Service:
    """A pool whose calls take as long as is said, observed by a provider that sends when told."""

    def __init__(self, temporality: AggregationTemporality) -> None:
        self.temporality = temporality
        self.sent = Sent(temporality)
        self.provider = MeterProvider(
            [PeriodicExportingMetricReader(HistogramExporter(self.sent), float("inf"))]
        )
        self.clock = FakeClock()
        self.pool = Pool[object]("test", clock=self.clock, buckets=(0.1, 1.0))
        self.pool.add_client(object(), name="a")
        observe(self.pool, meter=self.provider.get_meter("test"))

    def call(self, method: str, *durations: float) -> None:
        for seconds in durations:
            self.pool.call(Method(method, lambda client, args, by=seconds: self.clock.sleep(by)))

    def histogram(self) -> tuple[Histogram, set[str]]:
        """The latencies that are sent now, and the names of all that is."""
        assert self.provider.force_flush()
        metrics = self.sent.data[-1].resource_metrics[0].scope_metrics[0].metrics
        (found,) = [metric for metric in metrics if metric.name == "connpool.client.call.duration"]
        assert isinstance(found.data, Histogram)
        assert found.unit == "s"
        return found.data, {metric.name.removeprefix("connpool.client.") for metric in metrics}


@pytest.fixture(params=[CUMULATIVE, DELTA], ids=lambda temporality: str(temporality.name))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    service = Service(request.param)
    yield service
    service.provider.shutdown()
    assert service.sent.told[-1] == "shutdown"


def test_latencies_are_histograms(service: Service) -> None:
    """Counts, sums and bounds are exact, per method, and the counters they are made of do not go out."""
    service.call("get", 0.05, 0.5, 0.5, 4.0)
    service.call("put", 1.0)
    histogram, names = service.histogram()
    get, put = sorted(histogram.data_points, key=lambda point: -point.count)
    assert dict(get.attributes or {}) == {
        "connpool.pool.name": "test",
        "connpool.method": "get",
    }
    assert (get.count, get.sum) == (4, pytest.approx(5.05))
    assert (get.bucket_counts, get.explicit_bounds) == ([1, 2, 1], [0.1, 1.0])
    assert put.bucket_counts == [0, 1, 0]
    assert not {name for name in names if name.startswith("call.duration.")}
    assert {"calls", "checkout.wait_time"} <= names


def test_a_later_collection_keeps_the_temporality(service: Service) -> None:
    """Sums grow on, deltas begin anew, as the exporter prefers."""
    service.call("get", 0.5, 0.5)
    service.histogram()
    service.call("get", 4.0)
    histogram, _ = service.histogram()
    (point,) = histogram.data_points
    assert histogram.aggregation_temporality is service.temporality
    if service.temporality is DELTA:
        assert (point.count, point.sum, point.bucket_counts) == (1, 4.0, [0, 0, 1])
    else:
        assert (point.count, point.sum, point.bucket_counts) == (3, 5.0, [0, 2, 1])
    assert point.start_time_unix_nano < point.time_unix_nano


def test_what_nobody_counted_is_left_out(service: Service) -> None:
    """The smallest and the largest latency are not known; they are sent as missing, not as a number."""
    service.call("get", 0.5)
    histogram, _ = service.histogram()
    (point,) = histogram.data_points
    assert point.min is None
    assert point.max is None


def test_all_else_goes_out_as_it_is() -> None:
    """Other people's metrics, also those with such a suffix, and incomplete ones are not touched."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("theirs")
    for part in ("count", "sum", "bucket"):
        meter.create_counter(f"things.{part}").add(1)
    meter.create_counter("connpool.client.half.bucket").add(1)
    meter.create_histogram("times", "s").record(0.5)
    data = reader.get_metrics_data()
    assert data is not None
    assert with_histograms(data) == data


def test_the_exporter_is_told_to_flush(service: Service) -> None:
    """A flush reaches the exporter, with its time."""
    assert HistogramExporter(service.sent).force_flush(5)
    assert service.sent.told == ["flush 5"]


def test_times_of_databases_are_histograms(service: Service) -> None:
    """`db.client.connection.use_time` and the like are real ones as well."""
    pool = Pool[object]("db", max_concurrency=1, clock=service.clock, buckets=(0.1, 1.0))
    pool.add_client(object(), name="a")
    observe(pool, meter=service.provider.get_meter("test"), database=True)
    pool.call(Method("get", lambda client, args: service.clock.sleep(0.5)))
    service.call("get", 0.5)
    service.histogram()
    metrics = service.sent.data[-1].resource_metrics[0].scope_metrics[0].metrics
    (found,) = [one for one in metrics if one.name == "db.client.connection.use_time"]
    assert isinstance(found.data, Histogram)
    (point,) = found.data.data_points
    assert (point.count, point.sum, point.bucket_counts) == (1, 0.5, [0, 1, 0])
    pool.close()


def test_histograms_have_examples_of_traces(service: Service) -> None:
    """A call in a span that is recorded is an exemplar of its method's histogram: its seconds, trace and span."""
    clock = service.clock
    service.pool.register_middleware(Exemplars(clock=clock))
    tracer = TracerProvider().get_tracer("test")
    service.call("get", 4.0)
    with tracer.start_as_current_span("request") as span:
        service.call("get", 0.05, 0.5)
        service.call("put", 0.05)
    histogram, _ = service.histogram()
    (get,) = [one for one in histogram.data_points if one.count == 3]
    context = span.get_span_context()
    examples = [(one.value, one.trace_id, one.span_id) for one in get.exemplars]
    assert sorted(examples) == [
        (pytest.approx(seconds), context.trace_id, context.span_id) for seconds in (0.05, 0.5)
    ]
    # Of a later interval only what is new is told.
    service.call("get", 4.0)
    histogram, _ = service.histogram()
    told = sum(len(point.exemplars) for point in histogram.data_points)
    assert told == (0 if service.temporality is DELTA else 3)
