"""What a call does, in both kinds: picks, runs, judges, counts."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    AsyncPool,
    Call,
    InvalidPick,
    Member,
    Method,
    NoMembers,
    Outcome,
    Pool,
    PoolClosed,
    PoolError,
)
from tests.runtime.faces import Client, Face, counted

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


async def test_calls_go_round_the_members(face: Face) -> None:
    """Round robin is the default."""
    assert await face.calls(7) == ["a", "b", "c", "a", "b", "c", "a"]


async def test_the_clients_error_is_raised_unchanged(face: Face) -> None:
    """The very error object of the client arrives, with the client's line in its traceback."""
    error = ConnectionError("down")
    face.fail("a", error=error)
    with pytest.raises(ConnectionError) as caught:
        await face.call()
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert "next" in [entry.name for entry in caught.traceback]


async def test_every_end_is_counted_once(face: Face) -> None:
    """Calls of a method, and attempts on a member, by outcome; nothing is left in flight."""
    face.clients["a"].script.extend([ConnectionError(), PoolClosed("inner"), "fine"])
    await face.calls(9)
    assert counted(face.stats()) == {SUCCESS: 7, FAILURE: 1, NEUTRAL: 1}
    member = face.stats().members[0]
    assert (member.successes, member.failures, member.neutrals) == (1, 1, 1)
    assert face.in_flight() == 0


async def test_expected_errors_are_successes(face: Face) -> None:
    """An answer that is raised does not count against its member, and is counted apart."""
    method = face.method(expected=(FileNotFoundError,))
    face.fail("a", 9, FileNotFoundError())
    for _ in range(27):
        await face.outcome(face.call(method))
    (method,) = (one for one in face.stats().methods if one.name == "get")
    assert (method.successes, method.answers) == (18, 9)
    assert (face.stats().members[0].answers, face.stats().members[0].successes) == (9, 0)
    assert face.stats().members[0].trips == 0


async def test_durations_are_measured_without_neutral_calls(face: Face) -> None:
    """The histogram holds successes and failures; a cancelled call's duration means nothing."""

    class Slow:
        def __init__(self) -> None:
            self.ends: list[Exception | None] = [None, ConnectionError(), PoolClosed("inner")]

        def get(self) -> None:
            face.clock.sleep(0.3)
            if (error := self.ends.pop(0)) is not None:
                raise error

        async def aget(self) -> None:
            self.get()

    slow = type(face)()
    slow.clock = face.clock
    pool = slow.make_pool({"clock": face.clock})
    pool.add_client(Slow())
    slow.pool = pool
    for _ in range(3):
        await slow.outcome(slow.call())
    (method,) = slow.stats().methods
    assert method.latency.count == 2
    assert method.latency.total == pytest.approx(0.6)
    assert dict(method.latency.buckets)[0.2] == 0
    assert dict(method.latency.buckets)[0.5] == 2


async def test_a_pool_without_members_says_so(new_face: Callable[..., Face]) -> None:
    """Empty is an error of its own, which names the pool (L2)."""
    face = new_face()
    with pytest.raises(NoMembers, match="'test'") as caught:
        await face.call()
    assert caught.value.pool == "test"
    assert face.stats().rejections == (("NoMembers", 1),)


async def test_all_open_is_an_error_with_the_last_cause_and_a_time(face: Face) -> None:
    """It names the pool, carries the error that opened the last breaker, and says when to come back."""
    for name in "abc":
        await face.trip(name)
        face.clock.sleep(1)
    with pytest.raises(AllMembersOpen, match="all 3 members of pool 'test'") as caught:
        await face.call()
    assert caught.value.retry_after == pytest.approx(7)
    assert str(caught.value.cause) == "c is down"
    assert caught.value.__cause__ is caught.value.cause
    assert isinstance(caught.value, PoolError)


async def test_a_closed_pool_says_so(face: Face) -> None:
    """Closed is an error of its own, and no client is called (B19)."""
    await face.close()
    with pytest.raises(PoolClosed, match="'test'"):
        await face.call()
    assert all(client.calls == 0 for client in face.clients.values())


async def test_the_three_refusals_are_different_errors_under_one_root() -> None:
    """Empty, all open and closed can be told apart, and caught together."""
    kinds = (NoMembers, AllMembersOpen, PoolClosed)
    assert len({kind for kind in kinds if issubclass(kind, PoolError)}) == 3
    assert not any(issubclass(one, two) for one in kinds for two in kinds if one is not two)


