"""Balancers as sync and async pools use them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import KeysApart, Method, Outcome, PoolClosed, PoolExhausted, calling
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.middleware import Retry
from tests.runtime.faces import LIMITED, Client, Face, makers_of, until

new_face = makers_of(LIMITED)


async def test_least_pending_avoids_a_busy_member(new_face: Callable[..., Face]) -> None:
    """A member that is busy with one call gets no other while there are idle ones."""
    face = new_face("a", "b", "c", balancer="least_request")
    async with face.lease() as (busy, _):
        assert Counter(await face.calls(60)).keys() == {"a", "b", "c"} - {busy.name}


@pytest.mark.skipif(
    FREE_THREADED, reason="without the interpreter lock every call takes the slow path"
)
async def test_least_pending_needs_no_look_at_the_call(new_face: Callable[..., Face]) -> None:
    """It works on the fast path: no other member stands in for what its picker picks."""
    face = new_face("a", "b", balancer="least_request")
    state = face.pool._state
    assert state.fast_path[0] != state.pick_slow_path or state.locked_fast_path is not None


def first_of(members: Any, _call: object) -> Any:
    return members[0]


@pytest.mark.skipif(
    FREE_THREADED, reason="without the interpreter lock every call takes the slow path"
)
@pytest.mark.parametrize("route", [None, "replica", "replica, any"])
@pytest.mark.parametrize("balancer", [*BALANCERS, *BY_CALL, first_of])
async def test_no_balancer_and_no_route_sends_a_call_on_the_slow_path(
    new_face: Callable[..., Face],
    monkeypatch: pytest.MonkeyPatch,
    balancer: Any,
    route: str | None,
) -> None:
    """A call that finds a free member takes it at once, and that is counted as ever."""
    face = new_face(balancer=balancer)
    method = face.method("get", route=route, hash_key=0)
    for name in "abc":
        face.clients[name] = Client(name)
        face.pool.add_client(face.clients[name], name, labels={"role": "replica"})
    await face.call(method)  # and arranges calls
    monkeypatch.delattr(Checkout, "claim")
    for _ in range(20):
        assert await face.call(method) in {"a", "b", "c"}
    assert sum(client.calls for client in face.clients.values()) == 21
    assert [face.stats().methods[0].successes, face.in_flight()] == [21, 0]


async def test_a_function_is_asked_about_free_members_only(new_face: Callable[..., Face]) -> None:
    """Where members have limits: it cannot pick one that is at its limit, and is not asked if all are."""
    offered: list[list[str]] = []

    def last_of(members: Any, _call: object) -> Any:
        offered.append([member.name for member in members])
        return members[-1]

    face = new_face("a", "b", balancer=last_of, max_concurrency=1, checkout_timeout=0.0)
    assert await face.calls(1) == ["b"]
    async with face.lease():
        assert await face.calls(1) == ["a"]
        async with face.lease():
            before = len(offered)
            assert [type(error) for error in await face.calls(1)] == [PoolExhausted]
            assert len(offered) == before
    assert offered == [["a", "b"], ["a", "b"], ["a"], ["a"]]
    assert face.in_flight() == 0


async def test_a_balancer_function_that_fails_is_the_callers_mistake(
    new_face: Callable[..., Face],
) -> None:
    """Its error reaches the caller, is counted once for the method, and blames no member."""

    def broken(_members: object, _call: object) -> Any:
        raise ZeroDivisionError

    face = new_face("a", "b", balancer=broken)
    assert [type(error) for error in await face.calls(2)] == [ZeroDivisionError] * 2
    (method,) = face.stats().methods
    assert (method.successes, method.failures + method.neutrals) == (0, 2)
    assert [member.failures for member in face.stats().members] == [0, 0]
    assert face.in_flight() == 0


@pytest.mark.parametrize("balancer", ["consistent_hash", "peak_ewma", first_of])
async def test_a_result_that_counts_as_a_failure_reaches_the_caller(
    new_face: Callable[..., Face], balancer: Any
) -> None:
    """Whatever the balancer needs to see; the member is blamed for it."""
    face = new_face("a", balancer=balancer, max_fails=0)
    method = face.method("get", judge=lambda answer: Outcome.FAILURE)
    assert [await face.call(method) for _ in range(3)] == ["a"] * 3
    assert face.stats().members[0].failures == 3
    assert face.in_flight() == 0


async def test_a_key_meets_its_member_while_that_is_free(new_face: Callable[..., Face]) -> None:
    """Where members have limits, calls with its key go on to the next member while its own is at the limit."""
    face = new_face("a", "b", "c", balancer="consistent_hash", max_concurrency=1)
    for client in face.clients.values():
        client.always = client.name
    home = await face.execute(key="key")
    async with face.lease(key="key") as (busy, _):
        assert busy.name == home
        away = await call_with_key(face)
        assert away != home
        assert {await call_with_key(face) for _ in range(5)} == {away}
    assert {await call_with_key(face) for _ in range(5)} == {home}


async def call_with_key(face: Face) -> Any:
    """Make a call of a method whose only argument is its key."""
    get = {"threads": Client.get, "tasks": Client.aget}[face.kind]
    method = Method[Client, Any]("get", lambda client, _: get(client), hash_key=0)
    answer = face.pool.call(method, ("key",))
    return await answer if face.kind == "tasks" else answer


async def test_calls_with_one_key_meet_one_member(new_face: Callable[..., Face]) -> None:
    """The key is the argument that the method's policy names."""
    face = new_face("a", "b", "c", balancer="consistent_hash")
    for client in face.clients.values():
        client.always = [client.name]  # what `items` gives
    method = face.method("items", hash_key=0)
    served = Counter()
    for _ in range(10):
        stream = await face.stream(7, method)
        served[stream.stream.member.name] += 1
        await stream.rest()
    assert len(served) == 1


