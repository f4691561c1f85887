"""The OpenTelemetry bridge."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from connpool_runtime import PoolStats
from connpool_runtime.metrics.otel import observe
from connpool_runtime.middleware import Retry
from tests.runtime.faces import Face, ThreadFace


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Collects when asked."""
    return InMemoryMetricReader()


@pytest.fixture
def meter(reader: InMemoryMetricReader) -> Any:
    """Makes instruments."""
    return MeterProvider([reader]).get_meter("test")


def collected(reader: InMemoryMetricReader) -> dict[tuple[str, str], float]:
    """Values by name and attributes, the pool's left out, as text a person would write."""
    found = {}
    data = reader.get_metrics_data()
    assert data is not None
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            attributes = dict(point.attributes or {})
            assert attributes.pop("connpool.pool.name") == "test"
            text = ",".join(f"{key}={value}" for key, value in sorted(attributes.items()))
            found[metric.name, text] = point.value  # type: ignore[union-attr]  # no histograms
    return found


async def test_a_pool_is_observed(face: Face, reader: InMemoryMetricReader, meter: Any) -> None:
    """Calls, attempts, members, latencies and middleware, under conventional names."""
    face.pool.register_middleware(Retry(base=0))
    observe(face.pool, meter=meter)
    face.fail("a")
    await face.call(face.method(idempotent=True))
    found = collected(reader)
    name = "connpool.client.calls"
    assert found[name, "connpool.method=get,connpool.outcome=success"] == 1
    name = "connpool.client.attempts"
    assert found[name, "connpool.outcome=failure,server.address=a"] == 1
    assert found["connpool.client.members", "connpool.member.state=closed"] == 3
    assert found["connpool.client.in_flight", "server.address=b"] == 0
    assert found["connpool.client.retries", ""] == 1
    assert found["connpool.client.call.duration.count", "connpool.method=get"] == 1
    assert found["connpool.client.call.duration.bucket", "connpool.method=get,le=+Inf"] == 1
    face.pool.eject("a")
    await face.call()
    found = collected(reader)
    assert found["connpool.client.breaker_state", "server.address=a"] == 2
    assert found["connpool.client.call.duration.count", "connpool.method=get"] == 2


async def test_kinds_and_units_are_conventional(
    face: Face, reader: InMemoryMetricReader, meter: Any
) -> None:
    """Counts are sums that only grow, states are not added up, seconds are `s`."""
    observe(face.pool, meter=meter)
    await face.call()
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {
        metric.name.removeprefix("connpool.client."): metric
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    assert metrics["calls"].data.is_monotonic  # type: ignore[union-attr]
    assert not metrics["in_flight"].data.is_monotonic  # type: ignore[union-attr]
    assert not hasattr(metrics["breaker_state"].data, "is_monotonic")
    assert (metrics["calls"].unit, metrics["call.duration.sum"].unit) == ("{call}", "s")


def test_a_collection_reads_each_pool_once(
    reader: InMemoryMetricReader, meter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand members are not frozen anew for every instrument."""
    face = ThreadFace("a")
    observe(face.pool, meter=meter)
    reads: list[PoolStats] = []
    stats = face.pool.stats

    def read() -> PoolStats:
        reads.append(stats())
        return reads[-1]

    monkeypatch.setattr(face.pool, "stats", read)
    collected(reader)
    collected(reader)
    assert len(reads) == 2


async def test_without_a_provider_it_does_nothing(face: Face) -> None:
    """The global default of OpenTelemetry is silent."""
    observe(face.pool)
    assert await face.call() == "a"
