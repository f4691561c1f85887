"""Labels of members and routes of methods: reads go to replicas and writes to the primary, in sync and async pools."""

import asyncio
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    AsyncPool,
    Method,
    NoMemberForRoute,
    Pool,
    PoolTimeout,
    UnknownMember,
    calling,
)
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from connpool_runtime.members.membership import MOST_SELECTIONS
from connpool_runtime.members.new_client import NewClient
from connpool_runtime.middleware import Hedging, Retry
from tests.runtime.costs import functions_called
from tests.runtime.faces import LIMITED, Client, TaskFace, makers_of, until
from tests.waiting import eventually

new_face = makers_of(LIMITED)
New = Callable[..., Any]  # a `Face` of either kind, sync or async


def first_of(members: Any, _call: object) -> Any:
    """Return the first, as a balancer of the user's own."""
    return members[0]


def routed(new_face: New, **options: Any) -> Any:
    """A primary, two replicas and a member without a role; methods without a route are for the primary."""
    options = {"default_route": "primary", **options}
    face = new_face("p", "r1", "r2", "x", **options)
    for name, role in (("p", "primary"), ("r1", "replica"), ("r2", "replica")):
        face.pool.set_labels(name, {"role": role})
    return face


async def by(face: Any, route: str | None, count: int = 12) -> set[Any]:
    """Who answers calls of a route."""
    method = face.method(route=route, idempotent=True)
    return {await face.outcome(face.call(method)) for _ in range(count)}


@pytest.mark.parametrize("balancer", [*BALANCERS, *BY_CALL, first_of])
async def test_each_route_has_its_members_with_every_balancer(
    new_face: New, balancer: str | Callable[..., Any]
) -> None:
    """Reads are balanced over the replicas alone, and what has no route is for the primary alone."""
    face = routed(new_face, balancer=balancer)
    assert await by(face, None) == {"p"}
    assert await by(face, "primary") == {"p"}
    reads = await by(face, "replica", 60)
    assert reads == ({"r1"} if balancer is first_of else {"r1", "r2"})
    found = {await face.outcome(face.execute(key=key)) for key in range(20)}
    assert found == {"p"}


@pytest.mark.parametrize(
    "options", [{}, {"max_concurrency": 2}, {"slow_start": 5.0}, {"outlier_latency_stdev": 1.9}]
)
async def test_every_path_of_calls_goes_by_it(new_face: New, options: dict[str, Any]) -> None:
    """With limits, slow starts and timing; leases, streams and contexts as well."""
    face = routed(new_face, **options)
    assert await by(face, "replica") == {"r1", "r2"}
    assert await by(face, None) == {"p"}
    async with face.lease() as (client, _):
        assert client.name == "p"
    async with face.session(face.method("session", route="replica")) as name:
        assert name in {"r1", "r2"}
    stream = await face.stream(2, face.method("items", route="replica"))
    assert set(await stream.rest()) <= {"r1", "r2"}


@pytest.mark.parametrize("around", [False, True])
async def test_middleware_of_every_kind_sees_it(new_face: New, around: bool) -> None:
    """Where they only act on failures, and where a function is run around each call."""
    face = routed(new_face)
    face.pool.register_middleware(Retry())

    async def pass_on(call: Any, proceed: Any) -> Any:
        return await proceed(call)

    if around:
        face.register(pass_on)
    assert await by(face, "replica") == {"r1", "r2"}
    assert await by(face, None) == {"p"}


@pytest.mark.parametrize(
    ("route", "served"),
    [("replica", "p"), ("replica, any", "px"), ("replica, other, primary", "p"), ("any", "px")],
)
@pytest.mark.parametrize("limit", [None, 3])
async def test_the_next_role_serves_when_nobody_of_the_first_may(
    new_face: New, route: str, served: str, limit: int | None
) -> None:
    """Cut off by hand, by a breaker or leaving; and the first serve again when they are back."""
    face = routed(new_face, max_concurrency=limit)
    face.fail("r1", 99)
    while face.member("r1").breaker.state.value == "closed":
        await by(face, "replica", 1)
    if route != "any":
        assert await by(face, route) == {"r2"}
    face.pool.eject("r2")
    assert await by(face, route) == set(served)
    face.pool.uneject("r2")
    assert "r2" in await by(face, route)


