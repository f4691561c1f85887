"""Results of asynchronous clients whose kind shows only when they are there."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method


class Result:
    """Awaitable and enterable, as some clients answer."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __await__(self) -> Any:
        self.log.append("awaited")
        return iter(())

    async def __aenter__(self) -> str:
        self.log.append("entered")
        return "value"

    async def __aexit__(self, *exc: object) -> None:
        self.log.append("left")


class Client:
    """Answers in every way."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def now(self) -> int:
        return 1

    async def later(self, error: Exception | None = None) -> int:
        if error is not None:
            raise error
        return 2

    def result(self) -> Result:
        return Result(self.log)


NOW: Method[Client, Any] = Method("now", lambda client, args: client.now())
LATER: Method[Client, Any] = Method("later", lambda client, args: client.later(*args))
RESULT: Method[Client, Any] = Method("result", lambda client, args: client.result())


@asynccontextmanager
async def pool_of(client: Client) -> AsyncIterator[AsyncPool[Client]]:
    """A pool of one client, whose calls must all have ended."""
    async with AsyncPool[Client]() as pool:
        pool.add_client(client)
        yield pool
        assert pool.stats().members[0].in_flight == 0


async def test_a_plain_answer_ends_the_call() -> None:
    """What needs no awaiting is returned at once."""
    async with pool_of(Client()) as pool:
        assert pool.call_any(NOW) == 1


async def test_an_awaitable_answer_ends_it_when_it_is_there() -> None:
    """The member is in flight until the coroutine is done."""
    async with pool_of(Client()) as pool:
        waiting = pool.call_any(LATER)
        assert pool.stats().members[0].in_flight == 1
        assert await waiting == 2


async def test_errors_count_wherever_they_are_raised() -> None:
    """A failing coroutine is a failure of the member, and the error is the client's own."""
    async with pool_of(Client()) as pool:
        with pytest.raises(OSError, match="x"):
            await pool.call_any(LATER, (OSError("x"),))
        assert pool.stats().members[0].failures == 1


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore:a lease:ResourceWarning")
async def test_an_answer_that_nobody_awaits_leaks_nothing() -> None:
    """Dropping it gives the member back."""
    async with pool_of(Client()) as pool:
        waiting = pool.call_any(LATER)
        del waiting
        gc.collect()


async def test_a_pending_result_can_be_awaited_or_entered() -> None:
    """Nothing happens before one of the two; each holds the member to its own end."""
    client = Client()
    async with pool_of(client) as pool:
        pending = pool.pending(RESULT)
        assert client.log == []
        await pending
        async with pool.pending(RESULT) as value:
            assert value == "value"
            assert pool.stats().members[0].in_flight == 1
    assert client.log == ["awaited", "entered", "left"]
