"""Closing the clients of members that leave: in time, beside each other, and whatever becomes of the caller."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import AsyncPool, ClientPanic, DrainTimeout, Pool
from connpool_runtime.pool.async_closings import AT_ONCE, AsyncClosings
from tests.runtime.faces import Client, Face, until
from tests.runtime.forking import in_child
from tests.waiting import eventually

NewFace = Callable[..., Face]


@pytest.fixture
def end() -> Any:
    """An event for which hanging closings wait; set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def hanging(face: Face, end: threading.Event) -> Callable[[], object]:
    """Return a closing that does not end before the test does."""
    if face.kind == "threads":
        return lambda: end.wait(60.0)

    return lambda: asyncio.sleep(3600)  # cancelled with its event loop


async def test_a_closing_that_hangs_keeps_no_other_from_its_end(
    new_face: NewFace, end: threading.Event
) -> None:
    """`close` is back in time and names it; all other clients are closed."""
    face = new_face()
    face.pool.add_client(object(), "hangs", close=hanging(face, end))
    for name in "abc":
        face.pool.add_client(Client(name), name, close=closer(face, client := Client(name)))
        face.clients[name] = client
    began = time.monotonic()
    with pytest.raises(ExceptionGroup) as caught:
        await face.close(drain_timeout=0.0)
    assert time.monotonic() - began < 30.0
    assert [type(error) for error in caught.value.exceptions] == [DrainTimeout]
    assert "closing member 'hangs' of pool 'test' takes longer" in str(caught.value.exceptions[0])
    assert [face.clients[name].closed for name in "abc"] == [1, 1, 1]


def closer(face: Face, client: Client) -> Callable[[], object]:
    return client.close if face.kind == "threads" else client.aclose


async def test_closings_run_beside_each_other(new_face: NewFace) -> None:
    """Each of some closings waits until all of them have begun: one after the other they would never end."""
    face = new_face()
    count = AT_ONCE
    begun: list[int] = []

    def close_in_thread() -> None:
        begun.append(1)
        assert eventually(lambda: len(begun) == count)

    async def close_in_task() -> None:
        begun.append(1)
        await until(lambda: len(begun) == count)

    close = close_in_thread if face.kind == "threads" else close_in_task
    for number in range(count):
        face.pool.add_client(object(), str(number), close=close)
    await face.close()
    assert len(begun) == count


async def test_closings_that_hang_take_no_more_helpers_than_there_may_be(
    new_face: NewFace, end: threading.Event
) -> None:
    """Of a hundred, so many run at a time; the others wait for their turn, and begin when one ends."""
    face = new_face()
    running: list[int] = []
    end_of_tasks = asyncio.Event()

    def close_in_thread() -> None:
        running.append(1)
        end.wait(60.0)

    async def close_in_task() -> None:
        running.append(1)
        await end_of_tasks.wait()

    close = close_in_thread if face.kind == "threads" else close_in_task
    for number in range(AT_ONCE + 20):
        face.pool.add_client(object(), str(number), close=close)
    with pytest.raises(ExceptionGroup):
        await face.close(drain_timeout=0.0)
    assert len(running) == AT_ONCE
    end.set()
    end_of_tasks.set()
    await until(lambda: len(running) == AT_ONCE + 20)


async def test_removing_ends_in_time(new_face: NewFace, end: threading.Event) -> None:
    """A client that cannot be closed leaves the pool, and its name may be used again."""
    face = new_face()
    face.pool.add_client(object(), "a", close=hanging(face, end))
    with pytest.raises(DrainTimeout, match="it goes on"):
        await face.remove("a", drain_timeout=0.0)
    face.pool.add_client(Client("a"), "a")


async def test_a_call_does_not_wait_for_the_closing_that_it_leaves_behind(
    new_face: NewFace, end: threading.Event
) -> None:
    """The last call on a member that could not be drained ends, however long the closing takes."""
    face = new_face()
    face.clients["a"] = Client("a")
    face.pool.add_client(face.clients["a"], "a", close=hanging(face, end))
    face.clients["a"].hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    with pytest.raises(DrainTimeout):
        await face.remove("a", drain_timeout=0.0)
    face.clients["a"].release()
    assert await asyncio.wait_for(running, 5.0) == "a"
    end.set()


@pytest.mark.parametrize("by_factory", [False, True], ids=["clients", "endpoint"])
async def test_closing_goes_on_after_a_cancellation(by_factory: bool) -> None:
    """What was being closed is closed, and closing again waits for it."""
    closed: list[object] = []

    async def close(client: object) -> None:
        await asyncio.sleep(0.05)
        closed.append(client)

    pool = AsyncPool[Any](close=close)
    if by_factory:
        pool.add_endpoint(object, "a", initial_size=3)
        await pool.warm_up()
    else:
        for _ in range(3):
            pool.add_client(object())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.close(), 0.01)
    await pool.close()
    assert len(closed) == 3
    assert pool.members == ()