async def test_refusals_are_no_calls(face: Face) -> None:
    """A refused call reaches no member's numbers, no breaker and no histogram."""
    for name in "abc":
        face.pool.eject(name)
    await face.calls(5)
    assert counted(face.stats())[FAILURE] == 0
    assert [member.failures for member in face.stats().members] == [0, 0, 0]


@pytest.mark.parametrize(
    "balancer", ["random", "weighted_random", "weighted_round_robin", "round_robin"]
)
async def test_a_call_may_bring_its_balancer(face: Face, balancer: str) -> None:
    """The per-call choice is used for that call, among available members only (B1)."""
    face.pool.eject("a")
    face.pool.eject("b")
    assert {await face.execute(balancer=balancer) for _ in range(20)} == {"c"}


async def test_a_call_may_bring_a_balancer_function(face: Face) -> None:
    """The function gets the available members and the call, and its choice is called."""
    seen = []

    def last(candidates: Sequence[Member[Client]], call: Call) -> Member[Client]:
        seen.append([member.name for member in candidates])
        seen.append([call.pool, call.method.name, call.attempt])
        return candidates[-1]

    assert await face.execute(balancer=last) == "c"
    assert seen == [["a", "b", "c"], ["test", "execute", 0]]


async def test_an_unknown_balancer_of_a_call_is_refused(face: Face) -> None:
    """The message lists the names; nobody is called."""
    with pytest.raises(ValueError, match="balancer must be"):
        await face.execute(balancer="ramdom")
    assert face.in_flight() == 0


async def test_the_pools_balancer_may_be_a_function(new_face: Callable[..., Face]) -> None:
    """A function as the pool's balancer sees each call, and only members that may be called."""
    face = new_face("a", "b", "c", balancer=lambda candidates, call: candidates[0])
    assert await face.calls(3) == ["a", "a", "a"]
    face.pool.eject("a")
    assert await face.calls(3) == ["b", "b", "b"]


async def test_a_balancer_that_picks_a_stranger_is_caught(new_face: Callable[..., Face]) -> None:
    """A pick that is no candidate is an error that names the candidates."""
    face = new_face("a", "b", balancer=lambda candidates, call: "a")
    with pytest.raises(InvalidPick, match=r"returned 'a', not one of its candidates \(a, b\)"):
        await face.call()


async def test_the_pools_lock_is_free_while_a_balancer_function_runs(
    new_face: Callable[..., Face],
) -> None:
    """A function of the user's may use the pool (B7, B15)."""
    seen = []

    def curious(candidates: Sequence[Member[Client]], call: Call) -> Member[Client]:
        seen.append(face.stats().in_flight)
        return candidates[0]

    face = new_face("a", balancer=curious)
    assert await face.call() == "a"
    assert seen == [0]


async def test_execute_runs_a_function_on_a_member(face: Face) -> None:
    """Its result is returned, and it counts as a call named execute."""
    assert await face.execute() == "a"
    assert [method.name for method in face.stats().methods if method.successes] == ["execute"]


async def test_methods_of_one_name_share_their_numbers(face: Face) -> None:
    """A label stands once in the stats, however many methods bear it."""
    await face.call(face.method())
    await face.call(face.method())
    await face.execute()
    await face.execute(idempotent=True)
    assert [(method.name, method.successes) for method in face.stats().methods] == [
        ("get", 2),
        ("execute", 2),
    ]


async def test_methods_known_from_the_start_are_listed_before_they_are_called(face: Face) -> None:
    """Series of a metric exist from the beginning."""
    pool = type(face.pool)("p", methods=[Method("one", lambda client, args: None)])
    assert [method.name for method in pool.stats().methods] == ["one"]


async def test_execute_tells_functions_of_threads_and_tasks_apart() -> None:
    """A function for the other kind of pool is named, and its result is not taken for an answer."""

    async def ask(client: Client) -> str:
        return client.name

    def ask_at_once(client: Client) -> str:
        return client.name

    pool, tasks = Pool[Client]("shops"), AsyncPool[Client]("shops")
    for one in (pool, tasks):
        one.add_client(Client("a"))
    with pytest.raises(TypeError, match="this one is a coroutine function: an AsyncPool"):
        pool.execute(ask)
    wrong: Any = ask_at_once
    with pytest.raises(TypeError, match="ask_at_once returned str: pass a coroutine function"):
        await tasks.execute(wrong)
    assert pool.execute(ask_at_once) == await tasks.execute(ask) == "a"
    assert await tasks.execute(lambda client: ask(client)) == "a"
    await tasks.close()
