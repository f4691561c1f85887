"""Priorities, zones, caps, panic, subsets and slow starts, as pools of both colours have them."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from connpool_runtime import AllMembersOpen, BreakerState, PanicChanged
from tests.runtime.faces import Client, Face

BALANCED = ["round_robin", "least_request", "consistent_hash"]


def grouped(new_face: Callable[..., Face], **options: object) -> Face:
    """Two members of priority 0, one of priority 1."""
    face = new_face("a", "b", **options)
    face.clients["z"] = Client("z")
    face.pool.add_client(face.clients["z"], "z", priority=1)
    return face


@pytest.mark.parametrize("balancer", BALANCED)
async def test_a_lower_priority_is_called_when_the_first_is_cut_off(
    new_face: Callable[..., Face], balancer: str
) -> None:
    """And no longer when it is back."""
    face = grouped(new_face, balancer=balancer)
    keys = range(40)
    assert {await face.execute(key=key) for key in keys} == {"a", "b"}
    face.pool.eject("a")
    shares = Counter([await face.execute(key=key) for key in range(300)])
    assert shares.keys() == {"b", "z"}
    assert shares["b"] / 300 == pytest.approx(0.7, abs=0.12)
    face.pool.eject("b")
    assert {await face.execute(key=key) for key in keys} == {"z"}
    face.pool.uneject("a")
    face.pool.uneject("b")
    assert {await face.execute(key=key) for key in keys} == {"a", "b"}


async def test_a_key_keeps_its_group(new_face: Callable[..., Face]) -> None:
    """While some calls spill over, those of one key do not go to and fro."""
    face = grouped(new_face, balancer="consistent_hash")
    face.pool.eject("a")
    for key in range(20):
        assert len({await face.execute(key=key) for _ in range(5)}) == 1


async def test_a_function_gets_one_group(new_face: Callable[..., Face]) -> None:
    """The preferred members, as long as there are enough of them."""
    seen = set()

    def first(members: tuple[object, ...], call: object) -> object:
        seen.add(tuple(member.name for member in members))  # type: ignore[attr-defined]
        return members[0]

    face = grouped(new_face, balancer=first)
    await face.calls(5)
    assert seen == {("a", "b")}


async def test_no_more_than_the_cap_are_cut_off(new_face: Callable[..., Face]) -> None:
    """The second of three stays, however often it fails, and the stats say why."""
    face = new_face("a", "b", "c", max_ejection_share=0.5)
    await face.trip("a")
    face.fail("b", 6)
    await face.calls(12)
    stats = {member.name: member for member in face.stats().members}
    assert stats["b"].state is BreakerState.CLOSED
    assert (stats["b"].spared, stats["b"].trips) == (4, 0)


async def test_in_a_panic_breakers_are_ignored(new_face: Callable[..., Face]) -> None:
    """With too few well all are called, and listeners are told; then it is over."""
    face = new_face("a", "b", "c", panic_threshold=0.5)
    await face.trip("a")
    assert set(await face.calls(6)) == {"b", "c"}
    await face.trip("b")
    assert set(await face.calls(6)) == {"a", "b", "c"}
    face.clock.sleep(10)
    await face.calls(6)
    panics = [event.panic for event in face.events if isinstance(event, PanicChanged)]
    assert panics == [True, False]
    assert {face.member(name).breaker.state for name in "ab"} == {BreakerState.CLOSED}


async def test_results_in_a_panic_do_not_close_a_breaker(new_face: Callable[..., Face]) -> None:
    """The cooldown and the probe stay what they are."""
    face = new_face("a", panic_threshold=1.0)
    await face.trip("a")
    assert await face.calls(2) == ["a", "a"]
    assert face.member("a").breaker.state is BreakerState.OPEN


async def test_who_was_cut_off_by_hand_stays_so_in_a_panic(new_face: Callable[..., Face]) -> None:
    """A hand knows better."""
    face = new_face("a", "b", panic_threshold=1.0)
    face.pool.eject("a")
    assert await face.calls(3) == ["b", "b", "b"]
    face.pool.eject("b")
    with pytest.raises(AllMembersOpen):
        await face.call()


async def test_a_hand_cuts_off_who_was_let_in_by_a_panic(new_face: Callable[..., Face]) -> None:
    """Its breaker was open already, and now it counts."""
    face = new_face("a", "b", panic_threshold=1.0)
    await face.trip("a")
    assert set(await face.calls(4)) == {"a", "b"}
    face.pool.eject("a")
    assert await face.calls(3) == ["b", "b", "b"]


async def test_without_a_threshold_there_is_no_panic(new_face: Callable[..., Face]) -> None:
    """By default a pool whose members are all cut off fails fast."""
    face = new_face("a")
    await face.trip("a")
    with pytest.raises(AllMembersOpen):
        await face.call()


async def test_a_member_that_comes_back_starts_slowly(new_face: Callable[..., Face]) -> None:
    """It gets a small share after its probe, and an equal one when it is warm."""
    face = new_face("a", "b", slow_start=20.0, random=Random(1).random)
    face.clock.sleep(20)
    await face.trip("a")
    face.clock.sleep(10)
    await face.calls(4)
    assert face.member("a").breaker.state is BreakerState.CLOSED
    shares = Counter(await face.calls(600))
    assert 20 < shares["a"] < 110
    face.clock.sleep(20)
    assert Counter(await face.calls(600))["a"] == 300
    assert face.pool._state.membership.wake_at == float("inf")


async def test_a_client_uses_its_subset(new_face: Callable[..., Face]) -> None:
    """Of ten members three, and another one when one of them is removed."""
    face = new_face(*"abcdefghij", subset_size=3, client_id="me")
    used = set(await face.calls(30))
    assert len(used) == 3
    await face.remove(min(used))
    again = set(await face.calls(30))
    assert len(again) == 3
    assert len(again & used) == 2
