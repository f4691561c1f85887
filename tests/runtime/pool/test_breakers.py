"""Breakers at work in a pool, in both kinds."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from connpool_runtime import (
    AllMembersOpen,
    BreakerState,
    Method,
    Pool,
    PoolClosed,
    UnknownMember,
)
from connpool_runtime.middleware import Retry
from tests.runtime.faces import Face, until

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def states(face: Face) -> list[BreakerState]:
    return [member.state for member in face.stats().members]


async def test_a_failing_member_gets_no_more_calls(face: Face) -> None:
    """After max_fails failures the others serve everything, evenly."""
    face.fail("a", 99)
    await face.calls(50)
    assert face.clients["a"].calls == 3
    assert abs(face.clients["b"].calls - face.clients["c"].calls) <= 1
    assert states(face) == [OPEN, CLOSED, CLOSED]


async def test_one_healthy_member_is_enough(face: Face) -> None:
    """With all others open every call succeeds (B1)."""
    await face.trip("a")
    await face.trip("b")
    assert await face.calls(30) == ["c"] * 30


async def test_zero_max_fails_means_no_breaker(new_face: Callable[..., Face]) -> None:
    """0 is zero, not the default: such a pool never cuts a member off."""
    face = new_face("a", max_fails=0)
    face.fail("a", 50)
    await face.calls(51)
    assert face.clients["a"].calls == 51


async def test_failures_must_be_in_a_row(face: Face) -> None:
    """A success in between starts the count anew."""
    face.clients["a"].script.extend([OSError(), OSError(), "fine", OSError(), OSError(), "fine"])
    await face.calls(18)
    assert states(face) == [CLOSED, CLOSED, CLOSED]


async def test_a_success_that_began_before_a_failure_counts_too(face: Face) -> None:
    """The row is broken by any success of this state, also of a call that was under way before."""
    client = face.clients["a"]
    client.hold()
    running = [face.start() for _ in range(3)]
    await until(lambda: face.in_flight() >= 1)
    await asyncio.sleep(0.01)
    member = face.member("a")
    face.pool._checkout.recorder.failure(
        face.method(), member, member.breaker.generation, 0.0, OSError()
    )
    assert member.breaker.failures == 1
    client.release()
    await asyncio.gather(*running)
    assert member.breaker.failures == 0


async def test_neutral_ends_do_not_open_it(face: Face) -> None:
    """What says nothing about the member, however often, does not cut it off (B5)."""
    face.fail("a", 50, PoolClosed("of the client's own"))
    await face.calls(100)
    assert states(face) == [CLOSED, CLOSED, CLOSED]


@pytest.mark.parametrize("mistaken", [("a", "b", "c"), ("a",)])
async def test_callers_mistakes_do_not_open_it(
    new_face: Callable[..., Face], mistaken: tuple[str, ...]
) -> None:
    """Errors that all members give alike cut off nobody; those that one gives alone, this one."""
    face = new_face("a", "b", "c", unknown_errors="relative")
    for name in mistaken:
        face.fail(name, 50, LookupError("sold out"))
    await face.calls(60)
    assert (states(face)[0] is OPEN) == (mistaken == ("a",))
    assert states(face)[1:] == [CLOSED, CLOSED]


async def test_one_member_alone_is_not_cut_off_by_unknown_errors(
    new_face: Callable[..., Face],
) -> None:
    """There is nobody to compare it with."""
    face = new_face("a", unknown_errors="relative")
    face.fail("a", 100, LookupError("odd"))
    await face.calls(100)
    assert states(face) == [CLOSED]
    assert face.stats().members[0].unknowns == 100


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "retried"])
@pytest.mark.parametrize(("balancer", "opens"), [("consistent_hash", False), ("random", True)])
def test_unknown_errors_of_one_key_are_no_evidence_where_keys_choose_the_member(
    balancer: str, opens: bool, guarded: bool
) -> None:
    """A key that always fails meets the same member each time; where keys choose nobody, they excuse nothing."""

    def get(client: str, key: str) -> str:
        if key == "bad" and (balancer == "consistent_hash" or client == "a"):
            raise LookupError("odd")
        return client

    pool = Pool[str]("test", balancer=balancer)
    for name in "abc":
        pool.add_client(name, name)
    if guarded:
        pool.register_middleware(Retry(base=0.0))
    keyed: Method[str, str] = Method("get", lambda client, args: get(client, *args), hash_key=0)
    for number in range(300):
        pool.call(keyed, (str(number),))
        with suppress(LookupError):
            pool.call(keyed, ("bad",))
    assert any(member.trips for member in pool.stats().members) == opens


async def test_the_last_error_and_how_it_was_judged_can_be_seen(face: Face) -> None:
    """Stats name the type, what it counted as, and why; never the text, which may hold secrets."""
    face.fail("a", error=ConnectionRefusedError(111, "secret"))
    await face.calls(3)
    last = face.stats().members[0].last_error
    assert last is not None
    assert (last.type, last.counted_as) == ("ConnectionRefusedError", "failure")
    assert "refused" in last.reason
    assert face.stats().members[1].last_error is None


async def test_it_comes_back_through_a_probe(face: Face) -> None:
    """After the cooldown one call finds out that the member is well, and traffic returns."""
    await face.trip("a")
    served = face.clients["a"].calls
    face.clock.sleep(9.9)
    await face.calls(12)
    assert face.clients["a"].calls == served
    face.clock.sleep(0.1)
    await face.calls(6)
    assert states(face) == [CLOSED, CLOSED, CLOSED]
    assert face.clients["a"].calls > served


async def test_a_failed_probe_cuts_it_off_again(face: Face) -> None:
    """One failure suffices after the cooldown, and the next cooldown is a whole one (B4)."""
    await face.trip("a")
    face.fail("a", 99)
    served = face.clients["a"].calls
    for _ in range(3):
        face.clock.sleep(10)
        await face.calls(20)
        served += 1
        assert face.clients["a"].calls == served
    assert face.stats().members[0].trips == 4


@pytest.mark.parametrize("permitted", [1, 4])
async def test_half_open_admits_exactly_the_permitted_probes(
    new_face: Callable[..., Face], permitted: int
) -> None:
    """Of 100 callers at once, as many as permitted reach the member; the others fail fast (B4)."""
    face = new_face("a", half_open_calls=permitted)
    await face.trip("a")
    face.clock.sleep(10)
    client = face.clients["a"]
    before = client.calls
    client.hold()
    running = [face.start() for _ in range(100)]
    await until(lambda: sum(one.done() for one in running) == 100 - permitted)
    client.release()
    results = await asyncio.gather(*running, return_exceptions=True)
    assert client.calls == before + permitted
    assert sum(isinstance(result, AllMembersOpen) for result in results) == 100 - permitted
    assert states(face) == [CLOSED]


async def test_others_serve_while_one_is_probed(face: Face) -> None:
    """While a probe hangs, calls go to the healthy members."""
    await face.trip("a")
    face.clock.sleep(10)
    client = face.clients["a"]
    client.hold()
    running = [face.start() for _ in range(20)]
    await until(lambda: sum(one.done() for one in running) == 19)
    assert states(face)[0] is HALF_OPEN
    client.release()
    results = await asyncio.gather(*running)
    assert results.count("a") == 1


async def test_a_hanging_probe_is_given_up(face: Face) -> None:
    """After probe_timeout another call may probe; the first one's result is not needed (B4)."""
    await face.trip("a")
    face.clock.sleep(10)
    client = face.clients["a"]
    client.hold()
    running = [face.start() for _ in range(3)]
    await until(lambda: sum(one.done() for one in running) == 2)
    face.clock.sleep(30)
    running += [face.start() for _ in range(3)]
    await until(lambda: sum(one.done() for one in running) == 4)
    assert face.in_flight() == 2
    client.release()
    await asyncio.gather(*running)
    assert states(face)[0] is CLOSED


