"""Hedging: a second member is asked when the first takes long; nobody is blamed for losing."""

import asyncio
import gc
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Call, Member, Method, Outcome, Pool
from connpool_runtime.middleware import Hedging, Retry, RetryBudget, Timeout
from tests.runtime.faces import counted, until


class Client:
    """Answers at once, hangs, or fails; may fail after a while."""

    def __init__(self, name: str, answer: object = None, *, after: float = 0.0) -> None:
        self.name = name
        self.answer = answer or name
        self.after = after
        self.calls = 0
        self.cancelled = 0

    async def get(self) -> Any:
        self.calls += 1
        try:
            await asyncio.sleep(self.after)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


GET: Method[Client, Awaitable[Any]] = Method("get", lambda client, _: client.get(), idempotent=True)
HANGS = 60.0


def pool_of(*clients: Client, middleware: Hedging | None = None) -> AsyncPool[Client]:
    pool = AsyncPool[Client]("test", random=lambda: 0.0)
    pool.register_middleware(middleware or Hedging(0.005))
    for client in clients:
        pool.add_client(client, client.name)
    return pool


def numbers(pool: AsyncPool[Client]) -> dict[str, float]:
    return {number.name: number.value for number in pool.stats().middleware}


async def test_the_second_member_answers_for_one_that_hangs() -> None:
    """The call is one success; the loser is cancelled, neutral and free again."""
    pool = pool_of(slow := Client("a", after=HANGS), Client("b"))
    assert await pool.call(GET) == "b"
    await until(lambda: slow.cancelled == 1)
    await until(lambda: pool.stats().in_flight == 0)
    a, b = pool.stats().members
    assert (a.failures, a.neutrals, b.successes) == (0, 1, 1)
    assert counted(pool.stats())[Outcome.SUCCESS] == 1
    assert numbers(pool) == {"hedges": 1, "hedges_won": 1}


