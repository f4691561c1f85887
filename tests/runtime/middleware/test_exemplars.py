"""Exemplars: which traces latencies were seen in."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from connpool_runtime import PoolClosed
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import Retry
from connpool_runtime.middleware.exemplars import Exemplars
from connpool_runtime.middleware.tracing import Tracing
from tests.runtime.faces import Client, Face

NewFace = Callable[..., Face]
WALL = 1_700_000_000.0


@pytest.fixture
def slow(new_face: NewFace) -> Face:
    """A pool whose calls take 0.3 s, with exemplars."""
    face = new_face()
    client = Client("a")
    client.next = lambda: face.clock.sleep(0.3)  # type: ignore[method-assign]
    face.pool.add_client(client, "a")
    face.pool.register_middleware(Exemplars(clock=face.clock, wall=lambda: WALL))
    return face


def ids(span: Span) -> tuple[str, str]:
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


async def test_a_recorded_span_is_the_example_of_its_bucket(slow: Face) -> None:
    """The latest call of each method and bucket is kept, with its trace and span."""
    tracer = TracerProvider().get_tracer("test")
    for _ in range(2):
        with tracer.start_as_current_span("request") as span:
            await slow.call()
    (example,) = slow.stats().exemplars
    assert (example.trace_id, example.span_id) == ids(span)
    assert (example.method, example.seconds, example.time) == ("get", pytest.approx(0.3), WALL)


async def test_openmetrics_shows_them(slow: Face) -> None:
    """The bucket of the call, and no other line, has trace and span, as a real parser reads it."""
    registry = CollectorRegistry()
    PoolCollector(slow.pool, registry=registry)
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        await slow.call()
    await slow.call()
    text = generate_latest(registry).decode()
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar is not None
    ]
    (sample,) = samples
    trace, inner = ids(span)
    assert sample.name == "connpool_call_duration_seconds_bucket"
    assert (sample.labels["le"], sample.value) == ("0.5", 2)
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"trace_id": trace, "span_id": inner}
    assert sample.exemplar.value == pytest.approx(0.3)


async def test_its_own_span_is_taken(face: Face) -> None:
    """With `Tracing` outside, an example leads to the span of the call itself."""
    tracer = TracerProvider().get_tracer("test")
    seen: list[Span] = []

    class Noted(Tracing):
        def _end(self, span: Span, *rest: Any) -> None:
            seen.append(span)

    face.pool.set_middleware({"exemplars": Exemplars(), "tracing": Noted(tracer)})
    await face.call()
    (example,) = face.stats().exemplars
    assert (example.trace_id, example.span_id) == ids(seen[0])


@pytest.mark.parametrize("provider", [None, TracerProvider(sampler=ALWAYS_OFF)])
async def test_nothing_is_kept_without_a_recorded_span(
    slow: Face, provider: TracerProvider | None
) -> None:
    """A trace that is sent nowhere is no example; and such a call stays on the fast path."""
    before = slow.pool._checkout.new_call
    records: list[object] = []
    slow.pool._checkout.new_call = lambda *given: records.append(given) or before(*given)
    if provider is None:
        await slow.call()
    else:
        with provider.get_tracer("test").start_as_current_span("request"):
            await slow.call()
    assert slow.stats().exemplars == ()
    assert records == []


async def test_failures_are_examples_and_refusals_are_not(slow: Face) -> None:
    """What is in no bucket has no example: calls that ended neutral."""
    tracer = TracerProvider().get_tracer("test")
    client = slow.member("a").source.clients[0]

    def fails(seconds: float, error: Exception) -> Any:
        slow.clock.sleep(seconds)
        raise error

    for course in ((2.5, ConnectionError("x")), (0.05, PoolClosed("x"))):
        client.next = lambda course=course: fails(*course)  # type: ignore[method-assign]
        with tracer.start_as_current_span("request"):
            await slow.calls(1)
    (example,) = slow.stats().exemplars
    assert example.seconds == pytest.approx(2.5)


async def test_all_attempts_are_in_it(slow: Face) -> None:
    """What a retry needed belongs to the latency of its call, as in the histogram."""
    slow.pool.register_middleware(Retry(base=0))
    client = slow.member("a").source.clients[0]
    errors = [ConnectionError("x"), None]

    def twice() -> None:
        slow.clock.sleep(1.0)
        if (error := errors.pop(0)) is not None:
            raise error

    client.next = twice  # type: ignore[method-assign]
    with TracerProvider().get_tracer("test").start_as_current_span("request"):
        await slow.call(slow.method(idempotent=True))
    (example,) = slow.stats().exemplars
    (method,) = slow.stats().methods
    assert example.seconds == pytest.approx(method.latency.total) == pytest.approx(2.0)


async def test_other_formats_leave_them_out(slow: Face) -> None:
    """The older text format knows no exemplars, and is as it was."""
    from prometheus_client import generate_latest as old_format

    registry = CollectorRegistry()
    PoolCollector(slow.pool, registry=registry)
    with TracerProvider().get_tracer("test").start_as_current_span("request"):
        await slow.call()
    assert not re.search("trace_id", old_format(registry).decode())
