"""How a cost is measured: candidates take turns, and the median of many short rounds counts.

A candidate is a callable without arguments, mostly `functools.partial(client.get, 42)`, so that all pay the same for
the call site. As they take turns, a slow moment of the machine falls on all of them. What is taken is the time of the
processor, so that other programs on a shared machine do not count.
"""

import asyncio
import statistics
import timeit
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat
from time import process_time

ROUNDS = 25
ROUND_SECONDS = (
    0.01  # per candidate: long against the clock's resolution, short against a disturbance
)

# Runs a candidate so many times and returns the seconds of processor time that took.
TimedLoop = Callable[[int], float]


def of_calls(call: Callable[[], object]) -> TimedLoop:
    """A loop that calls; with the garbage collector off, as timeit has it."""
    return timeit.Timer(call, timer=process_time).timeit


def of_statements(statement: str, **names: object) -> TimedLoop:
    """A loop around a statement written into the loop itself, as a caller's own code would be."""
    return timeit.Timer(statement, timer=process_time, globals=names).timeit


def of_awaits(
    runner: asyncio.Runner,
    call: Callable[[], Awaitable[object]],
    inside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> TimedLoop:
    """A loop that calls and awaits, timed inside one running event loop, and inside a block if one is given."""

    async def loop(count: int) -> float:
        with inside():
            started = process_time()
            for _ in repeat(None, count):
                await call()
            return process_time() - started

    return lambda count: runner.run(loop(count))


def nanoseconds(loops: Mapping[str, TimedLoop], rounds: int = ROUNDS) -> dict[str, float]:
    """Return what one pass of each loop costs, in nanoseconds: the median over rounds in which they take turns."""
    counts = {name: _passes_per_round(loop) for name, loop in loops.items()}
    samples: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            samples[name].append(loop(counts[name]) / counts[name] * 1e9)
    return {name: statistics.median(values) for name, values in samples.items()}


def _passes_per_round(loop: TimedLoop) -> int:
    """Find how many passes fill a round; the search also warms the interpreter's caches."""
    count = 64
    while (elapsed := loop(count)) < ROUND_SECONDS:
        count *= 2
    return max(1, round(count * ROUND_SECONDS / elapsed))
