"""Many threads on one pool: how many calls per second in all, and whether every call is counted."""

import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from time import perf_counter

from benchmarks.calls import pool_of
from benchmarks.measurement import Bar, Measurement
from benchmarks.noop_client_pool import NoopClientPool

THREADS = 16
CALLS = 100_000  # per thread, where counts are checked
CALLS_PER_ROUND = 160_000  # in all, where time is taken
ROUNDS = 7

BARS = {
    "throughput": Bar("16 threads against 1: total calls per second", 0.9, 0.95, better="higher"),
    "counts": Bar(
        "calls counted after 16 threads x 100,000 at a tiny switch interval",
        THREADS * CALLS,
        THREADS * CALLS,
        better="exact",
        unit="",
    ),
}


def measure() -> Measurement:
    """Measure one thread and sixteen in turns, then count with threads switching as often as they can."""
    ours = pool_of(3)
    one, many = [], []
    for _ in range(ROUNDS):
        one.append(_calls_per_second(ours, threads=1))
        many.append(_calls_per_second(ours, threads=THREADS))
    throughput = statistics.median(many) / statistics.median(one)
    return Measurement({"throughput": throughput, "counts": _counted()})


def _calls_per_second(wrapper: NoopClientPool, threads: int) -> float:
    return CALLS_PER_ROUND / _seconds(wrapper, threads, CALLS_PER_ROUND // threads)


def _seconds(wrapper: NoopClientPool, threads: int, calls_each: int) -> float:
    """Let threads call together and return the seconds from the start of the first to the end of the last."""
    start = threading.Barrier(threads + 1)

    def work() -> None:
        get = wrapper.get
        start.wait()
        for _ in repeat(None, calls_each):
            get(42)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    started = perf_counter()
    for worker in workers:
        worker.join()
    return perf_counter() - started


def _counted() -> int:
    wrapper = pool_of(3)
    with _switching_often():
        _seconds(wrapper, THREADS, CALLS)
    return sum(member.successes for member in wrapper.pool.stats().members)


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
