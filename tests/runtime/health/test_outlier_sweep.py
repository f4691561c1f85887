"""Pools that compare their members: outliers are cut off, told about, and let back."""

import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from connpool_runtime import (
    AllMembersOpen,
    BreakerChanged,
    BreakerState,
    Call,
    OutlierDetected,
    OutlierEjected,
    Phase,
    Pool,
    Proceed,
)
from connpool_runtime.health.outlier_sweep import OutlierSweep
from connpool_runtime.members.ewma import LatencySums
from tests.runtime.faces import Client, Face, until
from tests.runtime.forking import forks, in_child

NAMES = "abcde"
pytestmark = forks  # one test forks, and none minds
RULES: dict[str, Any] = {
    "max_fails": 0,
    "outlier_success_rate_stdev": 1.9,
    "outlier_latency_stdev": 1.9,
    "outlier_minimum_calls": 20,
    "outlier_interval": 3600.0,  # the sweeps of these tests are their own
}


class Sweeping:
    """A pool of five, swept by hand."""

    def __init__(self, new_face: Callable[..., Face], **options: Any) -> None:
        self.face = new_face(*NAMES, **{**RULES, **options})
        self.checkout = self.face.pool._checkout
        self.outliers = OutlierSweep(self.checkout)
        self.failing = self.slow = ""
        for client in self.face.clients.values():
            client.next = partial(self.answer, client)  # type: ignore[method-assign]  # of this one
        self.sweep()

    def answer(self, client: Client) -> str:
        if client.name in self.slow:
            self.face.clock.sleep(1.0)
        if client.name in self.failing:
            raise ConnectionError(client.name)
        return client.name

    def sweep(self) -> None:
        self.outliers(self.checkout)

    async def calls(self, rounds: int = 30, failing: str = "", slow: str = "") -> None:
        """Call all members in turn."""
        self.failing, self.slow = failing, slow
        await self.face.calls(rounds * len(NAMES))
        self.failing = self.slow = ""

    def open(self) -> list[str]:
        members = self.face.pool.members
        return [one.name for one in members if one.breaker.state is not BreakerState.OPEN]

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.face.events if isinstance(event, kind)]


class PassesOn:
    """A middleware of both kinds that does nothing."""

    def __init__(self, phases: list[Phase] | None) -> None:
        if phases is not None:
            self.phases = phases

    def around(self, call: Call, proceed: Proceed) -> Any:
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        return await proceed(call)


async def test_a_member_that_fails_more_often_is_cut_off_and_told_about(
    new_face: Callable[..., Face],
) -> None:
    """Its breaker opens for the ejection time, with the reason; events and numbers have it too."""
    pool = Sweeping(new_face)
    await pool.calls(failing="b")
    pool.sweep()
    assert pool.open() == ["a", "c", "d", "e"]
    (changed,), (ejected,) = pool.told(BreakerChanged), pool.told(OutlierEjected)
    assert isinstance(changed.cause, OutlierDetected)
    assert "'b' is ejected for 30 s: 0.0% of its 30 calls succeeded" in str(changed.cause)
    assert (ejected.member, ejected.measure, ejected.calls) == ("b", "success_rate", 30)
    assert (ejected.value, ejected.mean, ejected.seconds) == (0.0, 0.8, 30.0)
    stats = pool.face.stats()
    assert stats.outlier_ejections == (("success_rate", 1),)
    assert {member.name: member.trips for member in stats.members}["b"] == 1
    await pool.face.close()


async def test_a_member_that_is_slower_is_cut_off(new_face: Callable[..., Face]) -> None:
    """Latency is compared on the fast path of a plain pool too."""
    pool = Sweeping(new_face)
    await pool.calls(slow="d")
    pool.sweep()
    assert pool.open() == ["a", "b", "c", "e"]
    (ejected,) = pool.told(OutlierEjected)
    assert (ejected.measure, ejected.calls) == ("latency", 30)
    assert ejected.value == pytest.approx(1.0)
    await pool.face.close()


async def test_who_writes_is_not_compared_with_who_reads(new_face: Callable[..., Face]) -> None:
    """Where calls are routed; a primary that fails or is slow by its nature is no outlier among replicas."""
    for options, left in (({"default_route": "any"}, "abcde"), ({}, "acde")):
        pool = Sweeping(new_face, **options)
        pool.face.pool.set_labels("b", {"role": "primary"})
        await pool.calls(failing="b")
        pool.sweep()
        assert "".join(pool.open()) == left
        await pool.calls(slow="d")
        await pool.face.close()


@pytest.mark.parametrize("middleware", [None, "in phases", "around each call"])
@pytest.mark.parametrize(
    "options", [{}, {"max_concurrency": 1}, {"balancer": "least_request"}], ids=str
)
async def test_latency_is_compared_on_every_path(
    options: dict[str, Any], middleware: str | None, new_face: Callable[..., Face]
) -> None:
    """With members that take one call at a time, with a balancer that looks at calls, and with middleware: each call once."""
    pool = Sweeping(new_face, **options)
    if middleware is not None:
        phases = [Phase.FAILED] if middleware == "in phases" else None
        pool.face.pool.register_middleware(PassesOn(phases))
    await pool.calls(60, slow="d")
    sums = [cast("LatencySums", one.latency) for one in pool.face.pool.members]
    assert [one.timed for one in sums] == [one.served for one in pool.face.pool.members]
    pool.sweep()
    assert pool.open() == ["a", "b", "c", "e"]
    await pool.face.close()


