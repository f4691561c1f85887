"""A new client in a member's place: what goes by names goes on, and the old client drains beside."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import BreakerState, PoolClosed
from connpool_runtime._concurrency import tasks, threads
from connpool_runtime.checkout.replacing import replace_client
from connpool_runtime.members.member import Member
from tests.runtime.faces import Client, Face, until

NewFace = Callable[..., Face]


def replace(face: Face, old: Member[Any], client: Client) -> Member[Any] | None:
    return replace_client(
        face.pool._checkout,
        old,
        client,
        close=client.close,
        validate=lambda: True,
        new_gate=threads.Gate if face.kind == "threads" else tasks.Gate,
    )


async def test_the_newcomer_has_the_name_and_all_that_was_said_of_it(new_face: NewFace) -> None:
    """Weight, limit, priority, zone, labels and place among the members; of ejections, the one by hand."""
    face = new_face("a", max_fails=1)
    b, labels = Client("b"), {"role": "replica"}
    face.pool.add_client(
        b, "b", max_concurrency=2, priority=0, zone="z", labels=labels, close=lambda: None
    )
    face.pool.add_client(Client("c"), "c", close=lambda: None)
    face.pool.eject("b")
    new = replace(face, face.member("b"), Client("b again"))
    assert new is not None
    assert [member.name for member in face.pool.members] == ["a", "b", "c"]
    assert (face.member("b"), new.limit, new.zone, new.labels) == (new, 2, "z", labels)
    assert new.breaker.state is BreakerState.OPEN
    assert "b again" not in await face.calls(4)
    face.pool.uneject("b")
    assert "b again" in await face.calls(3)


async def test_failures_of_the_old_client_are_not_the_new_ones(new_face: NewFace) -> None:
    """A member that its breaker ejected has calls again: the new client was just verified."""
    face = new_face("a", max_fails=1)
    await face.trip("a")
    replace(face, face.member("a"), Client("new"))
    assert await face.call() == "new"


async def test_the_old_client_is_closed_by_its_last_call(new_face: NewFace) -> None:
    """It is neither picked nor counted among the members, and `close` of the pool waits for it."""
    face = new_face("a")
    old = face.clients["a"]
    old.hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    replace(face, face.member("a"), Client("new"))
    assert await face.calls(2) == ["new", "new"]
    assert old.closed == 0
    old.release()
    assert await running == "a"
    await until(lambda: old.closed == 1)
    await until(lambda: face.pool._state.membership.replaced == ())
    assert [event.member for event in face.events if type(event).__name__ == "MemberDrained"] == []


async def test_closing_the_pool_drains_the_old_client_too(new_face: NewFace) -> None:
    """No client is closed under a caller, whatever became of its member's name."""
    face = new_face("a")
    old = face.clients["a"]
    old.hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    replace(face, face.member("a"), Client("new"))
    closing = start(face)
    await until(lambda: face.pool.closed)
    assert old.closed == 0
    old.release()
    await running
    await closing
    await until(lambda: old.closed == 1)


def start(face: Face) -> Any:
    return asyncio.ensure_future(face.close())


async def test_a_member_that_was_removed_is_not_replaced(new_face: NewFace) -> None:
    """Its name may be another's by now; and a closed pool takes nobody in."""
    face = new_face("a")
    gone = face.member("a")
    await face.remove("a")
    assert replace(face, gone, Client("new")) is None
    await face.close()
    with pytest.raises(PoolClosed):
        replace(face, gone, Client("new"))
