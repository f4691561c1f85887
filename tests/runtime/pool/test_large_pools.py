"""What a change of one member costs, and what a member weighs, however many members there are."""

import math
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    Pool,
    PoolClosed,
    TooManyWaiting,
    UnknownMember,
    calling,
)
from connpool_runtime.members.member import Member
from connpool_runtime.members.new_client import NewClient
from tests.runtime.costs import functions_called
from tests.thorough import thorough
from tests.waiting import eventually

FEW, MANY = 250, 4_000
# Sixteen times as many members: what is quadratic costs sixteen times as much for each of them.
GROWTH = 6.0
BALANCERS = (
    *("round_robin", "random", "weighted_random", "weighted_round_robin"),
    *("least_request", "peak_ewma", "consistent_hash"),
)
SAMPLE = 50  # members that are changed for a measurement


class Client:
    """Does nothing."""


def filled(members: int, **options: Any) -> Pool[Client]:
    pool = Pool[Client](max_fails=1, panic_threshold=0, cooldown=1e6, **options)
    pool.add_clients(NewClient(Client()) for _ in range(members))
    call(pool)
    return pool


def call(pool: Pool[Client]) -> None:
    pool.execute(lambda _: None, key="key")


def fail(_: Client) -> None:
    raise ConnectionError


def refused(pool: Pool[Client]) -> None:
    with suppress(ConnectionError, AllMembersOpen):
        pool.execute(fail)


def seconds(work: Callable[[], object]) -> float:
    """Seconds of this process, which others on the machine do not lengthen."""
    began = time.process_time()
    work()
    return time.process_time() - began


