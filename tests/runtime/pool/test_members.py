"""Members come and go: adding, draining, closing, in both kinds."""

import asyncio
import gc
import importlib
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import (
    AsyncPool,
    DrainTimeout,
    Method,
    NoMembers,
    Pool,
    PoolClosed,
    PoolError,
    UnknownMember,
)
from tests.runtime.faces import Client, Face, until
from tests.waiting import eventually

GET: Method[Any, Any] = Method("get", lambda client, args: client.get(*args))
PUT: Method[Any, Any] = Method("put", lambda client, args: client.put(*args))


async def busy(face: Face, name: str) -> "asyncio.Future[object]":
    """Start a call that hangs on this member."""
    others = [other for other in face.clients if other != name]
    for other in others:
        face.pool.eject(other)
    face.clients[name].hold()
    running = face.start()
    await until(lambda: face.member(name).in_flight == 1)
    for other in others:
        face.pool.uneject(other)
    return running


async def test_names_are_given_if_none_are(new_face: Callable[..., Face]) -> None:
    """m1, m2, ... and never one that is taken."""
    face = new_face("m2")
    face.pool.add_client(Client())
    face.pool.add_client(Client())
    assert [member.name for member in face.pool.members] == ["m2", "m1", "m3"]


async def test_clients_are_given_out_as_a_copy(face: Face) -> None:
    """Who keeps the list of clients holds no handle on the pool's own (B28)."""
    clients = face.pool.clients
    await face.remove("a")
    assert len(clients) == 3
    assert [client.name for client in face.pool.clients] == ["b", "c"]


@pytest.mark.parametrize("pool", [Pool(), AsyncPool()])
def test_client_and_name_in_the_wrong_order_are_refused(pool: Any) -> None:
    """A name that is no text is a client in the wrong place, and nothing is added."""
    with pytest.raises(
        TypeError, match=r"the name of a member must be a string, .*\(client, name\)"
    ):
        pool.add_client("a", Client())
    assert pool.members == ()


HALF_A_PAIR = "shop\ud800"  # as JSON may have it


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
@pytest.mark.parametrize("name", [None, 5, [], HALF_A_PAIR], ids=repr)
def test_names_that_cannot_be_exported_are_refused(kind: Any, name: Any) -> None:
    """One such name would break the scrape of all pools of the process."""
    with pytest.raises(TypeError, match="the name of a pool must be a string, not"):
        kind(name)
    pool = kind("shops")
    with pytest.raises(TypeError, match="labels must map strings to strings"):
        pool.add_client(object(), labels={"rack": name})
    if name is not None:
        with pytest.raises(TypeError, match="the name of a member must be a string, not"):
            pool.add_client(object(), name)
    assert pool.members == ()


@pytest.mark.parametrize("pool", [Pool(), AsyncPool()])
def test_a_class_in_place_of_a_client_is_refused(pool: Any) -> None:
    """A class that nobody has called is told of at once, and not by a missing `self` in the first call."""
    with pytest.raises(TypeError, match=r"Client is a class: add an instance of it, such as Cl"):
        pool.add_client(Client)
    assert pool.members == ()


async def connect() -> Client:
    return Client()


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
@pytest.mark.parametrize("wrong", [None, "redis://10.0.0.1", b"", 5, ["a"], ("a",), {"a": 1}])
def test_data_in_place_of_a_client_is_refused(kind: Any, wrong: Any) -> None:
    """A pool that knows its methods refuses data at once, and names its type only: a URL may hold a password."""
    pool = kind("shops", methods=[GET, PUT])
    if isinstance(wrong, dict):
        pool = kind("shops", methods=[PUT])
    with pytest.raises(
        TypeError, match=r"methods of its clients such as (get, )?put; this "
    ) as refused:
        pool.add_client(wrong)
    assert type(wrong).__name__.removesuffix("Type") in str(refused.value)
    assert "10.0.0.1" not in str(refused.value)
    assert pool.members == ()


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
def test_a_coroutine_in_place_of_a_client_is_refused(kind: Any) -> None:
    """Who forgot to await what makes the client is told so."""
    opening = connect()
    with pytest.raises(TypeError, match="of type coroutine: await it first"):
        kind(methods=[GET]).add_client(opening)
    opening.close()


