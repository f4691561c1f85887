"""Options and middleware of a pool that is in use."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import AllMembersOpen, AsyncPool, Method, Pool, PoolClosed, PoolSettings
from connpool_runtime.middleware import Bulkhead, Hedging, Retry
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import Client, until

GET: Method[Any, Any] = Method("get", lambda client, _: client.get())
OTHERS: dict[str, Any] = {
    "amount": 3.5,
    "bounds": (0.1, 1.0),
    "seconds": 7.5,
    "share": 0.5,
    "switch": True,
    "text": "eu",
    "whole number": 25,
}
WORDS = {"balancer": "least_request", "unknown_errors": "failure", "classifier": "redis"}


def pool_of(*names: str, **options: Any) -> tuple[Pool[Client], dict[str, Client]]:
    pool = Pool[Client](**options)
    clients = {name: Client(name) for name in names}
    for name, client in clients.items():
        pool.add_client(client, name)
    return pool, clients


def get(pool: Pool[Client]) -> Any:
    return pool.call(GET)


@pytest.mark.parametrize(
    "name", [name for name, option in PoolSettings.declared.items() if option.reloadable]
)
def test_what_may_change_does(name: str) -> None:
    """Each option that may change does while the pool is used, calls go on, and it comes back by None."""
    pool, _ = pool_of("a", "b")
    rule, default = PoolSettings.declared[name].rule, getattr(pool.settings, name)
    other = WORDS.get(name, OTHERS.get(rule.kind))
    if other == default:
        other = not other
    get(pool)
    changed: Any = {name: other}
    pool.reconfigure(**changed)
    assert getattr(pool.settings, name) == other
    assert get(pool) in ("a", "b")
    back: Any = {name: None}
    pool.reconfigure(**back)
    assert pool.settings == PoolSettings(clock=pool.settings.clock, random=pool.settings.random)
    assert get(pool) in ("a", "b")


@pytest.mark.parametrize(
    "options", [{"leak_threshold": 2.0}, {"outlier_latency_stdev": 1.0, "max_fails": 9}]
)
def test_what_shapes_a_pool_is_refused(options: dict[str, Any]) -> None:
    """What a pool is made with for good is refused by name, and nothing else of the change is done."""
    pool, _ = pool_of("a")
    before = pool.settings
    with pytest.raises(ValueError, match=f"{next(iter(options))} cannot change in a running pool"):
        pool.reconfigure(**options)
    assert pool.settings is before
    pool.reconfigure(leak_threshold=before.leak_threshold)  # no change


def test_a_pool_that_compares_latencies_goes_on_timing() -> None:
    """A change of another option does not take calls off the way on which members are timed."""
    pool, _ = pool_of("a", outlier_latency_stdev=1.0)
    pool.reconfigure(max_fails=9)
    get(pool)
    assert pool.members[0].latency.known[0] > 0.0


def test_what_is_not_allowed_changes_nothing() -> None:
    """A bad value is refused as when the pool is made; a closed pool is refused too."""
    pool, _ = pool_of("a", max_fails=3)
    with pytest.raises(ValueError, match="max_fails must be"):
        pool.reconfigure(max_fails=-1, cooldown=9.0)
    with pytest.raises(TypeError, match="did you mean 'max_fails'"):
        pool.reconfigure(max_fail=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unknown option 'name'; ") as caught:
        pool.reconfigure(name="other")  # type: ignore[call-arg]
    assert "did you mean 'name'" not in str(caught.value)
    assert (pool.settings.max_fails, pool.settings.cooldown) == (3, 5.0)
    pool.close()
    with pytest.raises(PoolClosed):
        pool.reconfigure(max_fails=1)


def test_breakers_go_by_the_new_numbers() -> None:
    """A lower limit holds from the next failure on; a member that is cut off stays so for its time."""
    clock = FakeClock()
    pool, clients = pool_of("a", clock=clock, max_fails=3, cooldown=10.0, panic_threshold=0)
    clients["a"].always = ConnectionError("down")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            get(pool)
    pool.reconfigure(max_fails=2, cooldown=50.0, cooldown_jitter=0)
    with pytest.raises(ConnectionError):
        get(pool)
    with pytest.raises(AllMembersOpen):
        get(pool)
    pool.reconfigure(cooldown=1.0)
    clock.sleep(30.0)
    with pytest.raises(AllMembersOpen):
        get(pool)
    clock.sleep(25.0)
    clients["a"].always = "well"
    assert get(pool) == "well"


def test_another_balancer_takes_over() -> None:
    """Calls go by the new balancer: one that sees the call, one of one's own, and back."""
    pool, _ = pool_of("a", "b", "c")
    pool.reconfigure(balancer="consistent_hash")
    by_key = {pool.execute(lambda client: client.name, key="k") for _ in range(9)}
    assert len(by_key) == 1
    pool.reconfigure(balancer=lambda members, _call: members[-1])
    assert {get(pool) for _ in range(6)} == {"c"}
    pool.reconfigure(balancer="round_robin")
    assert sorted(get(pool) for _ in range(3)) == ["a", "b", "c"]
    assert sum(member.served for member in pool.members) == 18


