"""An asynchronous call through a pool of three shared members: round robin, breaker, latency histogram."""

import asyncio
from functools import partial

from benchmarks import harness
from benchmarks.async_noop_client_pool import AsyncNoopClientPool
from benchmarks.clients import AsyncNoopClient
from benchmarks.measurement import Bar, Measurement

BARS = {"await": Bar("async call, against awaiting a no-op coroutine method", 6, 4)}


async def _pool_of_three() -> AsyncNoopClientPool:
    wrapper = AsyncNoopClientPool(balancer="round_robin", max_fails=3, cooldown=5.0)
    for number in range(3):
        wrapper.pool.add_client(AsyncNoopClient(), name=f"m{number}")
    return wrapper


def measure() -> Measurement:
    """Measure the bare await and ours, in turns, in one event loop."""
    with asyncio.Runner() as runner:
        ours, bare = runner.run(_pool_of_three()), AsyncNoopClient()
        cost = harness.nanoseconds(
            {
                "bare await": harness.of_awaits(runner, partial(bare.get, 42)),
                "pooled await": harness.of_awaits(runner, partial(ours.get, 42)),
            }
        )
        runner.run(ours.pool.close())
    return Measurement({"await": cost["pooled await"] / cost["bare await"]}, cost)
