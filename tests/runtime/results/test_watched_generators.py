"""A generator of a client gives its member back at its last item, and is a generator for its reader all the same."""

import gc
import inspect
from collections.abc import AsyncGenerator, Generator, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method, Pool


class Model:
    """Gives generators of all kinds."""

    def __init__(self) -> None:
        self.log: list[object] = []

    def talk(self, last: BaseException | None = None) -> Generator[str, str, str]:
        """Answer what is sent and thrown."""
        said = "hello"
        try:
            for _ in range(2):
                try:
                    said = yield said
                except ValueError:
                    said = "caught"
            if last is not None:
                raise last
            return "bye"
        finally:
            self.log.append("closed")

    async def talk_later(self, last: BaseException | None = None) -> AsyncGenerator[str, str]:
        """Do the same, asynchronously."""
        said = "hello"
        try:
            for _ in range(2):
                try:
                    said = yield said
                except ValueError:
                    said = "caught"
            if last is not None:
                raise last
        finally:
            self.log.append("closed")

    def mapped(self) -> Iterator[str]:
        """Give a lazy iterator that is no generator."""
        return map(str, self.talk())

    async def asked(self, last: BaseException | None = None) -> AsyncGenerator[str, str]:
        """Give a stream, after waiting."""
        return self.talk_later(last)

    def rude(self) -> Iterator[int]:
        """Fail on being closed."""
        try:
            yield 1
        finally:
            raise ConnectionError


TALK: Method[Model, Any] = Method("talk", lambda client, args: client.talk(*args))
MAPPED: Method[Model, Any] = Method("mapped", lambda client, args: client.mapped())
RUDE: Method[Model, Any] = Method("rude", lambda client, args: client.rude())
ASKED: Method[Model, Any] = Method("asked", lambda client, args: client.asked(*args))


def over_model(pool: Any) -> Any:
    """A pool of one model."""
    pool.add_client(Model(), name="a")
    return pool


def tally(pool: Any) -> tuple[int, int, int]:
    """Calls in flight, successes and failures of the only member."""
    [member] = pool.stats().members
    return member.in_flight, member.successes, member.failures


@pytest.mark.parametrize("method", [TALK, MAPPED])
def test_the_last_item_gives_the_member_back(method: Method[Model, Any]) -> None:
    """A stream that was read to its end holds nothing, although its variable lives on."""
    pool = over_model(Pool[Model](max_concurrency=1))
    stream = pool.call_or_stream(method)
    assert (next(stream), tally(pool)) == ("hello", (1, 0, 0))
    assert (len(list(stream)), tally(pool)) == (1, (0, 1, 0))
    again = pool.pinned(method)
    assert (len(list(again)), tally(pool)) == (2, (0, 2, 0))


def test_it_is_a_generator_like_the_client_s() -> None:
    """Type, name, what is sent, what is thrown and the returned value are those of the client's generator."""
    pool = over_model(Pool[Model]())
    stream = pool.call_or_stream(TALK)
    assert (type(stream), stream.__name__) == (GeneratorType, "talk")
    assert inspect.getgeneratorstate(stream) == inspect.GEN_CREATED
    assert (next(stream), stream.throw(ValueError)) == ("hello", "caught")
    with pytest.raises(StopIteration) as end:
        stream.send("more")
    assert end.value.value == "bye"


def test_an_error_on_the_way_counts() -> None:
    """What ends a stream in the middle is a failure of its member, and the error is the client's own."""
    pool = over_model(Pool[Model]())
    stream = pool.call_or_stream(TALK, (ConnectionError("x"),))
    with pytest.raises(ConnectionError, match="x"):
        list(stream)
    assert tally(pool) == (0, 0, 1)


def test_a_stream_that_is_left_is_closed_first() -> None:
    """Closed or dropped, the client's generator ends, and the member comes back as a success."""
    pool = over_model(Pool[Model]())
    closed, dropped = pool.call_or_stream(TALK), pool.call_or_stream(TALK)
    next(closed), next(dropped)
    closed.close()
    assert tally(pool) == (1, 1, 0)
    del dropped
    gc.collect()
    assert tally(pool) == (0, 2, 0)
    unread = pool.call_or_stream(TALK)
    del unread
    gc.collect()
    assert tally(pool) == (0, 3, 0)


def test_an_error_of_closing_is_the_reader_s() -> None:
    """The generator may be closed by a finalizer, so nothing is judged then; the member comes back."""
    pool = over_model(Pool[Model]())
    stream = pool.call_or_stream(RUDE)
    next(stream)
    with pytest.raises(ConnectionError):
        stream.close()
    gc.collect()
    assert tally(pool) == (0, 1, 0)


async def test_the_last_item_of_an_asynchronous_generator() -> None:
    """An asynchronous generator is still one, hears its reader, and gives its member back at its end."""
    pool = over_model(AsyncPool[Model](max_concurrency=1))
    stream = await pool.call_or_stream(ASKED)
    assert (type(stream), stream.__name__) == (AsyncGeneratorType, "talk_later")
    assert [await anext(stream), await stream.athrow(ValueError())] == ["hello", "caught"]
    with pytest.raises(StopAsyncIteration):
        await stream.asend("more")
    assert tally(pool) == (0, 1, 0)
    stream = await pool.call_or_stream(ASKED)
    assert [await anext(stream), await stream.asend("tea")] == ["hello", "tea"]
    await stream.aclose()
    assert tally(pool) == (0, 2, 0)
    stream = await pool.call_or_stream(ASKED, (ConnectionError("x"),))
    with pytest.raises(ConnectionError, match="x"):
        [item async for item in stream]
    assert tally(pool) == (0, 2, 1)
    at_once = pool.pinned_sync(TALK)
    assert (len(list(at_once)), tally(pool)) == (2, (0, 3, 1))


async def test_an_asynchronous_generator_that_is_left_is_closed_first() -> None:
    """Closing the outer one closes the client's before the member is given back."""
    client = Model()
    pool = AsyncPool[Model]()
    pool.add_client(client)
    stream = await pool.call_or_stream(ASKED)
    await anext(stream)
    await stream.aclose()
    assert (client.log, tally(pool)) == (["closed"], (0, 1, 0))
