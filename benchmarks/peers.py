"""The same features put together by hand from well-known parts, as a careful author would."""

from collections.abc import Sequence
from itertools import cycle
from time import perf_counter

import pybreaker
from prometheus_client import CollectorRegistry, Counter, Histogram

from benchmarks.clients import NoopClient


def bound_histogram() -> Histogram:
    """Return the child of a latency histogram for one method, as one binds it once and keeps it."""
    family = Histogram("latency_seconds", "latency", ["method"], registry=CollectorRegistry())
    return family.labels("get")


def bound_counter(name: str) -> Counter:
    """Return the child of a counter for one method."""
    return Counter(name, name, ["method"], registry=CollectorRegistry()).labels("get")


class HandMadePool:
    """Round robin by itertools.cycle, a pybreaker breaker per member, prometheus_client for counts and latency."""

    def __init__(self, clients: Sequence[NoopClient]) -> None:
        members = [
            (client, pybreaker.CircuitBreaker(fail_max=3, reset_timeout=5)) for client in clients
        ]
        self._members = cycle(members)
        self._latency = bound_histogram()
        self._calls = bound_counter("calls")
        self._errors = bound_counter("errors")

    def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""
        client, breaker = next(self._members)
        started = perf_counter()
        try:
            return breaker.call(client.get, user_id, fields=fields)
        except Exception:
            self._errors.inc()
            raise
        finally:
            self._calls.inc()
            self._latency.observe(perf_counter() - started)


class ObservingClient(NoopClient):
    """A client that does one thing besides: it observes one value in a histogram."""

    def __init__(self) -> None:
        self._observe = bound_histogram().observe

    def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""
        self._observe(0.001)