async def test_executions_and_leases_bring_their_key(face: Face) -> None:
    """With the balancer for one call, too; both find the same member for the same key."""
    for key in ("x", "y", "z"):
        found = {await face.execute(balancer="consistent_hash", key=key) for _ in range(5)}
        async with face.lease(balancer="consistent_hash", key=key) as (_, lease):
            assert found == {lease.member.name}


async def test_a_key_moves_on_while_its_member_is_cut_off(new_face: Callable[..., Face]) -> None:
    """And comes home afterwards; keys of other members stay."""
    face = new_face("a", "b", "c", balancer="consistent_hash")
    homes = {key: await face.execute(key=key) for key in range(30)}
    face.pool.eject("a")
    moved = {key: await face.execute(key=key) for key in range(30)}
    assert all(moved[key] == home for key, home in homes.items() if home != "a")
    assert "a" not in moved.values()
    face.pool.uneject("a")
    assert homes == {key: await face.execute(key=key) for key in range(30)}


async def test_a_key_without_hashing_changes_nothing(face: Face) -> None:
    """Other balancers take no notice of it, so the balancer can be changed by configuration."""
    assert [await face.execute(key="k") for _ in range(3)] == ["a", "b", "c"]


async def test_a_key_without_a_text_is_the_callers_mistake(new_face: Callable[..., Face]) -> None:
    """A key without a stable text is a TypeError, and no member is blamed."""
    face = new_face("a", "b", balancer="consistent_hash")
    with pytest.raises(TypeError, match="the key for consistent hashing"):
        await face.execute(key=object())
    assert face.stats().members[0].failures == 0
    assert face.in_flight() == 0


async def test_keys_that_belong_together_meet_one_member(new_face: Callable[..., Face]) -> None:
    """Several keys of one call meet the member that each of them meets alone."""
    face = new_face("a", "b", "c", balancer="consistent_hash")
    for tag in "uvwxyz":
        together = face.method(
            "items", hash_keys=lambda _, tag=tag: [f"{{{tag}}}:1", f"{{{tag}}}:2"]
        )
        stream = await face.stream(1, together)
        assert await face.execute(key=f"{{{tag}}}:1") == stream.stream.member.name
        await stream.rest()


@pytest.mark.parametrize("retrying", [False, True])
async def test_keys_apart_are_the_callers_mistake(
    new_face: Callable[..., Face], retrying: bool
) -> None:
    """Keys that need not be on one member reach none, blame none and are not tried again."""
    face = new_face("a", "b", balancer="consistent_hash")
    if retrying:
        face.pool.register_middleware(Retry(attempts=3, base=0.0))
    asked = list[object]()

    def keys(args: object) -> list[str]:
        asked.append(args)
        return ["x", "y"]

    with pytest.raises(KeysApart, match="the keys of this call of items"):
        await face.stream(1, face.method("items", hash_keys=keys, idempotent=True))
    assert len(asked) == 1
    assert [member.failures for member in face.stats().members] == [0, 0]
    assert face.in_flight() == 0


@pytest.mark.parametrize("retrying", [False, True])
async def test_keys_are_never_apart_where_one_member_is_alone(
    new_face: Callable[..., Face], retrying: bool
) -> None:
    """A pool of one member takes all keys; one of several that is the only one left does not."""
    face = new_face("a", balancer="consistent_hash")
    if retrying:
        face.pool.register_middleware(Retry(attempts=3, base=0.0))
    apart = face.method("items", hash_keys=lambda _: ["x", "y"])
    stream = await face.stream(1, apart)
    assert await stream.rest() == ["a"]
    face.pool.add_client(Client("b"), "b")
    face.pool.eject("b")
    with pytest.raises(KeysApart):
        await face.stream(1, apart)


async def test_a_lease_by_a_method_needs_no_key(new_face: Callable[..., Face]) -> None:
    """A method that names an argument as its key may be leased without arguments."""
    face = new_face("a", "b", balancer="consistent_hash")
    async with face.lease(method=face.method("get", hash_key=0)) as (client, _):
        assert client.name in "ab"


