"""Events, in both kinds: in order, without locks, harmless."""

import logging
import threading
from itertools import pairwise
from typing import Any

import pytest

from connpool_runtime import (
    BreakerChanged,
    BreakerState,
    Event,
    MemberAdded,
    MemberDrained,
    MemberLeaving,
)
from connpool_runtime.events.dispatcher import EventDispatcher
from tests.runtime.alarms import interrupted, needs_alarms
from tests.runtime.faces import Client, Face

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def of(kind: type[Event], member: str) -> Event:
    return kind(pool="test", member=member)


async def test_members_coming_and_going_are_told(face: Face) -> None:
    """Added, leaving, drained: one event each."""
    await face.remove("b")
    assert face.events == [
        *(of(MemberAdded, name) for name in "abc"),
        of(MemberLeaving, "b"),
        of(MemberDrained, "b"),
    ]


async def test_a_breakers_way_is_told_with_its_cause(face: Face) -> None:
    """Each transition once, in order, from and to, with the error that opened it."""
    face.events.clear()
    await face.trip("a")
    face.clock.sleep(10)
    await face.calls(3)
    assert [(event.before, event.after) for event in face.events] == [
        (CLOSED, OPEN),
        (OPEN, HALF_OPEN),
        (HALF_OPEN, CLOSED),
    ]
    assert {event.member for event in face.events} == {"a"}
    assert str(face.events[0].cause) == "a is down"


async def test_manual_changes_are_told_too(face: Face) -> None:
    """Opening and resetting by hand are transitions."""
    face.events.clear()
    face.pool.eject("a")
    face.pool.eject("a")
    face.pool.uneject("a")
    assert [type(event) for event in face.events] == [BreakerChanged] * 2


@needs_alarms
def test_events_are_delivered_after_an_interrupt() -> None:
    """Wherever a signal handler raises in a thread that delivers events, the next delivery delivers."""
    dispatcher, told = EventDispatcher(), list[Event]()
    dispatcher.subscribe(told.append)

    def tell() -> None:
        dispatcher.queue(of(MemberAdded, "a"))
        dispatcher.deliver()

    for _ in interrupted(tell, 300):
        told.clear()
        tell()
        assert told


async def test_listeners_run_without_the_lock(face: Face) -> None:
    """A listener may use the pool, also to change it (B7, B15)."""
    seen = []

    def listener(event: Event) -> None:
        seen.append(face.pool.stats().in_flight)
        if isinstance(event, BreakerChanged) and event.after is OPEN:
            face.pool.add_client(Client("d"), "d")

    face.pool.subscribe(listener)
    face.pool.eject("a")
    assert len(seen) == 2
    assert isinstance(face.events[-1], MemberAdded)


async def test_a_listener_that_fails_hurts_nobody(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """The call goes on, other listeners are told, and the error is logged."""

    def broken(event: Event) -> None:
        raise RuntimeError("my own fault")

    face.pool.subscribe(broken)
    after: list[Event] = []
    face.pool.subscribe(after.append)
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        await face.trip("a")
    assert await face.calls(2) == ["b", "c"]
    assert len(after) == 1
    assert "my own fault" in caplog.text


async def test_a_listener_that_nobody_could_call_or_await(face: Face) -> None:
    """What is no function of an event, or a coroutine function, is refused when it is given, also by a pool for tasks."""

    async def listen(_event: Event) -> None: ...

    for wrong, said in ((None, "takes an event, not None"), (listen, "called and not awaited")):
        listener: Any = wrong
        with pytest.raises(TypeError, match=said):
            face.pool.subscribe(listener)


async def test_a_listener_can_leave(face: Face) -> None:
    """subscribe returns what ends the subscription; ending twice is fine."""
    seen: list[Event] = []
    end = face.pool.subscribe(seen.append)
    end()
    end()
    face.pool.eject("a")
    assert seen == []


async def test_events_of_many_threads_arrive_in_order(face: Face) -> None:
    """A listener sees a breaker's transitions as a chain, whoever caused them."""
    face.events.clear()

    def flip() -> None:
        for _ in range(200):
            face.pool.eject("a")
            face.pool.uneject("a")

    threads = [threading.Thread(target=flip) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = [(event.before, event.after) for event in face.events]
    assert len(chain) >= 2
    assert all(one[1] is two[0] for one, two in pairwise(chain))
