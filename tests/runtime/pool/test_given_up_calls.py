"""Calls whose coroutine or event loop is given up: the garbage collector ends them anywhere, also under the pool's lock."""

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method
from connpool_runtime.middleware import Bulkhead, Coalesce, Hedging, Retry, Timeout
from tests.runtime.faces import PATIENCE, until
from tests.waiting import eventually


class Server:
    """Answers when its future is done."""

    async def ask(self) -> str:
        await asyncio.Future[None]()
        return "well"


ASK = Method[Server, str]("ask", lambda server, args: server.ask(), idempotent=True)


def plain(pool: AsyncPool[Server]) -> None:
    pool.add_client(Server(), "a")


def limited(pool: AsyncPool[Server]) -> None:
    pool.add_client(Server(), "a", max_concurrency=2)


def on_demand(pool: AsyncPool[Server]) -> None:
    pool.add_endpoint(Server, "a", max_size=2)


def by_latency(pool: AsyncPool[Server]) -> None:
    pool.reconfigure(balancer="peak_ewma")
    plain(pool)


KINDS = [plain, limited, on_demand, by_latency]
MIDDLEWARE: list[list[Any]] = [[], [Retry()], [Retry(), Timeout(60.0)], [Hedging(60.0)]]


def within(work: Callable[[], object]) -> None:
    """Run a function in a thread of its own, which must end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it waits for itself"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("middleware", MIDDLEWARE)
def test_a_call_is_given_up_under_the_lock(
    kind: Callable[[AsyncPool[Server]], None], middleware: list[Any]
) -> None:
    """A call whose coroutine is collected while its own thread holds the pool's lock gives its member back after that."""
    pool = AsyncPool[Server]("test")
    for one in middleware:
        pool.register_middleware(one)
    kind(pool)

    async def begin() -> list[Any]:
        calls = [pool.call(ASK) for _ in range(4)]
        for call in calls:
            call.send(None)
        return calls

    def give_up() -> None:
        loop = asyncio.new_event_loop()
        calls = loop.run_until_complete(begin())
        assert pool.members[0].in_flight >= 2
        with pool._state.lock:
            for call in calls:
                call.close()
        loop.close()

    within(give_up)
    eventually(lambda: not pool.members[0].in_flight and not pool.stats().waiting)


class FailsOnce(Server):
    """The first call of all of them fails, the others get no answer."""

    calls = 0

    async def ask(self) -> str:
        FailsOnce.calls += 1
        if FailsOnce.calls == 1:
            await asyncio.sleep(0.01)
            raise ConnectionError
        return await super().ask()


@pytest.mark.parametrize("waits", [Coalesce(["ask"]), Hedging(0.0)])
async def test_a_call_that_is_given_up_leaves_all_middleware(waits: Any) -> None:
    """A call that waits for attempts in tasks of their own, and is given up, leaves the middleware around it as well."""
    FailsOnce.calls = 0
    async with AsyncPool[Server]("test", drain_timeout=PATIENCE) as pool:
        pool.register_middleware(Bulkhead(1))
        pool.register_middleware(waits)
        for name in "ab":
            pool.add_client(FailsOnce() if isinstance(waits, Hedging) else Server(), name)
        task = asyncio.create_task(pool.call(ASK))
        await until(lambda: any(member.in_flight for member in pool.members))
        if isinstance(waits, Hedging):
            await until(lambda: pool.stats().members[0].failures + pool.stats().members[1].failures)
            await asyncio.sleep(0)
        task.get_coro().close()  # type: ignore[union-attr]
        running = {one.name: one.value for one in pool.stats().middleware}["bulkhead_running"]
        assert running == 0
        task.cancel()
        await until(lambda: not any(member.in_flight for member in pool.members))


def test_hedges_of_a_closed_loop_keep_no_member() -> None:
    """The attempts of a race whose event loop was closed are collected, and give their members back."""
    pool = AsyncPool[Server]("test")
    pool.register_middleware(Hedging(0.0))
    plain(pool)
    pool.add_client(Server(), "b")

    async def begin() -> None:
        race = asyncio.ensure_future(pool.call(ASK))
        await until(lambda: sum(member.in_flight for member in pool.members) == 2)
        for task in asyncio.all_tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        del race

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()
    del loop
    gc.collect()
    assert [member.in_flight for member in pool.members] == [0, 0]


@pytest.mark.parametrize("kind", [limited, on_demand])
def test_calls_of_a_closed_loop_keep_nobody_waiting(
    kind: Callable[[AsyncPool[Server]], None],
) -> None:
    """Calls that waited in an event loop that was closed get no member; those of the next loop do."""
    pool = AsyncPool[Server]("test")
    kind(pool)

    async def begin() -> Any:
        busy = [pool.call(ASK) for _ in range(2)]
        for call in busy:
            call.send(None)
        waiting = asyncio.create_task(pool.call(ASK))
        await asyncio.sleep(0)
        assert pool.stats().waiting == 1
        return busy, waiting

    def use() -> None:
        loop = asyncio.new_event_loop()
        busy, waiting = loop.run_until_complete(begin())
        loop.close()
        waiting._log_destroy_pending = False
        del waiting
        for call in busy:
            call.close()

    within(use)
    assert pool.members[0].in_flight == 0
    assert pool.stats().waiting == 0
