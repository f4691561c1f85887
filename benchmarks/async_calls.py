"""An asynchronous call through a pool of three members: round robin, breaker, latency histogram."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks import harness
from benchmarks.async_noop_client_pool import AsyncNoopClientPool
from benchmarks.clients import AsyncNoopClient
from benchmarks.measurement import Bar, Measurement
from connpool_runtime import Method
from connpool_runtime.middleware import Hedging, Retry, Timeout, in_order

LIMIT = 3600.0  # seconds: never reached

IDEMPOTENT: Method[AsyncNoopClient, Awaitable[None]] = Method(
    "get", lambda client, args: client.get(args[0]), idempotent=True
)

BARS = {
    "await": Bar("async call, against awaiting a no-op coroutine method", 6, 4),
    "Retry": Bar("async call with Retry, against a bare await", 8, 6),
    "bundle": Bar("async call with the recommended bundle: Retry, Deadline, logs"),
    "Timeout": Bar(
        "async call with Timeout and Retry, in bare awaits above `asyncio.timeout`", 12, 8
    ),
    "Hedging": Bar("async call with Hedging, no second attempt made"),
    "exclusive": Bar("async exclusive call, against a bare await", 16, 12),
}


async def _pool(*middleware: Any, limit: int | None = None) -> AsyncNoopClientPool:
    wrapper = AsyncNoopClientPool(
        balancer="round_robin", max_fails=3, cooldown=5.0, max_concurrency=limit
    )
    for number in range(3):
        wrapper.pool.add_client(AsyncNoopClient(), name=f"m{number}")
    for one in middleware:
        wrapper.pool.register_middleware(one)
    return wrapper


def _in_time(get: Callable[[int], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def within() -> None:
        async with asyncio.timeout(LIMIT):
            await get(42)

    return within


def measure() -> Measurement:
    """Measure the bare await and ours, in turns, in one event loop."""
    with asyncio.Runner() as runner:
        wrappers = {
            "await": runner.run(_pool()),
            "Retry": runner.run(_pool(Retry())),
            "bundle": runner.run(_pool(*in_order())),
            "Timeout": runner.run(_pool(Retry(), Timeout(LIMIT))),
            "Hedging": runner.run(_pool(Hedging(delay=LIMIT))),
            "exclusive": runner.run(_pool(limit=1)),
        }
        bare = AsyncNoopClient()
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            name: partial(one.get, 42) for name, one in wrappers.items()
        }
        # Only what may be made twice is hedged.
        loops["Hedging"] = partial(wrappers["Hedging"].pool.call, IDEMPOTENT, (42,))
        cost = harness.nanoseconds(
            {
                "bare await": harness.of_awaits(runner, partial(bare.get, 42)),
                "bare await, in time": harness.of_awaits(runner, _in_time(bare.get)),
                **{
                    f"pooled await, {name}": harness.of_awaits(runner, loop)
                    for name, loop in loops.items()
                },
            }
        )
        for wrapper in wrappers.values():
            runner.run(wrapper.pool.close())
    figures = {name: cost[f"pooled await, {name}"] / cost["bare await"] for name in loops}
    above = cost["pooled await, Timeout"] - cost["bare await, in time"]
    figures["Timeout"] = max(0.0, above) / cost["bare await"]
    return Measurement(figures, cost)
