"""Records trace exemplars of a pool's latencies; needs opentelemetry-api (extra `otel`)."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._extras import extra
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.middleware.role import Role
from connpool_runtime.stats.histogram import BOUNDS
from connpool_runtime.stats.types import ExemplarStats

with extra("otel"):
    from opentelemetry.trace import SpanContext, get_current_span

__all__ = ["Exemplars"]


class Exemplars:
    """Keeps an exemplar for each bucket of latency: the trace and span of a call that took so long.

    Prometheus, by the OpenMetrics format, and OpenTelemetry show them beside the buckets of
    `call_duration`, so that a click on a slow bucket leads to the trace of a slow call. One example is
    kept for each method and bucket, the latest.

    The span is the one that is current when the call begins: that of `Tracing`, if it is registered, or
    the application's own. Only spans that are recorded count. Calls without such a span stay on the fast
    path; finding that out costs them about two microseconds, and nothing where this is not registered.

    Arguments:
        clock: seconds that never go back; by it the calls are measured.
        wall: seconds since 1970; when the example was seen.
    """

    role = Role.EXEMPLARS
    phases = (Phase.ADMIT,)

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._latest: dict[tuple[str, int], ExemplarStats] = {}
        self._lock = new_lock()

    def admit(self, _pool: str, _method: AnyMethod, _args: tuple[Any, ...]) -> bool:
        """Return whether there is a span that is recorded."""
        return _is_recorded(get_current_span().get_span_context())

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        span, started = get_current_span().get_span_context(), self._clock()
        try:
            result = proceed(call)
        except BaseException as error:
            self._note(call, span, started, error)
            raise
        self._note(call, span, started)
        return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        span, started = get_current_span().get_span_context(), self._clock()
        try:
            result = await proceed(call)
        except BaseException as error:
            self._note(call, span, started, error)
            raise
        self._note(call, span, started)
        return result

    def exemplars(self) -> list[ExemplarStats]:
        """Return the exemplars, for the stats of the pool."""
        with self._lock:
            return list(self._latest.values())

    def _note(
        self, call: Call, span: SpanContext, started: float, error: BaseException | None = None
    ) -> None:
        if not _is_recorded(span) or call.judge(error).counted_as == "neutral":
            return  # a neutral end is counted in no bucket
        seconds, method = self._clock() - started, call.method.name
        example = ExemplarStats(
            method=method,
            seconds=seconds,
            trace_id=f"{span.trace_id:032x}",
            span_id=f"{span.span_id:016x}",
            time=self._wall(),
        )
        with self._lock:
            self._latest[method, bisect_left(BOUNDS, seconds)] = example


def _is_recorded(span: SpanContext) -> bool:
    return span.is_valid and span.trace_flags.sampled
