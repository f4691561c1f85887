"""Priorities, zones, caps, panic, subsets and slow starts, as sync and async pools have them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from connpool_runtime import (
    AllMembersOpen,
    BreakerState,
    NoMemberForRoute,
    NotReady,
    PanicChanged,
    Pool,
    PoolClosed,
    UnknownMember,
)
from tests.runtime.faces import Client, Face, until

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


async def test_what_is_told_of_a_subset_is_about_no_other_member(
    new_face: Callable[..., Face],
) -> None:
    """A refusal counts the members of the subset, and says when the first of these may be called again."""
    face = new_face(*"abcdefghij", subset_size=2, client_id="me", max_fails=1)
    used = sorted({await face.call() for _ in range(10)})
    outside = next(name for name in face.clients if name not in used)
    face.pool.reconfigure(subset_size=None)
    await face.trip(outside)
    face.pool.reconfigure(subset_size=2)
    face.clock.sleep(4.0)
    for name in used:
        await face.trip(name)
    told = r"all 2 members of pool 'test' in this client's subset \(8 others are not used\) are ejected"
    with pytest.raises(AllMembersOpen, match=told) as refused:
        await face.call()
    assert refused.value.retry_after == 10.0


async def test_only_members_of_the_subset_make_a_pool_ready(
    new_face: Callable[..., Face],
) -> None:
    """Of ten healthy members a client of two has two, and none once these are ejected."""
    face = new_face(*"abcdefghij", subset_size=2, client_id="me")
    await ready(face, 2)
    with pytest.raises(NotReady, match=r"2 of 2 members of pool 'test' in .* \(8 others are"):
        await ready(face, 3)
    for name in {await face.call() for _ in range(10)}:
        face.pool.eject(name)
    with pytest.raises(NotReady, match="0 of 2 members"):
        await ready(face, 1)


async def test_a_refused_role_names_members_of_its_subset_only(
    new_face: Callable[..., Face],
) -> None:
    """Members that this client does not use may be healthy: they are no reason."""
    face = new_face(subset_size=1, client_id="me", default_route="primary")
    for name in "abcdefghij":
        role = "primary" if name in "hij" else "replica"
        face.pool.add_client(Client(name), name, labels={"role": role})
    used = await face.call()
    face.pool.eject(used)
    with pytest.raises(NoMemberForRoute, match=f"may be called: '{used}' is ejected by hand$"):
        await face.call()


async def test_a_role_is_served_whoever_else_is_ejected(new_face: Callable[..., Face]) -> None:
    """That all of the subset of all members are ejected is no reason to refuse a call for a role that has others."""
    face = new_face(subset_size=1, client_id="me", default_route="primary", max_concurrency=1)
    for name in "abcdefghij":
        role = "primary" if name in "hij" else "replica"
        face.clients[name] = Client(name)
        face.pool.add_client(face.clients[name], name, labels={"role": role})
    used = await face.call()
    face.clients[used].hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    waiting = face.start()
    await until(lambda: face.stats().waiting == 1)
    for name in set(face.clients) - set("hij"):
        face.pool.eject(name)
    assert not face.pool._state.membership.candidates
    face.clients[used].release()
    assert [await running, await waiting, await face.call()] == [used] * 3


async def ready(face: Face, members: int) -> None:
    """Look whether so many members are ready."""
    waiting = face.pool.wait_ready
    if isinstance(face.pool, Pool):
        await asyncio.to_thread(waiting, members, timeout=0.0)
    else:
        await waiting(members, timeout=0.0)


@pytest.mark.parametrize(
    "balancer", ["weighted_round_robin", "weighted_random", "least_request", "consistent_hash"]
)
async def test_a_weight_changes_in_place(new_face: Callable[..., Face], balancer: str) -> None:
    """From the next call on a member has its new share, and is the same member all the while."""
    face = new_face("a", "b", "c", balancer=balancer, random=Random(1).random)
    await face.execute(key=0)
    member = face.member("b")
    for weight in (6, 2, 6):
        face.pool.set_weight("b", weight)
        assert face.stats().members[1].weight == weight
    before = member.served
    found = Counter([await face.execute(key=key) for key in range(400)])
    if balancer == "weighted_round_robin":
        assert found == {"b": 300, "a": 50, "c": 50}
    assert found["b"] > 200
    assert face.member("b") is member
    assert member.served == before + found["b"]


async def test_the_only_member_may_change_its_weight(new_face: Callable[..., Face]) -> None:
    """Its group is empty for a moment; calls find it before and after."""
    face = new_face("a", balancer="weighted_round_robin")
    await face.call()
    face.pool.set_weight("a", 3)
    assert await face.calls(4) == ["a"] * 4


async def test_priority_and_zone_change_in_place(new_face: Callable[..., Face]) -> None:
    """A member moves to another group with its breaker and its calls in flight."""
    face = new_face("a", "b", zone="here")
    face.pool.set_zone("a", "here")
    assert set(await face.calls(10)) == {"a"}
    face.clients["a"].hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    face.pool.set_zone("b", "here")
    face.pool.set_priority("a", 1)
    assert set(await face.calls(10)) == {"b"}
    face.clients["a"].release()
    assert await running == "a"
    assert face.stats().members[0].successes == 11
    face.pool.eject("b")
    assert set(await face.calls(10)) == {"a"}


async def test_what_cannot_be_changed_is_told(new_face: Callable[..., Face]) -> None:
    """An unknown member, a weight for a balancer that ignores it, a closed pool, a value that is none."""
    face = new_face("a", "b")
    with pytest.raises(UnknownMember, match="'c'"):
        face.pool.set_zone("c", "x")
    with pytest.raises(ValueError, match="ignores weights"):
        face.pool.set_weight("a", 2)
    with pytest.raises(ValueError, match="priority must be"):
        face.pool.set_priority("a", -1)
    with pytest.raises(TypeError, match="zone must be"):
        face.pool.set_zone("a", 7)
    await face.close()
    with pytest.raises((PoolClosed, UnknownMember)):
        face.pool.set_zone("a", "x")