async def test_peak_ewma_avoids_a_slow_member(new_face: Callable[..., Face]) -> None:
    """Latencies of whole calls are learnt; a lease's length is not one."""
    face = new_face("a", "b", balancer="peak_ewma")
    for name in "ab":
        face.member(name).latency.observe(1.0 if name == "a" else 0.1, False, face.clock())
    assert set(await face.calls(20)) == {"b"}
    async with face.lease():
        face.clock.sleep(1000)
    assert face.member("b").latency.at(face.clock()) < 0.1
    face.member("b").latency.observe(0.1, False, face.clock())
    assert await face.calls(1) == ["a"]  # what was known of it has faded


async def test_peak_ewma_learns_from_each_success(new_face: Callable[..., Face]) -> None:
    """A member that has become slower gets no calls any more once one of them told it, however little it is."""
    face = new_face("a", "b", balancer="peak_ewma")
    took = {"a": 0.6, "b": 0.6}  # these and 0.9 are in one bucket of the histogram

    def get(client: Any, _: object) -> Any:
        face.clock.sleep(took[client.name])
        return client.get() if face.kind == "threads" else client.aget()

    method = Method("get", get)
    for _ in range(20):
        await face.call(method)
    assert min(client.calls for client in face.clients.values()) > 0
    took["a"] = 0.9
    while (await face.call(method)) != "a":
        pass
    assert face.member("a").latency.at(face.clock()) > 0.85


async def test_peak_ewma_learns_from_failures(new_face: Callable[..., Face]) -> None:
    """A member that fails fast is no quick one; neutral ends teach nothing."""
    face = new_face("a", "b", balancer="peak_ewma", max_fails=0)
    face.fail("a", 50)
    face.fail("b", 1, PoolClosed("of the client's own"))
    await face.calls(1)
    while not face.member("a").failed:
        await face.calls(1)
    assert face.member("a").latency.at(face.clock()) == 0.1
    assert face.member("b").latency.at(face.clock()) == 0.0


async def test_peak_ewma_gives_calls_to_who_has_recovered(new_face: Callable[..., Face]) -> None:
    """What the failures taught is forgotten when the breaker opens: the first call after the cooldown is a probe."""
    face = new_face("a", "b", balancer="peak_ewma", max_fails=5)
    for name in "ab":
        face.member(name).latency.observe(0.001, False, face.clock())
    for back in (lambda: face.clock.sleep(10.0), lambda: face.pool.uneject("a")):
        face.fail("a", 5)
        with calling(member="a"):
            for _ in range(5):
                await face.outcome(face.call(face.method()))
        assert face.member("a").breaker.state.value == "open"
        back()
        face.member("b").latency.observe(0.001, False, face.clock())
        assert await face.calls(1) == ["a"]
        assert face.member("a").latency.at(face.clock()) < 0.001


async def test_peak_ewma_probes_again_after_a_probe_that_failed(
    new_face: Callable[..., Face],
) -> None:
    """The failure of a probe keeps the next one waiting for its cooldown only."""
    face = new_face("a", "b", balancer="peak_ewma", max_fails=1)
    face.member("b").latency.observe(0.001, False, face.clock())
    for attempts in range(1, 4):
        face.fail("a", 1)
        await face.outcome(face.call(face.method()))
        assert face.clients["a"].calls == attempts
        assert face.member("a").breaker.state.value == "open"
        face.clock.sleep(10.0)
        face.member("b").latency.observe(0.001, False, face.clock())
    assert await face.calls(1) == ["a"]


async def test_failures_of_calls_from_before_do_not_delay_a_probe(
    new_face: Callable[..., Face],
) -> None:
    """What ends after the breaker has opened teaches nothing about the member that comes back."""
    face = new_face("a", balancer="peak_ewma", max_fails=1)
    client = face.clients["a"]
    client.hold()
    client.always = ConnectionError("down")
    running = [face.start() for _ in range(5)]
    await until(lambda: face.member("a").in_flight == 5)
    client.release()
    await asyncio.gather(*running, return_exceptions=True)
    assert face.member("a").breaker.state.value == "open"
    assert face.member("a").latency.at(face.clock()) == 0.0


@pytest.mark.parametrize("options", [{"panic_threshold": 1.0}, {"metrics_only": True}])
async def test_peak_ewma_prefers_no_member_whose_breaker_is_open(
    new_face: Callable[..., Face], options: dict[str, Any]
) -> None:
    """Where open breakers are ignored, a member that fails is not unknown again after each of its failures."""
    face = new_face("a", "b", balancer="peak_ewma", max_fails=1, cooldown=1e6, **options)
    face.member("b").latency.observe(0.001, False, face.clock())
    face.fail("a", 100)
    for _ in range(20):
        await face.outcome(face.call(face.method()))
    assert face.clients["a"].calls <= 2
