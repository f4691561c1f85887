"""Tracing: a span per call, one per attempt, and nothing of the caller's in them."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from connpool_runtime import PoolClosed
from connpool_runtime.middleware import Retry
from connpool_runtime.middleware.tracing import AttemptTracing, Tracing
from tests.runtime.faces import Face


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Keeps the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Tracer:
    """Makes them."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_call_is_a_span(face: Face, tracer: Tracer, exporter: InMemorySpanExporter) -> None:
    """With the member that served it, by name."""
    face.pool.register_middleware(Tracing(tracer))
    await face.call()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("test.get", SpanKind.INTERNAL)
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span) == {
        "connpool.pool.name": "test",
        "connpool.method": "get",
        "connpool.attempts": 1,
        "connpool.outcome": "success",
        "connpool.member.name": "a",
    }


async def test_the_address_of_the_server_is_told(
    new_face: Callable[..., Face], tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    """A member that is named by host and port has both as attributes of their own."""
    face = new_face("cache.example:6379")
    face.pool.register_middleware(Tracing(tracer))
    await face.call()
    (span,) = exporter.get_finished_spans()
    found = attributes(span)
    assert (found["server.address"], found["server.port"]) == ("cache.example", 6379)
    assert found["connpool.member.name"] == "cache.example:6379"


async def test_attempts_are_its_children(
    face: Face, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    """Each with its own member and end, so that a retry can be seen."""
    for middleware in (Tracing(tracer), Retry(base=0), AttemptTracing(tracer)):
        face.pool.register_middleware(middleware)
    face.fail("a")
    assert await face.call(face.method(idempotent=True)) == "b"
    first, second, call = exporter.get_finished_spans()
    assert [span.name for span in (first, second, call)] == [
        "test.get attempt",
        "test.get attempt",
        "test.get",
    ]
    assert call.context is not None
    for span in (first, second):
        assert span.parent is not None
        assert span.parent.span_id == call.context.span_id
        assert span.kind is SpanKind.CLIENT
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["error.type"] == "ConnectionError"
    assert [attributes(span)["connpool.member.name"] for span in (first, second, call)] == [*"abb"]
    assert attributes(call)["connpool.attempts"] == 2


async def test_no_message_of_an_error_gets_into_a_span(
    face: Face, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    """Clients put keys and addresses there; a neutral end is no error of the service."""
    face.pool.register_middleware(Tracing(tracer))
    face.fail("a", error=ConnectionError("secret"))
    face.fail("b", error=PoolClosed("secret"))
    await face.calls(2)
    failed, neutral = exporter.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert neutral.status.status_code is StatusCode.UNSET
    assert attributes(neutral)["connpool.outcome"] == "neutral"
    assert "secret" not in failed.to_json() + neutral.to_json()


async def test_a_span_is_current_for_the_client(
    face: Face, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    """What the client's own instrumentation traces hangs below."""

    async def inside(call: Any, proceed: Any) -> Any:
        with tracer.start_as_current_span("client"):
            return await proceed(call)

    face.pool.register_middleware(Tracing(tracer))
    face.register(inside)
    await face.call()
    client, call = exporter.get_finished_spans()
    assert client.parent is not None
    assert call.context is not None
    assert client.parent.span_id == call.context.span_id


async def test_without_a_provider_it_does_nothing(face: Face) -> None:
    """The global default of OpenTelemetry is silent."""
    face.pool.register_middleware(Tracing())
    assert await face.call() == "a"
