"""A call through a pool of many members, against a pool of three."""

from functools import partial

from benchmarks import harness
from benchmarks.calls import pool_of
from benchmarks.measurement import Bar, Measurement

# Those that are as quick among many; docs/runtime.md says which are not.
BALANCERS = ("round_robin", "random", "least_request", "peak_ewma")
BARS = {
    name: Bar(f"cost per call with 1,000 members against 3, {name}", 1.25, 1.1)
    for name in BALANCERS
}


def measure() -> Measurement:
    """Measure small and large pools, in turns."""
    cost = harness.nanoseconds(
        {
            f"{count:,} members, {name}": harness.of_calls(partial(pool_of(count, name).get, 42))
            for name in BALANCERS
            for count in (3, 1000)
        }
    )
    figures = {
        name: cost[f"1,000 members, {name}"] / cost[f"3 members, {name}"] for name in BALANCERS
    }
    return Measurement(figures, cost)