async def test_removing_goes_on_after_a_cancellation() -> None:
    """The last call closes the client of a member whose removal was broken off while it was drained."""
    closed: list[str] = []
    pool = AsyncPool[Any]()
    pool.add_client(object(), "a", close=lambda: closed.append("a"))
    async with pool.lease():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.remove_client("a"), 0.01)
        assert closed == []
    await until(lambda: closed == ["a"])
    assert pool.members == ()


async def test_a_cancelled_close_leaves_the_rest_to_the_last_calls() -> None:
    """Nobody has to close again for that."""
    closed: list[str] = []
    pool = AsyncPool[Any](random=lambda: 0.0)
    for name in "ab":
        pool.add_client(object(), name, close=lambda name=name: closed.append(name))
    async with pool.lease() as _:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.close(), 0.01)
        await until(lambda: closed == ["b"])
    await until(lambda: closed == ["b", "a"])
    assert pool.members == ()


async def test_a_factory_that_hangs_keeps_no_other_endpoint_from_its_upkeep(
    new_face: NewFace, end: threading.Event
) -> None:
    """Clients of another endpoint are closed and replaced while one cannot be opened, by one helper."""
    face = new_face()
    asked, opened, closed = list[int](), list[Client](), list[Client]()

    def black_hole() -> Any:
        asked.append(1)
        return hanging(face, end)()

    def make() -> Client:
        opened.append(Client("b"))
        return opened[-1]

    face.pool.add_endpoint(black_hole, "a", min_size=1)
    face.pool.add_endpoint(make, "b", close=closed.append, min_size=1)
    (store,) = [
        member.source for member in face.pool._state.membership.members if member.name == "a"
    ]
    face.pool.eject("a")  # calls go to the other one
    store.begun = True  # as if its first client was opened and lost
    for round_ in range(1, 4):
        assert await face.call() == "b"
        opened[-1].script.append(TimeoutError("late"))
        await face.calls(1)
        await until(lambda count=round_: len(closed) == count)  # type: ignore[misc]
        await until(lambda count=round_: len(opened) == count + 1)  # type: ignore[misc]
        # The next call would open one more if this one were not ready yet.
        await until(lambda: face.stats().members[1].clients.idle == 1)
    assert len(asked) == 1
    end.set()


async def test_closings_that_hang_pile_up_no_threads(end: threading.Event) -> None:
    """A few helpers close the discarded clients of an endpoint; when all hang, there are no more."""
    before = threading.active_count()
    pool = Pool[Any](max_fails=0)
    pool.add_endpoint(object, "a", close=lambda client: end.wait(20.0))

    def fail(client: object) -> None:
        raise TimeoutError

    for _ in range(30):
        with pytest.raises(TimeoutError):
            pool.execute(fail)
    await asyncio.sleep(0.05)
    assert threading.active_count() - before <= 6
    end.set()
    await asyncio.to_thread(pool.close)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_child_process_closes_nothing_that_its_parent_was_closing(end: threading.Event) -> None:
    """The connections are the parent's; in the child the closing neither goes on nor is waited for."""
    pool: Pool[Any] = Pool("test")
    pool.add_client(object(), "a", close=lambda: end.wait(60.0))
    with pytest.raises(DrainTimeout):
        pool.remove_client("a", drain_timeout=0.0)
    assert len(pool._closings.members) == 1
    assert in_child(lambda: len(pool._closings.members)) == "0"


class Panic(BaseException):
    """What Rust's bindings raise."""


@pytest.mark.parametrize("error", [Panic, asyncio.CancelledError])
@pytest.mark.parametrize("by_factory", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_closing_that_panics_is_told_like_any_that_fails(
    new_face: NewFace, error: type[BaseException], by_factory: bool, at_once: bool
) -> None:
    """Whatever a closing ends in, who removed the member or closed the pool gets it, and all other clients are closed."""
    face = new_face()

    def panic(*_client: object) -> object:
        raise error

    async def panic_later(*_client: object) -> None:
        panic()

    close = panic if face.kind == "threads" else panic_later
    if by_factory:
        face.pool.add_endpoint(Client, "a", close=close)
        await face.call()
    else:
        face.pool.add_client(Client("a"), "a", close=close)
    other = Client("b")
    face.pool.add_client(other, "b", close=closer(face, other))
    if at_once:
        with pytest.raises(ExceptionGroup) as several:
            await face.close()
        (told,) = several.value.exceptions
    else:
        with pytest.raises(ClientPanic) as caught:
            await face.remove("a")
        told = caught.value
        await face.close()
    assert isinstance(told, ClientPanic)
    assert type(told.cause) is error
    assert other.closed == 1


async def test_a_cancelled_task_that_closes_is_cancelled() -> None:
    """What cancels the task in which a client is closed, as the end of an event loop does, ends it."""
    closing, began = AsyncClosings("test"), asyncio.Event()

    async def close() -> None:
        began.set()
        await asyncio.sleep(60.0)

    async with AsyncPool[object]("test") as pool:
        pool.add_client(object(), "a", close=close)
        (member,) = pool.members
        closing.begin(member)
        await began.wait()
        closing._helpers.cancel()
        with pytest.raises(ClientPanic, match="closing member 'a' ended in CancelledError"):
            await closing.wait(member, 60.0)
