"""Results of asynchronous clients whose kind shows only when they are there."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method


class Result:
    """Awaitable, enterable and iterable, as some clients answer."""

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

    async def __aiter__(self) -> AsyncIterator[int]:
        self.log.append("iterated")
        for item in (1, 2):
            yield item


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


class Opened:
    """Something that lives on a connection."""


async def opened(_client: Client, _args: object) -> Opened:
    """Open it."""
    return Opened()


OPENED: Method[Client, Any] = Method("opened", opened)


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
        with pytest.raises(ConnectionResetError, match="x"):
            await pool.call_any(LATER, (ConnectionResetError("x"),))
        assert pool.stats().members[0].failures == 1


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore:a lease:ResourceWarning")
async def test_an_answer_that_nobody_awaits_leaks_nothing() -> None:
    """Dropping it gives the member back."""
    async with pool_of(Client()) as pool:
        waiting = pool.call_any(LATER)
        del waiting
        gc.collect()


async def test_a_pending_result_can_be_awaited_entered_or_iterated() -> None:
    """Nothing happens before one of the three; each holds the member to its own end."""
    client = Client()
    async with pool_of(client) as pool:
        pending = pool.pending(RESULT)
        assert client.log == []
        await use(pool, lambda: pending, lambda: pool.pending(RESULT), lambda: pool.pending(RESULT))
    assert client.log == ["awaited", "entered", "left", "iterated"]


async def test_what_is_awaited_of_a_pending_result_may_live_on_a_connection() -> None:
    """Then it keeps its member until it is gone; entered or iterated, it does so to its own end."""
    client = Client()
    async with pool_of(client) as pool:

        def pending() -> Any:
            return pool.pending_pinned(OPENED)

        opened = await pending()
        assert pool.stats().members[0].in_flight == 1
        del opened
        gc.collect()
        assert pool.stats().members[0].in_flight == 0

        def answer() -> Any:
            return pool.pending_pinned(RESULT)

        await use(pool, answer, answer, answer)
    assert client.log == ["awaited", "entered", "left", "iterated"]


@pytest.mark.filterwarnings("ignore:a lease:ResourceWarning")
async def test_an_answer_of_many_uses_holds_the_member_to_the_end_of_its_use() -> None:
    """So it is also where only the answer shows that it can be awaited, entered or iterated."""
    client = Client()
    async with pool_of(client) as pool:

        def answer() -> Any:
            return pool.call_any(RESULT)

        await use(pool, answer, answer, answer)
        assert answer().log is client.log
        gc.collect()
        assert pool.stats().members[0].successes == 3
    assert client.log == ["awaited", "entered", "left", "iterated"]


async def use(
    pool: AsyncPool[Client],
    awaited: Callable[[], Any],
    entered: Callable[[], Any],
    iterated: Callable[[], Any],
) -> None:
    """Use a result in each of the three ways; the member is taken meanwhile."""
    await awaited()
    async with entered() as value:
        assert value == "value"
        assert pool.stats().members[0].in_flight == 1
    found: list[int] = []
    async for item in iterated():
        found.append(item)
        assert pool.stats().members[0].in_flight == 1
    assert found == [1, 2]


@pytest.mark.parametrize("way", ["pending", "call_any"])
async def test_an_early_end_of_the_items_frees_the_member(way: str) -> None:
    """After an item the call was a success; an error in between is a failure."""
    async with pool_of(Client()) as pool:
        items = aiter(getattr(pool, way)(RESULT))
        assert await anext(items) == 1
        await items.aclose()
        assert pool.stats().members[0].successes == 1


async def test_errors_and_cancellation_end_the_use_of_an_answer() -> None:
    """What leaves the block counts: an error is a failure, a cancellation is neutral."""
    async with pool_of(Client()) as pool:
        for error in (ConnectionResetError("x"), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                async with pool.call_any(RESULT):
                    raise error
        (member,) = pool.stats().members
        assert (member.failures, member.neutrals) == (1, 1)