def names(pool: Pool[Client]) -> list[str]:
    every = max(1, len(pool.members) // SAMPLE)
    return [member.name for member in pool.members][::every]


def added(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    return seconds(lambda: [pool.add_client(Client()) for _ in range(SAMPLE)]) / SAMPLE


def flapped(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    chosen = names(pool)

    def flap() -> None:
        for name in chosen:
            pool.eject(name)
            call(pool)
            pool.uneject(name)
            call(pool)

    return seconds(flap) / len(chosen)


def removed(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    chosen = names(pool)
    return seconds(lambda: [pool.remove_client(name) for name in chosen]) / len(chosen)


def closed(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    return seconds(pool.close) / members


def all_failed(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    spent = seconds(lambda: [refused(pool) for _ in range(members)]) / members
    assert {member.breaker.state.value for member in pool.members} == {"open"}
    return spent


def all_refused(members: int, **options: Any) -> float:
    pool = filled(members, **options)
    for member in pool.members:
        pool.eject(member.name)
    refused(pool)
    return seconds(lambda: [refused(pool) for _ in range(SAMPLE)]) / SAMPLE


def asked_by_label(members: int, **options: Any) -> float:
    """Call member after member by a label of its own, as shards are called."""
    pool = Pool[Client](**options)
    pool.add_clients(NewClient(Client(), labels={"shard": str(one)}) for one in range(members))
    shards = [str(one) for one in range(0, members, members // (4 * SAMPLE))]

    def ask() -> None:
        for shard in shards:
            with calling(label={"shard": shard}):
                call(pool)

    ask()
    return seconds(ask) / len(shards)


def refused_by_label(members: int, **options: Any) -> float:
    """The same, where all of these members are ejected."""
    pool = Pool[Client](**options)
    pool.add_clients(NewClient(Client(), labels={"shard": str(one)}) for one in range(members))
    shards = range(0, members, members // (4 * SAMPLE))
    for shard in shards:
        pool.eject(f"m{shard + 1}")

    def ask() -> None:
        for shard in shards:
            with calling(label={"shard": str(shard)}), pytest.raises(AllMembersOpen):
                call(pool)

    ask()
    return seconds(ask) / len(shards)


def added_while_awaited(members: int, **options: Any) -> float:
    """Add members to a pool while a caller waits until it has twice as many healthy ones."""
    pool = filled(members, **options)
    waiting = Thread(target=lambda: wait_ready(pool, 2 * members))
    waiting.start()
    assert eventually(lambda: pool._state.readiness)
    spent = seconds(lambda: [pool.add_client(Client()) for _ in range(SAMPLE)]) / SAMPLE
    pool.close()
    waiting.join()
    return spent


def wait_ready(pool: Pool[Client], members: int) -> None:
    with suppress(PoolClosed):
        pool.wait_ready(members, timeout=60.0)


def grows(measure: Callable[..., float], **options: Any) -> float:
    """How many times as long it takes among many: the least of several pairs that were measured in turn.

    In turn, because on a busy machine a moment of quiet for the few alone would look like growth.
    """
    least = math.inf
    for _ in range(10):
        few = min(measure(FEW, **options) for _ in range(3))
        least = min(least, measure(MANY, **options) / few)
        if least < GROWTH / 2:
            break
    return least


@pytest.mark.parametrize("measure", [added, flapped, removed, closed], ids=lambda one: one.__name__)
@thorough
@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_change_costs_the_same_among_many(measure: Callable[..., float], balancer: str) -> None:
    """To add, eject, remove or close one member takes no longer in a large pool, whatever the balancer."""
    assert grows(measure, balancer=balancer) < GROWTH


@pytest.mark.parametrize(
    "options",
    [
        {"max_concurrency": 1},
        {"slow_start": 30.0},
        {"max_ejection_share": 0.99},
        {"failure_rate_threshold": 0.9, "minimum_calls": 5},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("measure", [added, flapped, removed], ids=lambda one: one.__name__)
def test_options_do_not_change_that(measure: Callable[..., float], options: dict[str, Any]) -> None:
    """Nor does it with limits, slow starts, a cap on ejections or rates."""
    assert grows(measure, **options) < GROWTH


def test_members_join_as_fast_while_they_are_awaited() -> None:
    """While `wait_ready` waits for a pool to fill, a member that joins costs the same among many."""
    assert grows(added_while_awaited) < GROWTH


def test_a_wrong_name_is_answered_with_some_of_the_names() -> None:
    """The message about an unknown member names the members of a small pool, and few of a large one."""
    for members, shown in ((3, "it has 'm1', 'm2', 'm3'"), (5_000, "'m20' and 4980 others")):
        pool = filled(members)
        with pytest.raises(UnknownMember) as caught:
            pool.eject("m")
        assert str(caught.value).endswith(shown)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("measure", [asked_by_label, refused_by_label], ids=lambda m: m.__name__)
def test_calls_by_label_cost_the_same_among_many(measure: Callable[..., float]) -> None:
    """Calls of hundreds of shards in turn, each by its label, look at the members of their shard only."""
    assert grows(measure) < GROWTH


@pytest.mark.parametrize("measure", [all_failed, all_refused], ids=lambda one: one.__name__)
def test_an_outage_of_all_costs_each_call_the_same(measure: Callable[..., float]) -> None:
    """When all members fail, one after the other, and when all are cut off, no call looks at all of them."""
    assert grows(measure) < GROWTH


@thorough
@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_member_weighs_the_same_among_many(balancer: str) -> None:
    """Memory grows with the members, and one of them has its price."""

    def weight(members: int) -> float:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        pool = filled(members, balancer=balancer)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        pool.close()
        return (after - before) / members

    most = (
        24_000 if balancer == "consistent_hash" else 2_500
    )  # bytes; a ring has 128 points for each
    many = weight(4 * FEW)
    assert many < most
    assert many < 1.5 * weight(FEW)


def test_closing_costs_the_same_among_many_pools() -> None:
    """A pool is closed at the same cost where the process has a thousand others, as one for each tenant."""

    def cost() -> int:
        pool = Pool[object]("shops")
        pool.add_client(object())
        return functions_called(pool.close)

    cost()
    alone = cost()
    others = [Pool[object](f"p{number}") for number in range(1000)]
    assert cost() == alone
    assert len(others) == 1000


@pytest.mark.parametrize("max_waiting", [1, 2])
def test_calls_that_find_others_waiting_look_at_no_member(
    max_waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of busy members none is looked at by a call that joins those that wait, or is refused in their stead."""
    pool = Pool[Client](max_concurrency=1, max_waiting=max_waiting)
    pool.add_clients(NewClient(Client()) for _ in range(FEW))
    with ExitStack() as leases:
        for _ in range(FEW):
            leases.enter_context(pool.lease())
        waiting = [Thread(target=call, args=(pool,)) for _ in range(2)]
        waiting[0].start()
        eventually(lambda: pool.stats().waiting == 1)
        looked = list[Member[Any]]()
        for name in ("free", "in_flight"):
            asked = getattr(Member, name).fget
            told = property(lambda one, asked=asked: looked.append(one) or asked(one))
            monkeypatch.setattr(Member, name, told)
        if max_waiting == 1:
            with pytest.raises(TooManyWaiting, match=f"all {FEW} available members of pool"):
                call(pool)
        else:
            waiting[1].start()
            eventually(lambda: len(pool._state.queue.waiters) == 2)
        monkeypatch.undo()
        assert looked == []
    for thread in waiting[:max_waiting]:
        thread.join()
    pool.close()