def test_whatever_may_be_a_client_is_accepted() -> None:
    """Data with one of the methods, labels that name no attribute, and anything in a pool without methods."""
    Pool(methods=[GET]).add_client({})
    Pool(methods=[GET]).add_client(object())
    Pool[str]().add_client("10.0.0.1:80")


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
async def test_a_factory_that_returns_no_client_is_told_of(kind: Any) -> None:
    """Calls get an error whose cause says that the factory returned nothing; the pool closes nothing."""
    closed: list[object] = []
    pool = kind("shops", methods=[GET])
    pool.add_endpoint(lambda: None, "a", close=closed.append)

    async def call() -> None:
        await pool.call(GET)

    with pytest.raises(PoolError) as refused:
        await call()
    assert "this client is None: its factory returned it" in "".join(
        traceback.format_exception(refused.value)
    )
    assert closed == []


@pytest.mark.parametrize("pool", [Pool(), AsyncPool()])
def test_what_is_no_new_client_or_factory_is_refused(pool: Any) -> None:
    """Clients for `add_clients` and factories for `add_endpoint` are told apart from other objects at once."""
    with pytest.raises(TypeError, match=r"as in NewClient\(client, name\), not a Client"):
        pool.add_clients([Client()])
    for wrong in ("10.0.0.1:80", Client()):
        with pytest.raises(TypeError, match=r"must be a function that opens a client, not a "):
            pool.add_endpoint(wrong)
    assert pool.members == ()


async def test_a_factory_of_the_wrong_kind() -> None:
    """A coroutine function opens clients for tasks only: for threads the coroutine would be the client."""

    async def make() -> Client:
        return Client()

    factory: Any = make
    with pytest.raises(TypeError, match="coroutine function, but pool 'shops' is for synchronous"):
        Pool("shops").add_endpoint(factory)
    async with AsyncPool[Client]("shops") as pool:
        pool.add_endpoint(factory)
        async with pool.lease() as client:
            assert isinstance(client, Client)


def test_an_asynchronous_client_is_refused_by_a_pool_for_synchronous_ones() -> None:
    """Its calls would give coroutines and count as successes."""

    class Shop:
        async def buy(self, thing: str) -> None: ...

    methods: Any = [Method("buy", lambda client, args: client.buy(*args))]
    with pytest.raises(
        TypeError, match=r"Shop.buy is a coroutine function, but pool 'shops' is for sync"
    ):
        Pool("shops", methods=methods).add_client(Shop())
    AsyncPool("shops", methods=methods).add_client(Shop())


@pytest.mark.parametrize("lend", [lambda pool: pool.execute(str), lambda pool: pool.call(GET)])
def test_a_pool_without_members_says_how_to_add_one(lend: Callable[[Any], object]) -> None:
    """The error names the methods that do it."""
    with pytest.raises(NoMembers, match="pool 'shops' has no members; add_client or add_endpoint"):
        lend(Pool("shops"))


async def test_a_name_is_taken_once(face: Face) -> None:
    """A duplicate is refused by name, and nothing changes."""
    with pytest.raises(ValueError, match="name 'a' is taken in pool 'test'"):
        face.pool.add_client(Client(), "a")
    assert len(face.pool.members) == 3


@pytest.mark.parametrize("weight", [0, -1, 1.5, True, "2", float("nan"), None])
async def test_a_weight_is_a_whole_number_of_at_least_one(face: Face, weight: object) -> None:
    """Anything else is refused by name with the value."""
    with pytest.raises(ValueError, match="weight must be a whole number of at least 1, not"):
        face.pool.add_client(Client(), "d", weight)


