"""Results that live on their client's connection keep its member; fluent clients stay pooled."""

import gc
from typing import Any

from connpool_runtime import AsyncPool, Method, Pool


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
