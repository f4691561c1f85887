"""A middleware that cancels an attempt cuts a conversation off, as a caller does who is cancelled."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    AsyncPool,
    AttemptTimeout,
    DeadlineExceeded,
    Method,
    deadline,
)
from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.middleware import Deadline, Retry, Timeout

SHORT = 0.01
TIMES_UP = (AttemptTimeout, DeadlineExceeded)


class Line:
    """An exclusive connection: answers come in the order of the questions."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.number = next(self.numbers)
        self.checked = 0

    async def ask(self, text: str) -> str:
        self.answers.append(text)
        if text == "slow":
            await asyncio.sleep(60)
        return self.answers.pop(0)

    async def validate(self) -> bool:
        self.checked += 1
        return not self.answers


ASK: Method[Any, Any] = Method("ask", lambda client, args: client.ask(*args))


async def around(call: Any, proceed: Any) -> Any:
    return await proceed(call)


@contextmanager
def callers_deadline(middleware: object) -> Iterator[None]:
    """A short one, for a middleware that has no limit of its own."""
    if isinstance(middleware, Deadline) and middleware._limit is None:
        with deadline(SHORT):
            yield
    else:
        yield


@pytest.fixture(
    params=[Timeout(SHORT), Deadline(SHORT), Deadline()], ids=["timeout", "limit", "caller"]
)
def middleware(request: pytest.FixtureRequest) -> Any:
    return request.param


async def cut_off(pool: AsyncPool[Line], middleware: object) -> None:
    with callers_deadline(middleware), pytest.raises(TIMES_UP):
        await pool.call(ASK, ("slow",))


@pytest.mark.parametrize("more", [(), (Retry(),), (around,)], ids=["alone", "retry", "around"])
async def test_an_exclusive_client_is_not_lent_on(middleware: Any, more: tuple[Any, ...]) -> None:
    """The next caller of a client that the middleware cut off does not get the answer to the last question."""
    pool = AsyncPool[Line]("test", max_concurrency=1, max_fails=0)
    pool.add_client(Line(), "a")
    for one in (*more, middleware):
        pool.register_middleware(one)
    assert await pool.call(ASK, ("fast",)) == "fast"
    await cut_off(pool, middleware)
    (member,) = pool.members
    assert isinstance(member.unreachable, UseBrokenOff)
    with pytest.raises(AllMembersOpen):
        await pool.call(ASK, ("fast",))
    assert pool.stats().in_flight == 0
    await pool.close()


@pytest.mark.parametrize("more", [(), (Retry(),), (around,)], ids=["alone", "retry", "around"])
async def test_a_client_of_an_endpoint_is_validated(middleware: Any, more: tuple[Any, ...]) -> None:
    """One that is in the middle of a conversation makes room for another one."""
    pool = AsyncPool[Line]("test", max_fails=0)
    lines: list[Line] = []

    async def connect() -> Line:
        lines.append(Line())
        return lines[-1]

    pool.add_endpoint(connect, "a", max_size=1, validate=Line.validate)
    for one in (*more, middleware):
        pool.register_middleware(one)
    assert await pool.call(ASK, ("fast",)) == "fast"
    await cut_off(pool, middleware)
    assert await pool.call(ASK, ("fast",)) == "fast"
    assert (len(lines), lines[0].checked) == (2, 1)
    await pool.close()


@pytest.mark.parametrize("size", [None, 2])
async def test_a_client_that_calls_share_goes_on(middleware: Any, size: int | None) -> None:
    """It keeps its conversations apart, or it could not be shared."""
    pool = AsyncPool[Line]("test", max_concurrency=size, max_fails=0)
    pool.add_client(line := Line(), "a")
    pool.register_middleware(middleware)
    await cut_off(pool, middleware)
    line.answers.clear()
    assert await pool.call(ASK, ("fast",)) == "fast"
    await pool.close()


@pytest.mark.parametrize("more", [(), (around,)], ids=["alone", "around"])
@pytest.mark.parametrize("limits", [(None, 1), (1, 1), (1, None)])
async def test_a_pool_inside_a_client_cuts_off_only_its_own(
    middleware: Any, limits: tuple[int | None, int | None], more: tuple[Any, ...]
) -> None:
    """To the pool outside it the same error is one that its client raised after the end of the conversation."""
    inner = AsyncPool[Line]("inner", max_concurrency=limits[0], max_fails=0)
    inner.add_client(Line(), "a")
    for one in (*more, middleware):
        inner.register_middleware(one)

    class Client:
        async def ask(self, text: str) -> Any:
            return await inner.call(ASK, (text,))

    outer = AsyncPool[Client]("outer", max_concurrency=limits[1], max_fails=0)
    outer.add_client(Client(), "a")
    outer.register_middleware(Retry())
    with callers_deadline(middleware), pytest.raises(TIMES_UP):
        await outer.call(ASK, ("slow",))
    (member,) = outer.members
    assert member.unreachable is None
    assert outer.stats().in_flight == 0
    await outer.close()
    await inner.close()