@pytest.mark.parametrize("limit", [None, 3])
async def test_writes_are_refused_rather_than_sent_to_a_replica(
    new_face: New, limit: int | None
) -> None:
    """The error is one of `AllMembersOpen`, and names the method, the role, who has it, why, and how long."""
    face = routed(new_face, max_concurrency=limit)
    face.fail("p", 3)
    for _ in range(3):
        await face.outcome(face.call())
    with pytest.raises(
        NoMemberForRoute, match=r"test\.get .* role=primary.*10 s: 'p' is ejected"
    ) as caught:
        await face.call()
    assert isinstance(caught.value, AllMembersOpen)
    assert isinstance(caught.value.cause, ConnectionError)
    assert caught.value.retry_after == pytest.approx(10.0)
    assert dict(face.stats().rejections) == {"NoMemberForRoute": 1}
    assert await by(face, "replica") == {"r1", "r2"}
    face.clock.sleep(11.0)
    assert await by(face, None) == {"p"}


async def test_a_strict_route_is_refused_and_says_what_to_do(new_face: New) -> None:
    """`none` as the last word lets nobody else serve; a role that nobody has is told as such."""
    face = routed(new_face)
    for name in ("r1", "r2"):
        face.pool.eject(name)
    with pytest.raises(NoMemberForRoute, match="'r1' is ejected by hand, 'r2' is"):
        await face.call(face.method(route="replica, none"))
    with pytest.raises(
        NoMemberForRoute, match=r"none of the 4 members has these labels; add_client"
    ):
        await face.call(face.method(route="analytics, none"))
    await face.close()
    with pytest.raises(Exception, match="is closed"):
        await face.call()


async def test_no_role_no_route(new_face: New) -> None:
    """A wrapper with routes works over members without roles, as on a developer's machine."""
    face = new_face("a", "b", default_route="primary")
    face.pool.set_labels("a", {"zone": "here"})
    assert await by(face, "replica") == await by(face, None) == {"a", "b"}


async def test_a_method_with_a_route_is_enough(new_face: New) -> None:
    """Then the others are for the primary, without any option; `default_route` says otherwise."""
    probe = new_face("unused")
    methods = [probe.method(), probe.method("session", route="replica")]
    for options, expected in (({}, {"p"}), ({"default_route": "any"}, {"p", "r"})):
        face = new_face("p", "r", methods=methods, **options)
        face.pool.set_labels("p", {"role": "primary"})
        face.pool.set_labels("r", {"role": "replica"})
        assert await by(face, None) == expected
        assert await by(face, "replica") == {"r"}
    assert await by(new_face("p", "r", methods=methods[:1]), None) == {"p", "r"}


async def test_labels_change_in_a_running_pool(new_face: New) -> None:
    """The next call goes by them, as after a failover; a label that is not given is gone."""
    face = routed(new_face)
    assert await by(face, None) == {"p"}
    face.pool.set_labels("p", {"role": "replica"})
    with pytest.raises(NoMemberForRoute):
        await face.call()
    face.pool.set_labels("r1", {"role": "primary", "zone": "b"})
    assert await by(face, None) == {"r1"}
    assert await by(face, "replica") == {"p", "r2"}
    labels = {member.name: dict(member.labels) for member in face.stats().members}
    assert labels["r1"] == {"role": "primary", "zone": "b"}
    assert labels["x"] == {}
    with pytest.raises(UnknownMember, match="'nobody'"):
        face.pool.set_labels("nobody", {})
    wrong: Any
    for wrong in ({"role": 1}, {"": "a"}, "primary", [("role", "primary")]):
        with pytest.raises(TypeError, match="labels must map strings to strings"):
            face.pool.set_labels("p", wrong)


async def test_members_join_with_labels(new_face: New) -> None:
    """By `add_client` and `add_endpoint`; wrong ones are refused before anything has changed."""
    face = new_face(default_route="primary")
    face.pool.add_client(Client("p"), "p", labels={"role": "primary"})
    face.pool.add_endpoint(lambda: Client("r"), "r", labels={"role": "replica"})
    assert (await by(face, None), await by(face, "replica")) == ({"p"}, {"r"})
    wrong: Any = {"role": None}
    with pytest.raises(TypeError, match="labels must map strings"):
        face.pool.add_client(Client("q"), "q", labels=wrong)
    assert len(face.pool.members) == 2


