"""Timeout: our own cancellation is the member's failure, the caller's is nobody's."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import pytest

from connpool_runtime import AllMembersOpen, AsyncPool, AttemptTimeout, Method, Outcome, Pool
from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.middleware import Retry, Timeout
from connpool_runtime.middleware.timeout import STALL
from tests.runtime.faces import counted, until


class Client:
    """Takes as long as it is told; may raise a timeout of its own."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.cancelled = self.started = 0

    async def get(self) -> str:
        self.started += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return "fine"

    async def items(self) -> Any:
        yield await self.get()
        await asyncio.sleep(0.03)
        yield "late"


def get(**policy: Any) -> Method[Client, Awaitable[str]]:
    return Method("get", lambda client, args: client.get(), **policy)


def pool_of(client: Client, limit: float | None) -> AsyncPool[Client]:
    pool = AsyncPool[Client]("test", max_fails=2)
    pool.add_client(client)
    pool.register_middleware(Timeout(limit))
    return pool


async def test_a_slow_attempt_is_cancelled_and_is_a_failure() -> None:
    """AttemptTimeout names pool, method and limit; the breaker learns of it (B5)."""
    pool = pool_of(client := Client(60), 0.01)
    for _ in range(2):
        with pytest.raises(AttemptTimeout, match=r"test.get took longer than 0.01 s"):
            await pool.call(get())
    assert client.cancelled == 2
    (member,) = pool.stats().members
    assert (member.failures, member.trips, member.in_flight) == (2, 1, 0)
    assert counted(pool.stats())[Outcome.FAILURE] == 2


async def test_a_cancellation_by_the_caller_is_neutral() -> None:
    """The same exception inside, but who cancelled makes the difference (B5)."""
    pool = pool_of(Client(60), 50)
    for _ in range(5):
        task = asyncio.ensure_future(pool.call(get()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (member,) = pool.stats().members
    assert (member.failures, member.neutrals, member.trips) == (0, 5, 0)


async def test_a_fast_attempt_is_left_alone() -> None:
    """Within the limit nothing changes."""
    assert await pool_of(Client(), 5).call(get()) == "fine"


async def test_a_methods_own_timeout_goes_before_the_default() -> None:
    """The policy of the method is baked into the wrapper and wins."""
    pool = pool_of(Client(60), 50)
    with pytest.raises(AttemptTimeout, match=r"0\.01 s"):
        await pool.call(get(timeout=0.01))


async def test_without_any_limit_nothing_is_bounded() -> None:
    """None is no limit."""
    assert await pool_of(Client(0.02), None).call(get()) == "fine"


async def test_the_clients_own_timeout_stays_the_clients() -> None:
    """A TimeoutError from the client is raised unchanged."""
    error = TimeoutError("socket")
    pool = pool_of(Client(error=error), 5)
    with pytest.raises(TimeoutError) as caught:
        await pool.call(get())
    assert caught.value is error
    assert pool.stats().members[0].failures == 1


async def test_a_streams_opening_is_bounded_not_the_stream() -> None:
    """A stream that outlives the limit goes on (B26)."""
    pool = pool_of(Client(), 0.01)
    async with pool.stream(Method("items", lambda client, args: client.items())) as items:
        assert [item async for item in items] == ["fine", "late"]
    assert pool.stats().methods[0].successes == 1


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf"), True, "1"])
def test_its_limit_is_validated(limit: Any) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=r"^limit must be a finite number of seconds"):
        Timeout(limit)


def test_threads_cannot_be_timed_out() -> None:
    """A `Pool` warns once of a method whose client cannot be told, instead of pretending."""
    pool = Pool[object]("test")
    pool.add_client(object())
    pool.register_middleware(Timeout(1))
    method: Method[object, int] = Method("get", lambda client, args: 1)
    with pytest.warns(RuntimeWarning, match=r"test.get may take longer than its timeout") as warned:
        assert [pool.call(method) for _ in range(3)] == [1, 1, 1]
    assert len(warned) == 1


async def around(call: Any, proceed: Any) -> Any:
    return await proceed(call)


@pytest.mark.parametrize("more", [(), (around,)])
async def test_a_stalled_event_loop_says_nothing_about_a_member(more: tuple[Any, ...]) -> None:
    """A timeout that comes far too late, as after the process stood still, ejects nobody, and is tried again."""
    limit, client = 4 * STALL, Client(60.0)
    pool = AsyncPool[Client]("test", max_fails=2)
    pool.add_client(client)
    for one in (*more, Retry(2), Timeout(limit)):
        pool.register_middleware(one)
    calls = [asyncio.create_task(pool.call(get(idempotent=True))) for _ in range(6)]
    await until(lambda: client.started == len(calls))
    client.seconds = 0.0
    asyncio.get_running_loop().call_soon(time.sleep, limit + 4 * STALL)
    assert await asyncio.gather(*calls) == ["fine"] * 6
    (member,) = pool.stats().members
    assert (member.neutrals, member.failures, member.trips) == (6, 0, 0)
    await pool.close()


@pytest.mark.parametrize("more", [(), (around,)])
async def test_a_client_whose_answer_may_come_late_is_not_lent_again(more: tuple[Any, ...]) -> None:
    """Neutral as such a timeout is, the next caller of a client of one call at a time might get the answer."""
    limit, client = 4 * STALL, Client(60.0)
    pool = AsyncPool[Client]("test", max_concurrency=1, checkout_timeout=0.0)
    pool.add_client(client)
    for one in (*more, Timeout(limit)):
        pool.register_middleware(one)
    call = asyncio.create_task(pool.call(get()))
    await until(lambda: client.started == 1)
    asyncio.get_running_loop().call_soon(time.sleep, limit + 4 * STALL)
    with pytest.raises(AttemptTimeout) as late:
        await call
    assert late.value.stalled
    (member,) = pool.members
    assert isinstance(member.unreachable, UseBrokenOff)
    with pytest.raises(AllMembersOpen):
        await pool.call(get())
    await pool.close()


@pytest.mark.parametrize("more", [(), (around,)])
async def test_a_server_that_hangs_is_found_in_a_process_that_often_stalls(
    more: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timeouts that come far too late are compared: one member meets them more often than the others and is ejected."""
    monkeypatch.setattr("connpool_runtime.middleware.timeout._has_stalled", lambda *_: True)
    pool = AsyncPool[Client]("test", cooldown=60.0)
    for name, seconds in (("a", 0.0), ("b", 60.0), ("c", 0.0)):
        pool.add_client(Client(seconds), name)
    for one in (*more, Timeout(0.001)):
        pool.register_middleware(one)
    for _ in range(200):
        with suppress(AttemptTimeout):
            await pool.call(get())
    assert {one.name: one.trips for one in pool.stats().members} == {"a": 0, "b": 1, "c": 0}
    await pool.close()