async def test_a_weight_that_would_be_ignored_is_refused(new_face: Callable[..., Face]) -> None:
    """By the pool's balancer: a client, and an endpoint; nothing is added then."""
    pool = new_face().pool
    told = (
        "weight must be 1 with the balancer 'round_robin', which ignores weights, not 2; .*weighted"
    )
    with pytest.raises(ValueError, match=told):
        pool.add_client(Client(), "a", 2)
    with pytest.raises(ValueError, match=told):
        pool.add_endpoint(Client, "b", 2)
    assert pool.members == ()
    weighted = new_face(balancer="weighted_random").pool
    weighted.add_client(Client(), "a", 2)
    weighted.add_endpoint(Client, "b", 2)
    assert [member.weight for member in weighted.members] == [2, 2]


async def test_a_new_member_is_called_at_once(face: Face) -> None:
    """Adding needs no other step."""
    face.clients["d"] = Client("d")
    face.pool.add_client(face.clients["d"], "d")
    assert set(await face.calls(8)) == set("abcd")


async def test_a_removed_member_gets_no_more_calls_and_is_closed(face: Face) -> None:
    """Removing closes its client, once, and leaves the others alone."""
    await face.remove("a")
    assert set(await face.calls(8)) == {"b", "c"}
    assert [client.closed for client in face.clients.values()] == [1, 0, 0]


async def test_removing_waits_for_the_calls_in_flight(face: Face) -> None:
    """No client is closed under a caller; new calls go elsewhere meanwhile (B18)."""
    running = await busy(face, "a")
    removing = asyncio.ensure_future(face.remove("a"))
    await until(lambda: face.stats().members[0].leaving)
    assert set(await face.calls(8)) == {"b", "c"}
    assert face.clients["a"].closed == 0
    face.clients["a"].release()
    assert await running == "a"
    await removing
    assert face.clients["a"].closed == 1
    assert [member.name for member in face.pool.members] == ["b", "c"]


async def test_a_call_that_fails_ends_the_waiting_too(face: Face) -> None:
    """Draining ends with the last call, however that one ended."""
    running = await busy(face, "a")
    face.clients["a"].always = OSError("gone")
    removing = asyncio.ensure_future(face.remove("a"))
    await until(lambda: face.stats().members[0].leaving)
    face.clients["a"].release()
    assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], OSError)
    await removing
    assert face.clients["a"].closed == 1


async def test_a_drain_that_takes_too_long_is_an_error(face: Face) -> None:
    """The client stays open for its caller, and the last call closes it (B18)."""
    running = await busy(face, "a")
    with pytest.raises(DrainTimeout, match="1 calls on member 'a' of pool 'test'"):
        await face.remove("a", drain_timeout=0.001)
    assert face.clients["a"].closed == 0
    assert face.stats().members[0].leaving
    face.clients["a"].release()
    assert await running == "a"
    await until(lambda: face.clients["a"].closed == 1)
    assert [member.name for member in face.pool.members] == ["b", "c"]


async def test_a_forgotten_stream_is_the_last_call_too(face: Face) -> None:
    """What its finalizer gives back is closed, though nobody ever uses the pool again."""
    stream = await face.stream(3)
    await stream.next()
    with pytest.raises(ExceptionGroup):
        await face.close(drain_timeout=0.0)
    (member,) = face.pool.members
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del stream
        gc.collect()
    client = face.clients[member.name]
    await until(lambda: client.closed == 1)


async def test_a_late_closing_that_fails_does_not_hurt_the_call(face: Face) -> None:
    """Whoever happens to end last gets its own result, not the trouble of closing."""
    face.clients["a"].close_error = OSError("already gone")
    running = await busy(face, "a")
    with pytest.raises(DrainTimeout):
        await face.remove("a", drain_timeout=0)
    face.clients["a"].release()
    assert await running == "a"
    await until(lambda: face.clients["a"].closed == 1)


async def test_what_closing_raises_is_raised(face: Face) -> None:
    """The one who removes hears about it; the member is gone all the same."""
    face.clients["a"].close_error = OSError("stuck")
    with pytest.raises(OSError, match="stuck"):
        await face.remove("a")
    assert [member.name for member in face.pool.members] == ["b", "c"]