async def test_when_all_are_ill_alike_nobody_is_cut_off(new_face: Callable[..., Face]) -> None:
    """There is no outlier among equals."""
    pool = Sweeping(new_face)
    await pool.calls(failing=NAMES)
    pool.sweep()
    assert pool.open() == [*NAMES]
    await pool.face.close()


async def test_after_the_ejection_time_probes_decide(new_face: Callable[..., Face]) -> None:
    """As after any cooldown; ejected again in the next interval, it is cut off for twice as long."""
    pool = Sweeping(new_face)
    await pool.calls(failing="b")
    pool.sweep()
    pool.face.clock.sleep(29.0)
    await pool.calls(1)
    assert "b" not in pool.open()
    pool.face.clock.sleep(2.0)
    pool.sweep()
    await pool.calls(failing="b")
    assert pool.face.member("b").breaker.state is BreakerState.OPEN  # by its probe
    pool.face.clock.sleep(10.0)
    await pool.calls(2)
    assert pool.face.member("b").breaker.state is BreakerState.CLOSED
    await pool.calls(failing="b")
    pool.sweep()
    assert pool.told(OutlierEjected)[-1].seconds == 60.0
    await pool.face.close()


async def test_no_more_are_cut_off_than_may_be(new_face: Callable[..., Face]) -> None:
    """One of five by default; the other one is spared, and counted."""
    pool = Sweeping(new_face, outlier_success_rate_stdev=1.0)
    await pool.calls(failing="bd")
    pool.sweep()
    assert len(pool.open()) == 4
    assert sum(member.spared for member in pool.face.stats().members) == 1
    await pool.face.close()


@pytest.mark.parametrize(
    "limit",
    [{"max_ejection_share": 0.0}, {"panic_threshold": 1.0}],
    ids=["ejection share", "panic"],
)
async def test_limits_of_the_pool_hold(
    limit: dict[str, Any], new_face: Callable[..., Face]
) -> None:
    """Who must not be cut off, or would bring about a panic, is not cut off by comparison either."""
    pool = Sweeping(new_face, **limit)
    await pool.calls(failing="b")
    pool.sweep()
    assert pool.open() == [*NAMES]
    assert pool.face.member("b").breaker.spared == 1
    assert pool.face.stats().outlier_ejections == ()
    await pool.face.close()


async def test_in_a_dry_run_nobody_is_cut_off(new_face: Callable[..., Face]) -> None:
    """The breaker opens and tells, and its member gets calls all the same."""
    pool = Sweeping(new_face, metrics_only=True)
    await pool.calls(failing="b")
    pool.sweep()
    (ejected,) = pool.told(OutlierEjected)
    assert not ejected.enforced
    assert "b" in await pool.face.calls(5)
    await pool.face.close()


async def test_who_is_called_last_hears_why(new_face: Callable[..., Face]) -> None:
    """If everybody else is cut off by hand, the refusal has the comparison as its cause."""
    pool = Sweeping(new_face)
    await pool.calls(failing="b")
    pool.sweep()
    for name in pool.open():
        pool.face.pool.eject(name)
    refusal = await pool.face.outcome(pool.face.call())
    assert isinstance(refusal, AllMembersOpen)
    assert isinstance(refusal.cause, OutlierDetected)
    await pool.face.close()


async def test_sweeps_come_by_themselves(new_face: Callable[..., Face]) -> None:
    """A pool compares its members every interval, from its first call on until it is closed."""
    pool = Sweeping(new_face)
    worker = pool.face.pool._state.sweepers[0]._worker
    await until(lambda: worker.running)

    await pool.calls(1)

    async def interval() -> None:
        pool.face.clock.sleep(3600.0)
        worker.wake()  # it waits by the clock on the wall
        await until(lambda: worker._until == pool.face.clock() + 3600.0)

    await interval()
    await pool.calls(failing="b")
    await interval()
    await until(lambda: bool(pool.told(OutlierEjected)))
    await pool.face.close()
    await until(lambda: not worker.running)


async def test_a_forgotten_pool_is_swept_no_more() -> None:
    """The thread does not keep it alive."""
    before = threading.active_count()
    pool = Pool[Any]("forgotten", **RULES)
    pool.add_client(object())
    assert threading.active_count() == before + 1
    gone = weakref.ref(pool._checkout)
    thread = next(
        one for one in threading.enumerate() if one.name == "outliers of pool 'forgotten'"
    )
    del pool

    def is_collected() -> bool:
        gc.collect()
        return gone() is None

    await until(is_collected)  # its thread may just be sweeping
    thread.join(5.0)
    assert not thread.is_alive()


def test_a_child_process_sweeps_too() -> None:
    """The first call there starts the worker anew."""
    pool = Pool[Any]("parent", **RULES)
    pool.add_client(object())
    worker = pool._state.sweepers[0]._worker
    pool.execute(lambda _: None)
    assert worker.running

    def child() -> tuple[bool, bool]:
        before = worker.running
        pool.execute(lambda _: None)
        return before, worker.running

    assert in_child(child) == "(False, True)"
    pool.close()


@pytest.mark.parametrize("name", ["outlier_success_rate_stdev", "outlier_latency_stdev"])
def test_a_rule_that_can_find_nobody_is_refused(name: str) -> None:
    """Of three members none is farther than 1.414 deviations from the mean."""
    fine: dict[str, Any] = {"outlier_minimum_members": 3, name: 1.4}
    Pool("fine", **fine)
    with pytest.raises(ValueError, match=rf"{name}.*below 1\.414.*of 3 members"):
        Pool("never", **{**fine, name: 1.9})
