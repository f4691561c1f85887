"""Deadline: no call begins too late, and none outlasts its limit where it can be cancelled."""

import asyncio
import math
from typing import Any

import pytest

from connpool_runtime import AsyncPool, AttemptTimeout, DeadlineExceeded, Method, Outcome, deadline
from connpool_runtime import remaining as seconds_left
from connpool_runtime.middleware import Deadline, Timeout
from tests.runtime.faces import Face, counted

NEUTRAL = Outcome.NEUTRAL


class Slow:
    """A client that takes a minute."""

    async def get(self) -> str:
        await asyncio.sleep(60)
        return "late"


GET: Method[Slow, Any] = Method("get", lambda client, args: client.get())


def slow_pool(*middleware: Any) -> AsyncPool[Slow]:
    pool = AsyncPool[Slow]("test", max_fails=1)
    pool.add_client(Slow(), "slow")
    for one in middleware:
        pool.register_middleware(one)
    return pool


async def test_a_call_after_the_deadline_reaches_no_member(face: Face) -> None:
    """It is neutral, and no member is taken for it."""
    face.pool.register_middleware(Deadline())
    with deadline(0), pytest.raises(DeadlineExceeded, match="before get began"):
        await face.call()
    assert sum(client.calls for client in face.clients.values()) == 0
    assert counted(face.stats())[NEUTRAL] == 1
    assert await face.call() == "a"


async def test_a_limit_is_a_deadline_for_what_lies_inside(face: Face) -> None:
    """Each call starts its own; the caller's holds when it is earlier."""
    seen = []

    async def look(call: Any, proceed: Any) -> Any:
        seen.append(seconds_left())
        return await proceed(call)

    face.pool.register_middleware(Deadline(5.0))
    face.register(look)
    await face.call()
    with deadline(1.0):
        await face.call()
    assert seconds_left() == math.inf
    assert 4.0 < seen[0] <= 5.0
    assert 0.0 < seen[1] <= 1.0


@pytest.mark.parametrize("middleware", [(Deadline(0.01),), (Deadline(0.01), Timeout())])
async def test_a_call_is_cancelled_at_its_limit_and_nobody_is_blamed(middleware: Any) -> None:
    """The member may have been as fast as ever: the breaker does not learn of it."""
    pool = slow_pool(*middleware)
    with pytest.raises(DeadlineExceeded, match=r"test\.get did not end before the deadline"):
        await pool.call(GET)
    (member,) = pool.stats().members
    assert (member.failures, member.neutrals, member.trips, member.in_flight) == (0, 1, 0, 0)
    assert counted(pool.stats())[NEUTRAL] == 1


@pytest.mark.parametrize("middleware", [Deadline(), Timeout(), Timeout(50)])
async def test_the_callers_deadline_cancels_as_well(middleware: Any) -> None:
    """An attempt timeout is cut to what is left; cut short, it is no failure of the member."""
    pool = slow_pool(middleware)
    with deadline(0.01), pytest.raises(DeadlineExceeded):
        await pool.call(GET)
    assert pool.stats().members[0].failures == 0


async def test_an_attempt_that_had_its_time_is_a_failure() -> None:
    """The attempt's own limit came first: the member is to blame, deadline or not."""
    pool = slow_pool(Deadline(50), Timeout(0.01))
    with deadline(60), pytest.raises(AttemptTimeout):
        await pool.call(GET)
    assert pool.stats().members[0].failures == 1


async def test_no_attempt_begins_after_the_deadline() -> None:
    """A middleware of attempts refuses too, wherever the time went."""
    pool = slow_pool(Timeout(50))
    with deadline(0), pytest.raises(DeadlineExceeded, match="before an attempt of get began"):
        await pool.call(GET)


async def test_a_clients_own_timeout_stays_its_own() -> None:
    """Only our own cancellation becomes DeadlineExceeded."""
    error = TimeoutError("socket")

    class Client:
        async def get(self) -> str:
            raise error

    pool = AsyncPool[Any]("test")
    pool.add_client(Client())
    pool.register_middleware(Deadline(5.0))
    with pytest.raises(TimeoutError) as caught:
        await pool.call(GET)
    assert caught.value is error
    assert pool.stats().members[0].failures == 1


@pytest.mark.parametrize("limit", [-1, math.nan, math.inf, True, "1"])
def test_its_limit_is_validated(limit: Any) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=r"^limit must be a finite number of seconds"):
        Deadline(limit)
