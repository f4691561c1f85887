"""A synchronous call through a pool of three shared members: round robin, breaker, latency histogram."""

from functools import partial

from benchmarks import harness
from benchmarks.clients import NoopClient
from benchmarks.measurement import Bar, Measurement
from benchmarks.noop_client_pool import NoopClientPool
from benchmarks.peers import HandMadePool, ObservingClient
from connpool_runtime import Balancer

BARS = {
    "call": Bar("sync call, against a bare no-op method call", 8, 6),
    "composed": Bar(
        "the same, added cost, against pybreaker + prometheus_client + itertools.cycle by hand",
        0.14,
        0.1,
    ),
    "observe": Bar(
        "the same, added cost, against one prometheus_client Histogram.observe()", 0.6, 0.5
    ),
    "least_request": Bar(
        "sync call with least-pending balancing, against a bare no-op method call", 16, 11
    ),
    "inline": Bar("sync call written into the caller's loop, against a bare call there"),
}


def pool_of(count: int, balancer: str | Balancer = "round_robin") -> NoopClientPool:
    """Return a wrapper with this many members."""
    wrapper = NoopClientPool(balancer=balancer, max_fails=3, cooldown=5.0)
    for number in range(count):
        wrapper.pool.add_client(NoopClient(), name=f"m{number}")
    return wrapper


def measure() -> Measurement:
    """Measure the bare call, ours, and the peers, in turns."""
    bare, ours = NoopClient(), pool_of(3)
    by_hand, observing = HandMadePool([NoopClient() for _ in range(3)]), ObservingClient()
    cost = harness.nanoseconds(
        {
            "bare call": harness.of_calls(partial(bare.get, 42)),
            "pooled call": harness.of_calls(partial(ours.get, 42)),
            "pooled call, least pending": harness.of_calls(
                partial(pool_of(3, "least_request").get, 42)
            ),
            "composed by hand": harness.of_calls(partial(by_hand.get, 42)),
            "bare call that observes": harness.of_calls(partial(observing.get, 42)),
            "bare call, inline": harness.of_statements("client.get(42)", client=bare),
            "pooled call, inline": harness.of_statements("client.get(42)", client=ours),
        }
    )
    added = cost["pooled call"] - cost["bare call"]
    figures = {
        "call": cost["pooled call"] / cost["bare call"],
        "composed": added / (cost["composed by hand"] - cost["bare call"]),
        "observe": added / (cost["bare call that observes"] - cost["bare call"]),
        "least_request": cost["pooled call, least pending"] / cost["bare call"],
        "inline": cost["pooled call, inline"] / cost["bare call, inline"],
    }
    return Measurement(figures, cost)
