"""An asynchronous call through a pool of three members: round robin, breaker, latency histogram."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from benchmarks import harness
from benchmarks.async_noop_client_pool import AsyncNoopClientPool
from benchmarks.clients import AsyncNoopClient
from benchmarks.measurement import Bar, Measurement
from connpool_runtime import BreakerState, Method, deadline
from connpool_runtime.middleware import Deadline, Hedging, Retry, Timeout, in_order

LIMIT = 3600.0  # seconds: never reached
IN_A_DEADLINE = ("deadline", "one ejected")

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
    "deadline": Bar(
        "async call with Deadline and Retry inside `with deadline(...)`, in bare awaits above `asyncio.timeout`"
    ),
    "one ejected": Bar("the same, members of one call at a time, one of three ejected"),
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


async def _with_one_ejected(*middleware: Any) -> AsyncNoopClientPool:
    """Return a wrapper of three exclusive members; the breaker of one stays open."""

    async def fail(_: AsyncNoopClient) -> None:
        raise ConnectionError

    wrapper = AsyncNoopClientPool(max_concurrency=1, max_fails=1, cooldown=LIMIT)
    for _ in range(3):
        wrapper.pool.add_client(AsyncNoopClient())
    with suppress(ConnectionError):
        await wrapper.pool.execute(fail)
    assert sum(one.state is BreakerState.OPEN for one in wrapper.pool.stats().members) == 1
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
            "deadline": runner.run(_pool(Deadline(), Retry())),
            "one ejected": runner.run(_with_one_ejected(Deadline(), Retry())),
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
                    f"pooled await, {name}": harness.of_awaits(
                        runner,
                        loop,
                        partial(deadline, LIMIT) if name in IN_A_DEADLINE else nullcontext,
                    )
                    for name, loop in loops.items()
                },
            }
        )
        for wrapper in wrappers.values():
            runner.run(wrapper.pool.close())
    figures = {name: cost[f"pooled await, {name}"] / cost["bare await"] for name in loops}
    for name in ("Timeout", *IN_A_DEADLINE):
        above = cost[f"pooled await, {name}"] - cost["bare await, in time"]
        figures[name] = max(0.0, above) / cost["bare await"]
    return Measurement(figures, cost)
