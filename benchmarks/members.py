"""A call through a pool of many members, against a pool of three."""

from functools import partial

from benchmarks import harness
from benchmarks.calls import pool_of
from benchmarks.measurement import Bar, Measurement

BARS = {"members": Bar("cost per call with 1,000 members against 3, round robin", 1.25, 1.1)}


def measure() -> Measurement:
    """Measure a small and a large pool, in turns."""
    few, many = pool_of(3), pool_of(1000)
    cost = harness.nanoseconds(
        {
            "3 members": harness.of_calls(partial(few.get, 42)),
            "1,000 members": harness.of_calls(partial(many.get, 42)),
        }
    )
    return Measurement({"members": cost["1,000 members"] / cost["3 members"]}, cost)
