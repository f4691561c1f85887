"""Results that live on their client's connection keep its member; fluent clients stay pooled."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method, Outcome, Pool


class Cursor:
    """Something that lives on a connection."""


class Client:
    """Gives cursors, numbers and itself."""

    def cursor(self) -> Cursor:
        return Cursor()

    async def later(self) -> Cursor:
        return Cursor()

    def number(self) -> int:
        return 7

    def itself(self) -> "Client":
        return self


CURSOR: Method[Client, Any] = Method("cursor", lambda client, args: client.cursor())
LATER: Method[Client, Any] = Method("later", lambda client, args: client.later())
NUMBER: Method[Client, Any] = Method("number", lambda client, args: client.number())
ITSELF: Method[Client, Any] = Method("itself", lambda client, args: client.itself())


def over_client(pool: Any) -> Any:
    """A pool of one client."""
    pool.add_client(Client(), name="a")
    return pool


def in_flight(pool: Any) -> int:
    """How many calls the only member has."""
    return int(pool.stats().members[0].in_flight)


def test_the_member_stays_taken_until_the_result_is_gone() -> None:
    """A cursor holds its member; dropping the cursor gives it back as a success."""
    pool = over_client(Pool[Client]())
    cursor = pool.pinned(CURSOR)
    assert isinstance(cursor, Cursor)
    assert in_flight(pool) == 1
    del cursor
    gc.collect()
    assert in_flight(pool) == 0
    assert pool.stats().members[0].successes == 1


def test_a_result_without_weak_references_gives_the_member_back_at_once() -> None:
    """Nothing tells when a number is gone, and nothing needs to."""
    pool = over_client(Pool[Client]())
    assert pool.pinned(NUMBER) == 7
    assert in_flight(pool) == 0


def test_a_client_that_returns_itself_stays_pooled() -> None:
    """The wrapper is returned in its place, and no member stays taken."""
    pool = over_client(Pool[Client]())
    wrapper = object()
    assert pool.pinned(ITSELF, (), wrapper) is wrapper
    assert in_flight(pool) == 0


def test_an_error_gives_the_member_back() -> None:
    """A call that failed holds nothing."""
    pool = over_client(Pool[Client]())
    failing: Method[Client, Any] = Method("f", lambda client, args: client.missing())  # type: ignore[attr-defined] # the error under test
    try:
        pool.pinned(failing)
    except AttributeError:
        assert in_flight(pool) == 0
    else:
        raise AssertionError("the error was lost")


async def test_the_same_for_tasks() -> None:
    """Awaited or not, the member stays taken until the result is gone."""
    pool = over_client(AsyncPool[Client]())
    awaited, at_once = await pool.pinned(LATER), pool.pinned_sync(CURSOR)
    assert in_flight(pool) == 2
    del awaited, at_once
    gc.collect()
    assert in_flight(pool) == 0
    assert pool.pinned_sync(ITSELF, (), pool) is pool


class Model:
    """Answers at once or in pieces, as `stream` says; an empty question has a bad answer."""

    def ask(self, text: str, stream: bool = False) -> Any:
        if text == "broken":
            raise ConnectionError
        return iter_of(text) if stream else text

    async def later(self, text: str, stream: bool = False) -> Any:
        return self.ask(text, stream)


def iter_of(text: str) -> Iterator[str]:
    """Give the letters of a text."""
    yield from text


def bad_if_empty(result: object) -> Outcome | None:
    """Judge: no text is a failure."""
    return Outcome.FAILURE if result == "" else None


ASK: Method[Model, Any] = Method("ask", lambda c, args: c.ask(*args), judge=bad_if_empty)
ASK_LATER: Method[Model, Any] = Method("ask", lambda c, args: c.later(*args), judge=bad_if_empty)


def over_model(pool: Any) -> Any:
    """A pool of one model."""
    pool.add_client(Model(), name="a")
    return pool


def test_a_stream_that_was_asked_for_keeps_its_member() -> None:
    """The member is taken until the stream is gone, whether it was read to its end or not."""
    pool = over_model(Pool[Model]())
    stream = pool.call_or_stream(ASK, ("abc", True))
    assert (next(stream), in_flight(pool)) == ("a", 1)
    del stream
    gc.collect()
    assert (in_flight(pool), pool.stats().members[0].successes) == (0, 1)


def test_a_value_ends_the_call_at_once() -> None:
    """A value that lives on holds nothing, and its judge is heard: a result that it refuses is a failure."""
    pool = over_model(Pool[Model]())
    assert (pool.call_or_stream(ASK, ("abc",)), in_flight(pool)) == ("abc", 0)
    assert pool.call_or_stream(ASK, ("",)) == ""
    [member] = pool.stats().members
    assert (member.successes, member.failures, member.in_flight) == (1, 1, 0)


def test_an_error_before_the_stream_is_the_member_s() -> None:
    """What is raised on the way is counted, and holds nothing."""
    pool = over_model(Pool[Model]())
    with pytest.raises(ConnectionError):
        pool.call_or_stream(ASK, ("broken", True))
    [member] = pool.stats().members
    assert (member.failures, member.in_flight) == (1, 0)


class Reader:
    """A cursor that is closed, and is no context manager."""

    def fetchone(self) -> int:
        return 1

    def close(self) -> None: ...


class Transaction:
    """Something that is committed."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


class Candle:
    """A value that has a price, and can be saved, but is not open."""

    close = fetch = 1.0

    def commit(self) -> None: ...


@pytest.mark.parametrize(("kind", "held"), [(Reader, 1), (Transaction, 1), (Candle, 0)])
def test_a_cursor_and_a_transaction_are_no_values(kind: type[object], held: int) -> None:
    """Where the arguments decide, what has to be ended by its user keeps its member, as a stream does."""
    pool = over_model(Pool[Model]())
    method: Method[Model, Any] = Method("open", lambda client, args: kind())
    opened = pool.call_or_stream(method)
    assert (type(opened), in_flight(pool)) == (kind, held)


async def test_the_same_in_a_pool_for_tasks() -> None:
    """A coroutine that gives a stream keeps the member, one that gives a value does not."""
    pool = over_model(AsyncPool[Model]())
    stream = await pool.call_or_stream(ASK_LATER, ("abc", True))
    assert in_flight(pool) == 1
    assert ("".join(stream), await pool.call_or_stream(ASK_LATER, ("",))) == ("abc", "")
    del stream
    gc.collect()
    [member] = pool.stats().members
    assert (member.successes, member.failures, member.in_flight) == (1, 1, 0)