async def test_priorities_zones_and_subsets_hold_within_a_role(new_face: New) -> None:
    """A subset of one member has one of each role, and never lacks the primary."""
    face = new_face(zone="here", subset_size=1, client_id="me", default_route="primary")
    for name in ("p1", "p2", "r1", "r2", "r3", "r4"):
        zone, priority = ("here" if name in ("r3", "r4") else "there"), int(name == "p2")
        labels = {"role": "primary" if name[0] == "p" else "replica"}
        client = Client(name)
        face.pool.add_client(client, name, zone=zone, priority=priority, labels=labels)
    assert len(await by(face, None)) == len(await by(face, "replica")) == 1
    face.pool.reconfigure(subset_size=6)
    assert await by(face, None) == {"p1"}
    assert await by(face, "replica") == {"r3", "r4"}
    face.pool.eject("p1")
    assert await by(face, None) == {"p2"}


async def test_a_panic_is_the_whole_pool_s_and_crosses_no_role(new_face: New) -> None:
    """Breakers are ignored then, and writes go to the primary all the same."""
    face = routed(new_face, panic_threshold=0.6)
    for name in ("p", "r1", "r2"):
        face.fail(name, 3)
    for route in (None, "replica, none"):
        await by(face, route, 12)
    assert {face.member(name).breaker.state.value for name in ("p", "r1", "r2")} == {"open"}
    assert await by(face, None) == {"p"}
    assert await by(face, "replica") == {"r1", "r2"}


@pytest.mark.parametrize("limit", [None, 2])
async def test_a_retry_prefers_the_role_then_falls_back(new_face: New, limit: int | None) -> None:
    """Another replica first, the primary after both; a write is retried on the primary alone."""
    face = routed(new_face, max_concurrency=limit)
    face.pool.register_middleware(Retry(attempts=3, base=0.0))
    tried = []

    async def note(call: Any, proceed: Any) -> Any:
        try:
            return await proceed(call)
        finally:
            tried.append([member.name for member in call.tried])

    face.register(note)
    for name in ("r1", "r2"):
        face.clients[name].always = ConnectionError("down")
    assert await face.call(face.method(route="replica", idempotent=True)) == "p"
    assert set(tried[-1][:2]) == {"r1", "r2"}
    assert tried[-1][2:] == ["p"]
    face.clients["p"].script.append(ConnectionError("down"))
    assert await face.call(face.method(idempotent=True)) == "p"


@pytest.mark.parametrize("limit", [None, 2])
async def test_a_method_that_is_cut_off_from_its_role_falls_back(
    new_face: New, limit: int | None
) -> None:
    """What middleware exclude is as good as away; they are asked without the pool's lock."""
    face = routed(new_face, max_concurrency=limit)
    excluded: list[Any] = []

    def members() -> list[Any]:
        assert eventually(lambda: not face.pool._state.lock.locked())  # others may have it briefly
        return excluded

    async def exclude(call: Any, proceed: Any) -> Any:
        call.exclude("test", members, lambda: LookupError("nobody is left"))
        return await proceed(call)

    face.register(exclude)
    assert await by(face, "replica") == {"r1", "r2"}
    excluded.append(face.member("r1"))
    assert await by(face, "replica") == {"r2"}
    excluded.append(face.member("r2"))
    assert await by(face, "replica") == {"p"}
    excluded.append(face.member("p"))
    with pytest.raises(LookupError, match="nobody is left"):
        await face.call()


async def test_a_hedge_prefers_the_role_too() -> None:
    """The second attempt, which a pool for tasks can make, is made on the other replica."""
    face = routed(TaskFace)
    face.pool.register_middleware(Hedging(delay=0.01))
    face.clients["r1"].hold()
    try:
        read = face.method(route="replica", idempotent=True)
        assert {await face.call(read) for _ in range(4)} == {"r2"}
    finally:
        face.clients["r1"].release()


async def test_those_who_wait_are_served_by_their_own_role(new_face: New) -> None:
    """A write waits for the primary, though replicas are free, and stands in nobody's way."""
    face = routed(new_face, max_concurrency=1)
    face.clients["p"].hold()
    writes = [face.start(), face.start()]
    await until(lambda: face.stats().waiting == 1)
    assert await by(face, "replica") == {"r1", "r2"}
    face.clients["p"].release()
    assert [await write for write in writes] == ["p", "p"]