async def test_late_results_do_not_move_an_open_breaker(face: Face) -> None:
    """A success that comes after the breaker opened does not close it; the call itself succeeds (B3)."""
    client = face.clients["a"]
    client.hold()
    running = [face.start() for _ in range(3)]
    await until(lambda: sum(one.done() for one in running) == 2)
    member = face.member("a")
    for _ in range(3):
        face.pool._checkout.recorder.failure(
            face.method(), member, member.breaker.generation, 0.0, OSError()
        )
    until_then = member.breaker.until
    face.clock.sleep(1)
    client.release()
    assert sorted(await asyncio.gather(*running)) == ["a", "b", "c"]
    assert (states(face)[0], member.breaker.until) == (OPEN, until_then)


async def test_calls_that_fail_together_open_it_once(new_face: Callable[..., Face]) -> None:
    """Twenty calls that fail in one incident are one trip and one cooldown."""
    face = new_face("a")
    client = face.clients["a"]
    client.hold()
    running = [face.start() for _ in range(20)]
    await until(lambda: face.in_flight() == 20)
    client.always = OSError("gone")
    client.release()
    await asyncio.gather(*running, return_exceptions=True)
    assert face.stats().members[0].trips == 1
    assert face.stats().members[0].failures == 20


async def test_cut_off_by_hand_it_stays_so_until_reset(face: Face) -> None:
    """eject has no cooldown, uneject forgets everything."""
    face.pool.eject("a")
    face.clock.sleep(1e6)
    assert "a" not in await face.calls(9)
    face.pool.uneject("a")
    assert sorted(await face.calls(3)) == ["a", "b", "c"]


