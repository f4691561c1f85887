"""Creates OpenTelemetry spans for calls and attempts; needs opentelemetry-api (extra `otel`)."""

from __future__ import annotations

from typing import Any

from connpool_runtime._extras import extra
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.middleware.role import Role
from connpool_runtime.stats.member_address import member_attributes

with extra("otel"):
    from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_tracer

__all__ = ["AttemptTracing", "Tracing"]


class Tracing:
    """Creates one span per call, named after pool and method; register it outermost.

    Attributes: `connpool.pool.name`, `connpool.method`, `connpool.attempts`, `connpool.outcome`,
    `connpool.member.name` (of the member that served last), `server.address` and `server.port` if that
    name is a host and a port, and `error.type`. Never arguments,
    results or the messages of errors, because clients put keys and addresses into them. For streams
    and context managers the span is about their opening.

    Arguments:
        tracer: makes the spans; by default that of the global provider.
    """

    role = Role.TRACING
    kind = SpanKind.INTERNAL

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or get_tracer("connpool_runtime")

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        with self._span(call) as span:
            try:
                result = proceed(call)
            except BaseException as error:
                self._end(span, call, error)
                raise
            self._end(span, call)
            return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        with self._span(call) as span:
            try:
                result = await proceed(call)
            except BaseException as error:
                self._end(span, call, error)
                raise
            self._end(span, call)
            return result

    def _span(self, call: Call) -> Any:
        return self._tracer.start_as_current_span(
            self._name(call),
            kind=self.kind,
            attributes={"connpool.pool.name": call.pool, "connpool.method": call.method.name},
            record_exception=False,
            set_status_on_exception=False,
        )

    def _name(self, call: Call) -> str:
        return f"{call.pool}.{call.method.name}"

    def _end(self, span: Span, call: Call, error: BaseException | None = None) -> None:
        verdict = call.judge(error)
        span.set_attribute("connpool.attempts", call.attempt)
        span.set_attribute("connpool.outcome", verdict.counted_as)
        if call.member is not None:
            for key, value in member_attributes(call.member.name).items():
                span.set_attribute(key, value)
        if error is not None:
            span.set_attribute("error.type", type(error).__qualname__)
        if verdict.is_trouble:
            span.set_status(StatusCode.ERROR)


class AttemptTracing(Tracing):
    """Creates one more span per attempt, as a child of the call's; register it innermost."""

    role = Role.ATTEMPT_TRACING
    kind = SpanKind.CLIENT

    def _name(self, call: Call) -> str:
        return f"{call.pool}.{call.method.name} attempt"