async def test_only_members_can_be_removed_and_once(face: Face) -> None:
    """Unknown and gone members are the same error."""
    await face.remove("a")
    with pytest.raises(UnknownMember, match="no member 'a'; it has 'b', 'c'"):
        await face.remove("a")


async def remove_many(face: Face, *names: str, **options: Any) -> None:
    removing = face.pool.remove_clients
    if face.kind == "threads":
        await asyncio.to_thread(removing, names, **options)
    else:
        await removing(names, **options)


async def test_many_leave_at_the_same_moment(face: Face) -> None:
    """All of them get no more calls and are closed; if one of the names is unknown none of them leaves."""
    with pytest.raises(UnknownMember, match="'x'"):
        await remove_many(face, "a", "x")
    assert set(await face.calls(6)) == {"a", "b", "c"}
    await remove_many(face, "a", "b", "a")
    assert set(await face.calls(6)) == {"c"}
    assert [face.clients[name].closed for name in "abc"] == [1, 1, 0]


async def test_removing_many_waits_and_tells_all_that_went_wrong(face: Face) -> None:
    """One limit for all of them; a call that goes on closes its client itself."""
    running = await busy(face, "a")
    face.clients["b"].close_error = OSError("broken")
    with pytest.raises(ExceptionGroup) as caught:
        await remove_many(face, "a", "b", drain_timeout=0.05)
    assert caught.group_contains(DrainTimeout)
    assert caught.group_contains(OSError, match="broken")
    assert face.clients["a"].closed == 0
    face.clients["a"].release()
    assert await running == "a"
    await until(lambda: face.clients["a"].closed == 1)
    assert set(await face.calls(3)) == {"c"}


async def test_a_name_is_free_again_after_its_member_left(face: Face) -> None:
    """A member may be replaced under its name."""
    await face.remove("a")
    face.pool.add_client(Client("new"), "a")
    assert "new" in await face.calls(3)


async def test_the_last_member_can_leave(new_face: Callable[..., Face]) -> None:
    """A pool may be empty for a while."""
    face = new_face("a")
    await face.remove("a")
    assert isinstance((await face.calls(1))[0], NoMembers)
    face.pool.add_client(Client("b"), "b")
    assert await face.call() == "b"


async def test_a_member_may_bring_its_own_way_to_close(face: Face) -> None:
    """`close` of add_client goes before the pool's."""
    closed = []
    client = Client("d")
    face.pool.add_client(client, "d", close=lambda: closed.append("d"))
    await face.remove("d")
    assert (closed, client.closed) == (["d"], 0)


async def test_without_a_way_to_close_clients_stay_their_owners(
    new_face: Callable[..., Face],
) -> None:
    """A pool closes only what it was told how to."""
    pool = type(new_face().pool)("bare")
    client = Client()
    pool.add_client(client)
    face = new_face()
    face.pool = pool
    await face.close()
    assert client.closed == 0


async def test_closing_closes_everybody_once(face: Face) -> None:
    """Close is idempotent (B19)."""
    await face.close()
    await face.close()
    assert [client.closed for client in face.clients.values()] == [1, 1, 1]
    assert face.pool.closed


async def test_closing_waits_for_calls_in_flight(face: Face) -> None:
    """New calls are refused at once, running ones end well (B18)."""
    running = await busy(face, "a")
    closing = asyncio.ensure_future(face.close())
    await until(lambda: face.pool.closed)
    assert isinstance((await face.calls(1))[0], PoolClosed)
    assert face.clients["a"].closed == 0
    face.clients["a"].release()
    assert await running == "a"
    await closing
    assert face.clients["a"].closed == 1


async def test_two_may_close_at_once(face: Face) -> None:
    """Both wait for the drain, and each client is closed once (B19)."""
    running = await busy(face, "a")
    closing = [asyncio.ensure_future(face.close()) for _ in range(2)]
    await until(lambda: face.pool.closed)
    await face.sleep()
    assert not any(one.done() for one in closing)
    face.clients["a"].release()
    await asyncio.gather(running, *closing)
    assert [client.closed for client in face.clients.values()] == [1, 1, 1]