async def test_all_cut_off_by_hand_has_no_time_to_retry(face: Face) -> None:
    """When only a hand can help, retry_after is infinite and the message says so."""
    for name in "abc":
        face.pool.eject(name)
    with pytest.raises(AllMembersOpen, match="until reset by hand") as caught:
        await face.call()
    assert caught.value.retry_after == float("inf")
    assert caught.value.cause is None


async def test_only_members_can_be_cut_off(face: Face) -> None:
    """An unknown name is an error that lists the known ones."""
    with pytest.raises(UnknownMember, match="no member 'x'; it has 'a', 'b', 'c'"):
        face.pool.eject("x")
    with pytest.raises(UnknownMember):
        face.pool.uneject("x")


async def test_the_time_to_retry_is_that_of_the_first_to_come_back(face: Face) -> None:
    """retry_after counts to the earliest end of a cooldown, and is never negative."""
    for name in "abc":
        await face.trip(name)
        face.clock.sleep(2)
    error = (await face.calls(1))[0]
    assert error.retry_after == pytest.approx(4)


async def test_a_cooldown_of_zero_probes_at_once(new_face: Callable[..., Face]) -> None:
    """0 is zero: the very next call is the probe."""
    face = new_face("a", cooldown=0.0)
    await face.trip("a")
    assert await face.call() == "a"
    assert states(face) == [CLOSED]


async def test_the_error_on_the_tripping_call_is_the_clients(face: Face) -> None:
    """The call that opens the breaker raises its own error, not one about the breaker."""
    face.fail("a", 3)
    results = await face.calls(9)
    assert [str(one) for one in results if isinstance(one, Exception)] == ["a is down"] * 3


async def test_a_pool_with_one_member_open_is_still_even(new_face: Callable[..., Face]) -> None:
    """Round robin among the rest stays even while one is open."""
    face = new_face(*"abcd")
    await face.trip("b")
    before = {name: client.calls for name, client in face.clients.items()}
    await face.calls(300)
    assert [face.clients[name].calls - before[name] for name in "abcd"] == [100, 0, 100, 100]