def test_limits_of_ones_own_stay() -> None:
    """The pool's limit changes for members that have none of their own, and a waiter is served by a larger one."""
    pool = Pool[Client](max_concurrency=1)
    pool.add_client(Client("a"), "a")
    pool.add_client(Client("b"), "b", max_concurrency=3)
    pool.reconfigure(max_concurrency=2)
    assert {member.name: member.limit for member in pool.members} == {"a": 2, "b": 3}
    with pool.lease(), pool.lease(), pool.lease(), pool.lease(), pool.lease():
        assert sum(member.in_flight for member in pool.members) == 5
    pool.reconfigure(max_concurrency=None)
    assert {member.name: member.limit for member in pool.members} == {"a": float("inf"), "b": 3}


def test_a_subset_keeps_its_name() -> None:
    """The drawn name of a client stays, and with it the members of its subset."""
    pool, _ = pool_of(*"abcdefgh", subset_size=3)
    chosen = {get(pool) for _ in range(20)}
    pool.reconfigure(cooldown=9.0)
    assert {get(pool) for _ in range(20)} == chosen


def test_middleware_is_put_in_the_place_of_middleware() -> None:
    """Those that were set before go, those that were registered stay, in the order of the roles."""
    pool, clients = pool_of("a", "b")
    seen: list[str] = []

    def mine(call: Any, proceed: Callable[..., Any]) -> Any:
        seen.append("mine")
        return proceed(call)

    pool.register_middleware(mine)
    retry = Retry(attempts=2, base=0)
    pool.set_middleware({"retry": retry, "bulkhead": Bulkhead(5)})
    assert pool.named_middleware["retry"] is retry
    clients["a"].script.extend([ConnectionError(), "again"])
    repeatable: Method[Any, Any] = Method("get", lambda client, _: client.get(), idempotent=True)
    assert pool.call(repeatable) in ("a", "b", "again")
    assert seen == ["mine"], "outside of Retry, so once"
    pool.set_middleware({})
    clients["a"].script.clear()
    clients["a"].always = clients["b"].always = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.call(repeatable)
    assert seen == ["mine"] * 2
    with pytest.raises(TypeError, match="is for an AsyncPool"):
        pool.set_middleware({"hedging": Hedging(1.0)})
    assert pool.named_middleware == {}


async def test_a_call_ends_inside_those_it_began_with() -> None:
    """A call of a task that runs while middleware is exchanged ends as it began, and nothing is left taken."""
    pool = AsyncPool[Client]()
    client = Client("a")
    pool.add_client(client, "a")
    aget: Method[Any, Any] = Method("aget", lambda client, _: client.aget())
    first = Bulkhead(1)
    pool.set_middleware({"bulkhead": first})
    client.hold()
    running = asyncio.create_task(pool.call(aget))
    await until(lambda: pool.members[0].in_flight == 1)
    pool.set_middleware({"bulkhead": Bulkhead(1)})
    second = asyncio.create_task(pool.call(aget))
    await asyncio.sleep(0.01)
    client.release()
    assert await running == "a"
    assert await second == "a"
    numbers = {one.name: one.value for one in first.numbers()}
    assert numbers["bulkhead_running"] == 0
    await pool.close()