async def test_who_waits_in_vain_is_told_by_what(new_face: New) -> None:
    """The refusal counts the members of the role alone."""
    face = routed(new_face, max_concurrency=1, checkout_timeout=0.0)
    face.clients["p"].hold()
    write = face.start()
    await until(lambda: face.in_flight() == 1)
    refused = await face.outcome(face.call())
    assert "all 1 available members" in str(refused)
    face.clients["p"].release()
    assert await write == "p"


async def test_who_waits_falls_back_or_is_refused_when_the_role_is_gone(new_face: New) -> None:
    """A read that waits for a replica is served by the primary, a strict one is refused at once."""
    for route, expected in (("replica", "p"), ("replica, none", NoMemberForRoute)):
        face = routed(new_face, max_concurrency=1)
        face.pool.eject("r2")
        face.clients["r1"].hold()
        read = face.method(route=route)
        face.method = lambda *_args, read=read, **_policy: read
        calls = [face.start(), face.start()]
        await until(lambda face=face: face.stats().waiting == 1)
        face.pool.eject("r1")
        await until(lambda calls=calls: any(call.done() for call in calls))
        (served,) = [call for call in calls if call.done()]
        got = await face.outcome(served)
        assert expected in (got, type(got))
        refused = {"NoMemberForRoute": 1} if expected is NoMemberForRoute else {}
        assert dict(face.stats().rejections) == refused
        face.clients["r1"].release()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_calling_names_a_label_for_single_calls(new_face: New) -> None:
    """A role, or labels that a member must have, all of them; nobody else is called, but whom the text names."""
    face = routed(new_face)
    face.pool.set_labels("r2", {"role": "replica", "zone": "b"})
    with calling(label="replica"):
        assert {await face.call() for _ in range(6)} == {"r1", "r2"}
        with calling(label={"role": "replica", "zone": "b"}):
            assert {await face.call() for _ in range(4)} == {"r2"}
        with calling(member="p"):
            assert await face.call() == "p"
    assert await by(face, None) == {"p"}
    face.pool.eject("p")
    with calling(label="primary"), pytest.raises(NoMemberForRoute, match="role=primary"):
        await face.call(face.method(route="replica"))
    with calling(label="primary, any"):
        assert await face.call() in {"r1", "r2", "x"}


@pytest.mark.parametrize("options", [{}, {"max_concurrency": 2}, {"balancer": "consistent_hash"}])
async def test_calling_needs_no_routes(new_face: New, options: dict[str, Any]) -> None:
    """In a pool without any, labels matter to who asks for them alone."""
    face = new_face("a", "b", "c", **options)
    face.pool.set_labels("b", {"role": "primary"})
    with calling(label={"role": "primary"}):
        assert {await face.call() for _ in range(6)} == {"b"}
    with calling(label="replica"), pytest.raises(NoMemberForRoute, match="role=replica"):
        await face.call()
    assert {await face.execute(key=key) for key in range(30)} == {"a", "b", "c"}


async def test_one_who_waits_for_a_label_keeps_nobody_else_from_free_members() -> None:
    """Not even in a pool whose methods have no routes; a block holds for tasks that are started inside."""
    face = TaskFace("a", "b", max_concurrency=1)
    face.pool.set_labels("a", {"role": "primary"})
    face.clients["a"].hold()
    with calling(label="primary"):
        calls = [face.start(), face.start()]
        await until(lambda: face.stats().waiting == 1)
    assert [await face.call() for _ in range(3)] == ["b"] * 3
    face.clients["a"].release()
    assert [await call for call in calls] == ["a", "a"]


def test_what_is_no_label_or_route_is_refused() -> None:
    """With the reason, where it is written."""
    wrong: Any
    for wrong, why in (
        ("", "must list each role once"),
        ("any, replica", "last word"),
        ("replica,,primary", "each role once"),
        ("replica, replica", "each role once"),
        ("none", "allows no member"),
    ):
        with pytest.raises(ValueError, match=why):
            Method("get", lambda client, _: client, route=wrong)
        with pytest.raises(ValueError, match=why):
            Pool[Any](default_route=wrong)
        with pytest.raises(ValueError, match=why):
            calling(label=wrong)
    for wrong in (1, ["replica"]):
        with pytest.raises(TypeError, match="a route must be a string"):
            calling(label=wrong)
    with pytest.raises(ValueError, match="fits every member"):
        calling(label={})


