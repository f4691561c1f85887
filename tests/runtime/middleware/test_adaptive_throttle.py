"""AdaptiveThrottle: the share that the servers refuse decides what share is refused here."""

import random
from typing import Any

import pytest

from connpool_runtime import Throttled
from connpool_runtime.middleware import AdaptiveThrottle, Retry
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import Face


class TooMany(Exception):
    """What a server answers that has too much to do: its status says so."""

    status_code = 429


class Overloaded:
    """A pool whose servers take so many of each hundred calls, and refuse the others."""

    def __init__(self, face: Face, **options: Any) -> None:
        self.face = face
        self.clock = FakeClock()
        self.dice = random.Random(1)
        options = {"clock": self.clock, "random": self.dice.random, **options}
        self.throttle = AdaptiveThrottle(**options)
        face.pool.register_middleware(self.throttle)
        self.served = self.refused = self.throttled = 0

    async def calls(self, count: int, takes: float, error: Exception | None = None) -> None:
        """Call so often, ten times a second, of servers that take such a share of what reaches them."""
        for number in range(count):
            self.clock.sleep(0.1)
            for client in self.face.clients.values():
                client.script.clear()
                if number % 100 >= 100 * takes:
                    client.script.append(error or TooMany())
            answer = await self.face.outcome(self.face.call())
            if isinstance(answer, Throttled):
                self.throttled += 1
            elif isinstance(answer, Exception):
                self.refused += 1
            else:
                self.served += 1


async def test_servers_that_take_all_calls_get_all_calls(face: Face) -> None:
    """Nothing is refused, not even while some calls are, as long as half of them are taken."""
    pool = Overloaded(face)
    await pool.calls(300, takes=1.0)
    await pool.calls(300, takes=0.6)
    assert pool.throttled == 0


@pytest.mark.parametrize(("max_share", "most"), [(0.8, 0.25), (1.0, 0.03)])
async def test_servers_that_take_nothing_get_few_calls(
    face: Face, max_share: float, most: float
) -> None:
    """A fifth of them by default, so that somebody finds out when that is over."""
    pool = Overloaded(face, max_share=max_share)
    await pool.calls(1200, takes=0.0)
    pool.refused = pool.throttled = 0
    await pool.calls(1000, takes=0.0)
    assert pool.refused < most * 1000
    assert (pool.refused > 150) is (max_share < 1.0)
    assert pool.throttle.refusal_share() == pytest.approx(max_share, abs=0.01)


@pytest.mark.parametrize(("ratio", "seen"), [(2.0, 0.4), (1.5, 0.3)])
async def test_the_servers_see_a_multiple_of_what_they_take(
    face: Face, ratio: float, seen: float
) -> None:
    """Where ten calls a second meet room for two, four reach the servers with a ratio of 2, and three with 1.5."""
    pool = Overloaded(face, ratio=ratio)
    reached = taken = 0
    for number in range(6000):
        pool.clock.sleep(0.1)
        taken = 0 if number % 10 == 0 else taken
        for client in face.clients.values():
            client.script.clear()
            if taken >= 2:
                client.script.append(TooMany())
        answer = await face.outcome(face.call())
        taken += isinstance(answer, str)
        reached += number >= 3000 and not isinstance(answer, Throttled)
    assert reached / 3000 == pytest.approx(seen, abs=0.05)


async def test_it_is_over_when_the_servers_are_well_again(face: Face) -> None:
    """Two minutes later nothing is left of it."""
    pool = Overloaded(face)
    await pool.calls(600, takes=0.0)
    assert pool.throttle.refusal_share() == 0.8
    await pool.calls(3000, takes=1.0)
    pool.throttled = 0
    await pool.calls(100, takes=1.0)
    assert pool.throttled == 0


async def test_few_calls_are_no_evidence(face: Face) -> None:
    """Below `minimum_calls` nothing is refused."""
    pool = Overloaded(face, minimum_calls=20)
    await pool.calls(20, takes=0.0)
    assert pool.throttled == 0
    assert pool.throttle.refusal_share() == 0.8


@pytest.mark.parametrize(("failures", "refuses"), [(False, False), (True, True)])
async def test_failures_count_if_so_chosen(new_face: Any, failures: bool, refuses: bool) -> None:
    """A server that is down refuses nothing; breakers are for that."""
    pool = Overloaded(new_face("a", max_fails=0), failures=failures)
    await pool.calls(100, takes=0.0, error=ConnectionError("down"))
    assert (pool.throttled > 0) is refuses


async def test_refusals_of_the_pool_count_as_nothing(face: Face) -> None:
    """Nobody was asked."""
    pool = Overloaded(face, random=lambda: 1.0)
    await pool.calls(100, takes=0.4)
    share = pool.throttle.refusal_share()
    assert 0.1 < share < 0.3
    for name in "abc":
        face.pool.eject(name)
    await pool.calls(100, takes=1.0)
    assert pool.throttle.refusal_share() == share


async def test_methods_are_apart_if_so_chosen(face: Face) -> None:
    """A report that is refused keeps nobody from looking something up."""
    pool = Overloaded(face, per_method=True)
    await pool.calls(200, takes=0.0)
    assert pool.throttle.refusal_share("get") == 0.8
    assert pool.throttle.refusal_share("other") == 0.0


async def test_a_refusal_is_counted_and_not_tried_again(face: Face) -> None:
    """Inside a `Retry` each attempt is one request."""
    face.pool.register_middleware(Retry(base=0.0))
    throttle = AdaptiveThrottle(random=lambda: 0.0, minimum_calls=1)
    face.pool.register_middleware(throttle)
    face.fail("a", error=TooMany())
    face.fail("b", error=TooMany())
    answer = await face.outcome(face.call(face.method(idempotent=True)))
    assert isinstance(answer, Throttled)
    assert "of the calls of test.get are refused" in str(answer)
    assert [client.calls for client in face.clients.values()].count(1) == 1
    numbers = {one.name: one.value for one in face.stats().middleware}
    assert numbers["rejections"] == 1
    assert numbers["throttle_share"] > 0.5


@pytest.mark.parametrize(
    "options", [{"ratio": 0.9}, {"window": 0}, {"minimum_calls": -1}, {"max_share": 2}], ids=str
)
def test_numbers_that_are_not_allowed(options: dict[str, Any]) -> None:
    """They are refused by their names."""
    with pytest.raises(ValueError, match=next(iter(options))):
        AdaptiveThrottle(**options)
