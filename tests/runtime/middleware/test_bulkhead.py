"""Bulkhead: so many calls at once, and a bounded line of those who wait."""

import asyncio
import gc
from typing import Any

import pytest

from connpool_runtime import Outcome, TooManyCalls, deadline
from connpool_runtime.middleware import Bulkhead, Retry
from tests.runtime.faces import Face, ThreadFace, counted, until


def running(face: Face) -> float:
    return next(one.value for one in face.stats().middleware if one.name == "bulkhead_running")


def waiting(face: Face) -> float:
    return next(one.value for one in face.stats().middleware if one.name == "bulkhead_waiting")


def hold(face: Face) -> None:
    for client in face.clients.values():
        client.hold()


def release(face: Face) -> None:
    for client in face.clients.values():
        client.release()


async def test_beyond_the_limit_calls_are_refused(face: Face) -> None:
    """Before any member is picked; a slot that is given back can be had."""
    face.pool.register_middleware(Bulkhead(2))
    hold(face)
    calls = [face.start() for _ in range(2)]
    await until(lambda: running(face) == 2)
    with pytest.raises(TooManyCalls, match=r"test\.get: 2 calls are running"):
        await face.call()
    release(face)
    assert sorted(await asyncio.gather(*calls)) == ["a", "b"]
    assert running(face) == 0
    assert await face.call() == "c"
    assert counted(face.stats())[Outcome.NEUTRAL] == 1


async def test_calls_wait_in_line(face: Face) -> None:
    """Each that ends lets the next one in."""
    face.pool.register_middleware(Bulkhead(1, max_wait=60.0))
    hold(face)
    calls = [face.start() for _ in range(3)]
    await until(lambda: waiting(face) == 2)
    assert face.in_flight() == 1
    release(face)
    assert sorted(await asyncio.gather(*calls)) == ["a", "b", "c"]
    assert (running(face), waiting(face)) == (0, 0)


async def test_the_line_is_bounded_in_time_and_length(face: Face) -> None:
    """A full line refuses at once, and a wait that is over refuses too."""
    face.pool.register_middleware(Bulkhead(1, max_wait=0.01, max_waiting=1))
    hold(face)
    call = face.start()
    await until(lambda: running(face) == 1)
    with pytest.raises(TooManyCalls, match=r"within 0\.01 s"):
        await face.call()
    assert waiting(face) == 0
    release(face)
    await call


async def test_nobody_waits_past_the_deadline(face: Face) -> None:
    """The caller's time ends the wait as well."""
    face.pool.register_middleware(Bulkhead(1, max_wait=60.0))
    hold(face)
    call = face.start()
    await until(lambda: running(face) == 1)
    with deadline(0.01), pytest.raises(TooManyCalls):
        await face.call()
    release(face)
    await call


async def test_methods_may_have_slots_of_their_own(face: Face) -> None:
    """A slow report keeps no quick lookup waiting."""
    face.pool.register_middleware(Bulkhead(1, per_method=True))
    hold(face)
    call = face.start()
    await until(lambda: running(face) == 1)
    items = await face.stream(1)
    assert await items.rest() == ["b"]
    with pytest.raises(TooManyCalls):
        await face.call()
    release(face)
    await call


async def test_a_failed_call_gives_its_slot_back(face: Face) -> None:
    """However it ends."""
    face.pool.register_middleware(Bulkhead(1))
    face.fail("a")
    face.fail("b", error=ValueError("mine"))
    assert [type(result) for result in await face.calls(3)] == [ConnectionError, ValueError, str]


async def test_streams_and_contexts_stay_inside_until_their_end(face: Face) -> None:
    """What still runs on a member still takes a slot; ended, failed or dropped, it takes none."""
    face.pool.register_middleware(Bulkhead(1))
    items = await face.stream(3)
    await items.next()
    with pytest.raises(TooManyCalls):
        await face.call()
    await items.close()
    async with face.session():
        with pytest.raises(TooManyCalls):
            await face.call()
    for step in ("dropped", ConnectionError("cut")):
        items = await face.stream(3)
        if isinstance(step, str):
            await items.next()
        else:
            for client in face.clients.values():
                client.always = step
            with pytest.raises(ConnectionError):
                await items.rest()
        del items
        gc.collect()
        assert running(face) == 0


@pytest.mark.parametrize("inside", [True, False])
async def test_a_stream_that_is_opened_again_keeps_one_slot(face: Face, inside: bool) -> None:
    """Whether the bulkhead lies inside the retry or around it."""
    middleware = [Retry(base=0), Bulkhead(1)]
    for one in middleware if inside else reversed(middleware):
        face.pool.register_middleware(one)
    face.fail("a")
    items = await face.stream(1, face.method("items", idempotent=True))
    assert await items.next() == "b"
    assert running(face) == 1
    assert await items.rest() == []
    assert running(face) == 0


async def test_a_cancelled_waiter_takes_no_slot(face: Face) -> None:
    """Cancelled in line, or just when it was let in: the slot is not lost."""
    if isinstance(face, ThreadFace):
        return  # threads cannot be cancelled
    face.pool.register_middleware(Bulkhead(1, max_wait=60.0))
    hold(face)
    first = face.start()
    await until(lambda: running(face) == 1)
    line = [face.start() for _ in range(3)]
    await until(lambda: waiting(face) == 3)
    line[0].cancel()
    await until(lambda: waiting(face) == 2)
    release(face)
    await first
    line[1].cancel()  # it was handed the slot and has not run since
    await asyncio.wait(line)
    assert [task.cancelled() for task in line[:1]] == [True]
    assert (running(face), waiting(face)) == (0, 0)
    assert await asyncio.wait_for(face.call(), 5)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1, "max_wait": -1}, "max_wait"),
        ({"limit": 1, "max_waiting": -1}, "max_waiting"),
    ],
)
def test_its_numbers_are_validated(options: dict[str, Any], name: str) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Bulkhead(**options)