@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "validated"])
async def test_members_that_losing_ejects_are_told_of_once(
    checked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a client serves one call at a time and nothing validates it, each race takes a member away."""
    pool = AsyncPool[Client]("test", random=lambda: 0.0, max_concurrency=1, balancer=the_first)
    pool.register_middleware(Hedging(0.005))
    for client in (Client("a", after=HANGS), Client("b")):
        pool.add_client(client, client.name, validate=(lambda: True) if checked else None)
    with caplog.at_level(logging.WARNING, "connpool_runtime"):
        for _ in range(2):
            assert await pool.call(GET) == "b"
            await until(lambda: pool.stats().in_flight == 0)
            assert pool.stats().members[0].healthy is checked
            pool.uneject("a")
    told = [vars(record)["event_name"] for record in caplog.records]
    assert told == ([] if checked else ["hedging_ejects", "member_ejected", "member_ejected"])


def the_first(members: Sequence[Member[Client]], call: Call) -> Member[Client]:
    return min(members, key=lambda member: member.name)


async def test_a_fast_member_is_not_hedged() -> None:
    """Nobody else is asked."""
    pool = pool_of(Client("a"), other := Client("b"), middleware=Hedging(30.0))
    assert await pool.call(GET) == "a"
    assert other.calls == 0
    assert numbers(pool) == {"hedges": 0, "hedges_won": 0}


@pytest.mark.parametrize("error", [ConnectionError("down"), KeyError("no such key")])
async def test_a_call_that_failed_at_once_is_over(error: Exception) -> None:
    """No other attempt is started when the delay has passed by then."""
    pool = pool_of(Client("a", error), other := Client("b"), middleware=Hedging(0.01))
    with pytest.raises(type(error)):
        await pool.call(GET)
    await asyncio.sleep(0.05)
    assert other.calls == 0
    assert numbers(pool) == {"hedges": 0, "hedges_won": 0}


async def test_a_quick_call_makes_no_task() -> None:
    """Before the delay has passed the attempt runs in the caller's own task, beside no other."""
    tasks: list[Any] = []

    class Watching(Client):
        async def get(self) -> Any:
            await asyncio.sleep(0)
            tasks.append((asyncio.current_task(), len(asyncio.all_tasks())))
            return self.name

    pool = pool_of(Watching("a"), middleware=Hedging(30.0))
    before = len(asyncio.all_tasks())
    assert await pool.call(GET) == "a"
    assert tasks == [(asyncio.current_task(), before)]


async def test_the_winner_leaves_no_cancellation_behind() -> None:
    """The task whose first attempt was cut short goes on as if nobody had cancelled it."""
    pool = pool_of(Client("a", after=HANGS), Client("b"))
    assert await pool.call(GET) == "b"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_cancellation_by_the_caller_wins_over_a_hedge() -> None:
    """Cancelled by the caller in the very moment in which a hedge answers, the call is cancelled."""
    answered = asyncio.Event()

    class Late(Client):
        async def get(self) -> Any:
            await answered.wait()
            return self.name

    pool = pool_of(slow := Client("a", after=HANGS), Late("b"))
    task = asyncio.ensure_future(pool.call(GET))
    await until(lambda: numbers(pool)["hedges"] == 1)
    await asyncio.sleep(0)
    answered.set()
    hedge = next(one for one in asyncio.all_tasks() if one not in (task, asyncio.current_task()))
    hedge.add_done_callback(lambda _: task.cancel())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.cancelled == 1
    await until(lambda: pool.stats().in_flight == 0)


async def test_a_client_that_swallows_the_cancellation_still_answers() -> None:
    """What it returns in spite of it is the call's answer, and the task is not cancelled any more."""

    class Stubborn(Client):
        async def get(self) -> Any:
            try:
                await asyncio.sleep(HANGS)
            except asyncio.CancelledError:
                return "stubborn"

    pool = pool_of(Stubborn("a"), Client("b"))
    assert await pool.call(GET) == "stubborn"
    await asyncio.sleep(0)
    await until(lambda: pool.stats().in_flight == 0)


async def test_a_layer_outside_sees_the_winner() -> None:
    """Member, attempts and outcome of the call are those of the attempt that answered."""
    pool = AsyncPool[Client]("test", random=lambda: 0.0)
    seen = []

    async def look(call: Any, proceed: Any) -> Any:
        result = await proceed(call)
        seen.append((call.member.name, call.attempt, call.outcome))
        return result

    pool.register_middleware(look)
    pool.register_middleware(Hedging(0.005))
    for client in (Client("a", after=HANGS), Client("b")):
        pool.add_client(client, client.name)
    await pool.call(GET)
    assert seen == [("b", 2, Outcome.SUCCESS)]


async def test_a_failure_waits_for_the_other_attempt() -> None:
    """The hedge may still succeed."""
    pool = pool_of(Client("a", ConnectionError("a"), after=0.02), Client("b", after=0.04))
    assert await pool.call(GET) == "b"


async def test_when_all_fail_the_first_error_is_raised() -> None:
    """And each member is charged with its own failure."""
    pool = pool_of(Client("a", ConnectionError("a"), after=0.02), Client("b", ConnectionError("b")))
    with pytest.raises(ConnectionError, match="a"):
        await pool.call(GET)
    assert [member.failures for member in pool.stats().members] == [1, 1]
    assert counted(pool.stats())[Outcome.FAILURE] == 1


async def test_attempts_that_end_in_one_step_leave_no_error_behind() -> None:
    """The one that lost is asked for its error, or asyncio would complain that nobody was."""
    complaints: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    both = asyncio.Event()

    class Together(Client):
        async def get(self) -> Any:
            self.calls += 1
            await both.wait()
            if self.name == "b":
                raise ConnectionError("b")
            return self.name

    pool = pool_of(Together("a"), last := Together("b"))
    task = asyncio.ensure_future(pool.call(GET))
    await until(lambda: last.calls == 1)
    both.set()
    assert await task == "a"
    pool.uneject("b")  # whose breaker remembers the error
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_lone_member_is_hedged_anew_by_a_retry() -> None:
    """What was tried before the race does not count: an old member is better than none."""
    pool = AsyncPool[Client]("test")
    pool.register_middleware(Retry(2, base=0.0))
    pool.register_middleware(Hedging(30.0))
    only = Client("a", ConnectionError("a"))
    pool.add_client(only, "a")
    with pytest.raises(ConnectionError):
        await pool.call(GET)
    assert only.calls == 2


async def test_an_attempt_may_be_retried_on_its_own_member() -> None:
    """With a retry inside the race, only the members of the other attempts are closed to it."""
    pool = AsyncPool[Client]("test")
    pool.register_middleware(Hedging(30.0))
    pool.register_middleware(Retry(2, base=0.0))
    only = Client("a", ConnectionError("a"))
    pool.add_client(only, "a")
    with pytest.raises(ConnectionError):
        await pool.call(GET)
    assert only.calls == 2


async def test_a_timeout_around_the_race_is_a_failure_of_all_attempts() -> None:
    """The members of all of them were too slow, and none was cancelled by the caller."""
    pool = AsyncPool[Client]("test")
    pool.register_middleware(Timeout(0.03))
    pool.register_middleware(Hedging(0.005))
    for name in "ab":
        pool.add_client(Client(name, after=HANGS), name)
    with pytest.raises(TimeoutError):
        await pool.call(GET)
    assert [member.failures for member in pool.stats().members] == [1, 1]


async def test_a_failure_before_the_delay_ends_the_call() -> None:
    """Trying again is the business of a retry."""
    pool = pool_of(
        Client("a", ConnectionError("a")), other := Client("b"), middleware=Hedging(30.0)
    )
    with pytest.raises(ConnectionError):
        await pool.call(GET)
    assert other.calls == 0


async def test_an_answer_is_final() -> None:
    """The other attempt would end the same way."""
    get: Method[Client, Awaitable[Any]] = Method(
        "get", lambda client, _: client.get(), idempotent=True, expected=(LookupError,)
    )
    pool = pool_of(slow := Client("a", after=HANGS), Client("b", LookupError("mine")))
    with pytest.raises(LookupError, match="mine"):
        await pool.call(get)
    await until(lambda: slow.cancelled == 1)


async def test_other_methods_are_not_hedged() -> None:
    """A write must not be done twice, nor a stream be opened twice."""
    pool = pool_of(Client("a", after=0.03), other := Client("b"))
    write: Method[Client, Awaitable[Any]] = Method("set", lambda client, _: client.get())
    assert await pool.call(write) == "a"
    assert other.calls == 0


async def test_cancelling_the_call_cancels_all_attempts() -> None:
    """When the caller has its CancelledError, nothing runs any more."""
    clients = [Client("a", after=HANGS), Client("b", after=HANGS)]
    pool = pool_of(*clients)
    task = asyncio.ensure_future(pool.call(GET))
    await until(lambda: clients[1].calls == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [client.cancelled for client in clients] == [1, 1]
    assert pool.stats().in_flight == 0
    assert [member.neutrals for member in pool.stats().members] == [1, 1]


async def test_each_attempt_has_its_own_timeout() -> None:
    """A timeout of one attempt is a failure of its member, though another one was cancelled."""
    pool = pool_of(Client("a", after=HANGS), Client("b", after=HANGS), middleware=Hedging(0.005))
    pool.register_middleware(Timeout(0.02))
    with pytest.raises(TimeoutError):
        await pool.call(GET)
    assert [member.failures for member in pool.stats().members] == [1, 1]


async def test_the_same_member_is_not_asked_twice() -> None:
    """More of the same load would not make it faster: the attempt under way is waited for."""
    pool = pool_of(only := Client("a", after=0.03))
    assert await pool.call(GET) == "a"
    assert only.calls == 1
    assert numbers(pool)["hedges_won"] == 0


async def test_the_budget_bounds_the_hedges() -> None:
    """Without budget the first attempt is waited for."""
    budget = RetryBudget(share=0.0, minimum=0.0)
    pool = pool_of(
        Client("a", after=0.03), other := Client("b"), middleware=Hedging(0.005, budget=budget)
    )
    assert await pool.call(GET) == "a"
    assert other.calls == 0


async def test_without_a_delay_it_follows_the_latencies() -> None:
    """Nothing is hedged until twenty calls were measured; then those beyond the quantile are."""
    slow = Client("a")
    pool = pool_of(slow, Client("b"), middleware=Hedging())
    for _ in range(20):
        await pool.call(GET)
    slow.after = HANGS
    assert [await pool.call(GET) for _ in range(2)] == ["b", "b"]
    assert numbers(pool)["hedges_won"] >= 1


def test_threads_cannot_be_hedged() -> None:
    """A `Pool` refuses it at registration: a blocking call cannot be cancelled."""
    with pytest.raises(TypeError, match="around"):
        Pool("test").register_middleware(Hedging(1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"delay": -1}, "delay"),
        ({"quantile": 1}, "quantile"),
        ({"quantile": math.nan}, "quantile"),
        ({"max_hedges": 0}, "max_hedges"),
    ],
)
def test_its_numbers_are_validated(options: dict[str, Any], name: str) -> None:
    """Bad values are refused by name."""
    make: Callable[..., Hedging] = Hedging
    with pytest.raises(ValueError, match=f"^{name} must be"):
        make(**options)