def test_labels_that_are_made_up_do_not_pile_up() -> None:
    """What was asked for long ago is forgotten; it is worked out anew when asked for again."""
    pool = Pool[str](methods=[Method("upper", lambda client, _: client, route="replica")])
    pool.add_client("a", "a", labels={"role": "replica", "tenant": "1"})
    get = Method[str, str]("upper", lambda client, _: client)
    for tenant in range(3 * MOST_SELECTIONS):
        with calling(label={"tenant": str(tenant)}):
            if tenant == 1:
                assert pool.call(get) == "a"
            else:
                with pytest.raises(NoMemberForRoute):
                    pool.call(get)
    assert len(pool._state.membership._selections) <= MOST_SELECTIONS
    with calling(label={"tenant": "1"}):
        assert pool.call(get) == "a"


async def test_shares_hold_within_a_role(new_face: New) -> None:
    """Weights are those among the replicas; a weight that changes holds at once."""
    face = routed(new_face, balancer="weighted_round_robin")
    read = face.method(route="replica")
    assert {await face.call(read) for _ in range(2)} == {"r1", "r2"}
    face.pool.set_weight("r1", 3)
    assert Counter([await face.call(read) for _ in range(40)]) == {"r1": 30, "r2": 10}


async def test_a_waiting_read_times_out_with_the_count_of_its_role(new_face: New) -> None:
    """Busy replicas are waited for, though the primary is free: reads must not pile up there."""
    face = routed(new_face, max_concurrency=1, checkout_timeout=0.05)
    for name in ("r1", "r2"):
        face.clients[name].hold()
    read = face.method(route="replica")
    face.method = lambda *_args, **_policy: read
    running = [face.start(), face.start()]
    await until(lambda: face.in_flight() == 2)
    face.clock.sleep(0)
    if face.kind == "tasks":
        late = asyncio.ensure_future(face.outcome(face.call(read)))
        await until(lambda: face.stats().waiting == 1)
        face.clock.sleep(1.0)
        assert isinstance(await late, PoolTimeout)
    for name in ("r1", "r2"):
        face.clients[name].release()
    assert {await one for one in running} == {"r1", "r2"}


async def cost_of_reads(waiting: int) -> int:
    """What ten reads cost while so many writes wait for a primary that is busy."""
    write = Method[Any, Any]("put", lambda client, _: client.wait())
    read = Method[Any, Any]("get", lambda client, _: client.answer(), route="replica")
    busy = asyncio.Event()

    async def answer() -> None:
        pass

    primary, replica = SimpleNamespace(wait=busy.wait), SimpleNamespace(answer=answer)
    pool = AsyncPool[Any](methods=(write, read), max_concurrency=1, max_waiting=waiting + 1)
    pool.add_client(primary, labels={"role": "primary"})
    pool.add_client(replica, labels={"role": "replica"})
    writes = [asyncio.ensure_future(pool.call(write)) for _ in range(waiting + 1)]
    await until(lambda: pool.stats().waiting == waiting)

    def reads() -> None:
        for _ in range(10):
            coroutine = pool.call(read)
            with pytest.raises(StopIteration):
                coroutine.send(None)  # it waits for nothing

    reads()
    cost = functions_called(reads)
    busy.set()
    await asyncio.gather(*writes)
    await pool.close()
    return cost


async def test_who_waits_for_the_primary_slows_no_read() -> None:
    """A read costs the same whether ten writes wait or a thousand."""
    few, many = await cost_of_reads(10), await cost_of_reads(1000)
    assert few == many


def test_a_refusal_costs_the_same_among_many() -> None:
    """A write that nobody may serve is refused at the same cost among ten replicas and among a thousand."""

    def cost(replicas: int) -> int:
        pool = Pool[str](default_route="primary")
        labels = {"role": "replica"}
        pool.add_clients(NewClient("r", f"r{n}", labels=labels) for n in range(replicas))
        pool.add_client("p", "p", labels={"role": "primary"})
        pool.eject("p")

        def refused() -> None:
            with pytest.raises(NoMemberForRoute):
                pool.execute(str)

        refused()
        return functions_called(refused)

    assert cost(10) == cost(1000)