async def test_closing_has_a_deadline(face: Face) -> None:
    """What could not be drained is reported, the rest is closed, and the last call closes its client."""
    running = await busy(face, "a")
    with pytest.raises(ExceptionGroup, match="closing pool 'test'") as caught:
        await face.close(drain_timeout=0.001)
    assert [type(error) for error in caught.value.exceptions] == [DrainTimeout]
    assert [client.closed for client in face.clients.values()] == [0, 1, 1]
    face.clients["a"].release()
    assert await running == "a"
    await until(lambda: face.clients["a"].closed == 1)


async def test_all_errors_of_closing_are_collected(face: Face) -> None:
    """One client that cannot be closed does not keep the others open (E6)."""
    face.clients["a"].close_error = OSError("a")
    face.clients["c"].close_error = RuntimeError("c")
    with pytest.raises(ExceptionGroup) as caught:
        await face.close()
    assert [str(error) for error in caught.value.exceptions] == ["a", "c"]
    assert [client.closed for client in face.clients.values()] == [1, 1, 1]


async def test_a_closed_pool_takes_nobody_in(face: Face) -> None:
    """Closed is for ever: adding a client does not open it again (B19)."""
    await face.close()
    with pytest.raises(PoolClosed):
        face.pool.add_client(Client())
    assert isinstance((await face.calls(1))[0], PoolClosed)
    assert face.pool.members == ()


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", True])
async def test_a_time_to_drain_is_a_number_of_seconds(face: Face, wrong: object) -> None:
    """Bad values are refused before anything is done."""
    with pytest.raises(ValueError, match="drain_timeout must be a finite number of seconds"):
        await face.remove("a", drain_timeout=wrong)
    with pytest.raises(ValueError, match="drain_timeout"):
        await face.close(drain_timeout=wrong)
    assert not face.pool.closed
    assert not face.stats().members[0].leaving


async def test_the_pool_can_be_used_while_a_client_is_closed(face: Face) -> None:
    """Closing may take long: it happens without the lock, so calls and stats go on (B7, B16)."""
    seen: list[object] = []

    def close() -> None:
        assert eventually(lambda: not face.pool._state.lock.locked())  # others may have it briefly
        seen.append(face.stats().in_flight)
        face.pool.add_client(Client("e"), "e")

    face.pool.add_client(Client("d"), "d", close=close)
    await face.remove("d")
    assert seen == [0]
    assert [member.name for member in face.pool.members] == ["a", "b", "c", "e"]


async def test_a_call_may_remove_its_own_pools_other_members(face: Face) -> None:
    """What a client does inside a call may change the pool: no lock is held meanwhile (B7, B15)."""
    client = face.clients["a"]
    client.script.append(None)
    client.next = lambda: face.pool.add_client(Client("d"), "d")  # type: ignore[method-assign]
    await face.call()
    assert "d" in [member.name for member in face.pool.members]


async def test_leaving_a_with_block_closes(face: Face) -> None:
    """A pool is a context manager of its kind."""
    pool = face.pool
    if hasattr(pool, "__aenter__"):
        async with pool as entered:
            assert entered is pool
    else:
        with pool as entered:
            assert entered is pool
    assert pool.closed


async def test_repr_shows_the_members(face: Face) -> None:
    """The debugging view: names, states, calls in flight."""
    running = await busy(face, "a")
    face.pool.eject("b")
    kind = type(face.pool).__name__
    assert repr(face.pool) == (
        f"<{kind} 'test' <a closed in_flight=1> <b open in_flight=0> <c closed in_flight=0>>"
    )
    face.clients["a"].release()
    await running
    await face.close()
    assert repr(face.pool) == f"<{kind} 'test' closed no members>"


def test_errors_show_their_public_name() -> None:
    """Tracebacks name a module that the error can be imported from."""
    for error in PoolError.__subclasses__():
        assert getattr(importlib.import_module(error.__module__), error.__name__) is error
