"""Clients shared by config, for threads and for tasks."""

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import (
    AcquireTimeout,
    ClientsExhausted,
    DrainTimeout,
    HandleReleased,
    PoolClosed,
)
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.connectors import ConnectFailed, ConnectorConfig
from connpool_runtime.sharing.async_shared_clients import AsyncSharedClients
from connpool_runtime.sharing.settings import SharingSettings
from connpool_runtime.sharing.shared_clients import SharedClients
from tests.runtime.faces import until
from tests.runtime.sharing.faces import (
    Client,
    SharingFace,
    TaskSharing,
    ThreadConnector,
    ThreadSharing,
    World,
    config_of,
)

NewFace = Callable[..., SharingFace]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=[ThreadSharing, TaskSharing], ids=lambda face: face.kind)
def new_face(request: pytest.FixtureRequest, world: World) -> NewFace:
    return lambda **options: request.param(world, **options)  # type: ignore[no-any-return]


async def test_equal_configs_share_one_client(new_face: NewFace, world: World) -> None:
    """Configs that mean the same get the same client, however their endpoints are ordered (B23)."""
    face = new_face()
    one = await face.acquire(ConnectorConfig(endpoints="a:1,b:1", health_interval=0))
    two = await face.acquire(ConnectorConfig(endpoints=["b:1", "a:1", "b:1"], health_interval="0s"))
    other = await face.acquire(ConnectorConfig(endpoints="a:1,b:1", health_interval=1))
    assert one.client is two.client
    assert other.client is not one.client
    for handle in (one, two, other):
        handle.release()
    await face.close()
    assert [client.closed for client in world.opened] == [1, 1]


async def test_many_at_once_open_one(new_face: NewFace, world: World) -> None:
    """Who asks while the client is being opened waits for it; nobody opens a second one (B16)."""
    face = new_face()
    world.hold()
    asking = [asyncio.ensure_future(face.acquire(config_of())) for _ in range(4)]
    await until(world.connecting.is_set)
    await until(lambda: "references=4" in repr(face.clients))
    world.release()
    handles = await asyncio.gather(*asking)
    assert world.connects == 1
    assert [one.references for one in face.clients.stats()] == [4]
    for handle in handles:
        handle.release()
    assert [one.references for one in face.clients.stats()] == [0]
    await face.close()


async def test_other_configs_do_not_wait(new_face: NewFace, world: World) -> None:
    """While one server lets us wait, everything else goes on: nothing is opened under a lock (B16)."""
    face = new_face()
    there = await face.acquire(config_of("there"))
    world.hold()
    asking = asyncio.ensure_future(face.acquire(config_of("slow")))
    await until(world.connecting.is_set)
    again = await face.acquire(config_of("there"), 1.0)
    assert len(face.clients.stats()) == 1
    assert again.release()
    assert face.clients.remove(config_of("there"))
    there.release()
    world.release()
    (await asking).release()
    await face.close()


async def test_a_failed_opening_is_everybodys(new_face: NewFace, world: World) -> None:
    """All who wait get the error of an opening that failed; it leaves nothing, and the next one tries again (B21)."""
    face = new_face(max_clients=1)
    world.hold()
    world.script.append(ConnectFailed("down"))
    asking = [asyncio.ensure_future(face.acquire(config_of())) for _ in range(3)]
    await until(lambda: "references=3" in repr(face.clients))
    world.release()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in errors] == [ConnectFailed] * 3
    assert face.clients.stats() == ()
    handle = await face.acquire(config_of("other"))
    handle.release()
    await face.close()


async def test_a_handle_is_released_once(new_face: NewFace, world: World) -> None:
    """A second release does nothing, and takes nobody else's reference (B17)."""
    face = new_face(idle_ttl=0.0)
    first, second = await face.acquire(config_of()), await face.acquire(config_of())
    assert first.release()
    assert not first.release()
    second.client.use()
    assert face.clients.stats()[0].references == 1
    with pytest.raises(HandleReleased):
        _ = first.client
    assert "released" in repr(first)
    second.release()
    await until(lambda: world.open_clients == 0)
    await face.close()


async def test_the_block_releases(new_face: NewFace) -> None:
    """`with handle` gives the client and releases it, whatever happens in the block."""
    face = new_face()
    handle = await face.acquire(config_of())
    with pytest.raises(KeyError), handle as client:
        client.use({}["missing"])
    assert handle.released
    await face.close()


async def test_linger(new_face: NewFace, world: World) -> None:
    """A client that nobody has is closed after `idle_ttl`, by itself; before that it is used again."""
    face = new_face(idle_ttl=0.03)
    (await face.acquire(config_of())).release()
    again = await face.acquire(config_of())
    assert world.connects == 1
    again.release()
    await until(lambda: world.open_clients == 0)
    assert face.clients.stats() == ()
    await face.close()


async def test_a_dropped_handle_is_given_back(
    new_face: NewFace, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A handle that nobody released is given back by its finalizer, and the log says so."""
    face = new_face(idle_ttl=0.0)
    if FREE_THREADED and isinstance(face, ThreadSharing):
        await face.close()
        pytest.skip("the interpreter finalizes what another thread made when that thread runs next")
    handle = await face.acquire(config_of())
    with caplog.at_level(logging.WARNING, "connpool_runtime"):
        del handle
        gc.collect()
        await until(lambda: world.open_clients == 0)
    assert "dropped without being released" in caplog.text
    await face.close()


class LockOfOnlookers:
    """A lock that is held by someone who looks at the clients, whenever one asks whether it is free."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def locked(self) -> bool:
        return True

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._lock.__exit__(*error)


async def test_a_dropped_handle_is_given_back_while_others_look(
    new_face: NewFace, world: World
) -> None:
    """Giving it back waits for whoever holds the lock, and is not left to one who only asks for the stats."""
    face = new_face(idle_ttl=0.0)
    face.clients._lock = LockOfOnlookers(face.clients._lock)
    handle = await face.acquire(config_of())
    face.clients.drop(handle._reference)  # as its finalizer does
    await until(lambda: world.open_clients == 0)
    await face.close()


async def test_a_removed_client_is_closed_by_its_last_holder(
    new_face: NewFace, world: World
) -> None:
    """Removing gives a client to nobody new; those who have it go on, the last of them closes it (B18)."""
    face = new_face()
    first, second = await face.acquire(config_of()), await face.acquire(config_of())
    assert face.clients.remove(config_of())
    assert not face.clients.remove(config_of())
    third = await face.acquire(config_of())
    assert third.client is not first.client
    assert [one.retired for one in face.clients.stats()] == [False, True]
    first.release()
    second.client.use()
    second.release()
    await until(lambda: world.open_clients == 1)
    third.client.use()
    third.release()
    await face.close()


async def test_a_sick_client_is_replaced(new_face: NewFace, world: World) -> None:
    """After a failed check the next caller gets another client; those who have the old one keep it (B25)."""
    face = new_face()
    config = config_of(health_interval=0.02)
    old = await face.acquire(config)
    world.sick = True
    await until(lambda: not face.clients.stats()[0].healthy)
    new = await face.acquire(config)
    assert new.client is not old.client
    old.client.use()
    old.release()
    new.client.use()
    new.release()
    await face.close()


async def test_a_check_that_passes_restores(new_face: NewFace, world: World) -> None:
    """A client whose later check passes is shared again (B25)."""
    face = new_face()
    config = config_of(health_interval=0.02)
    first = await face.acquire(config)
    world.sick = True
    await until(lambda: not face.clients.stats()[0].healthy)
    world.sick = False
    await until(lambda: face.clients.stats()[0].healthy)
    second = await face.acquire(config)
    assert second.client is first.client
    first.release()
    second.release()
    await face.close()


async def test_no_call_per_get(new_face: NewFace, world: World) -> None:
    """Getting a client that is there asks no server anything."""
    face = new_face()
    for _ in range(20):
        (await face.acquire(config_of())).release()
    assert (world.connects, world.checks) == (1, 0)
    await face.close()


async def test_what_the_connector_knows_counts(new_face: NewFace, world: World) -> None:
    """A client whose connector knows that it is broken is not given out, without asking the server."""
    face = new_face()
    old = await face.acquire(config_of())
    entry = next(iter(face.clients._table.index))
    entry.holder.healthy = False
    assert not face.clients.stats()[0].healthy
    new = await face.acquire(config_of())
    assert new.client is not old.client
    old.release()
    new.release()
    await face.close()


async def test_eviction(new_face: NewFace, world: World) -> None:
    """At the limit, unused clients make room; they are closed before the new one is opened (F3, B20)."""
    face = new_face(max_clients=2)
    for name in "abcd":
        (await face.acquire(config_of(name))).release()
        assert world.open_clients <= 2
    assert [client.closed for client in world.opened] == [1, 1, 0, 0]
    await face.close()


async def test_exhausted(new_face: NewFace, world: World) -> None:
    """When all clients are in use a caller waits, then gets an error that says so (B20)."""
    face = new_face(max_clients=1)
    handle = await face.acquire(config_of("a"))
    with pytest.raises(ClientsExhausted, match="max_clients"):
        await face.acquire(config_of("b"), 0.0)
    waiting = asyncio.ensure_future(face.acquire(config_of("b")))
    await until(lambda: "waiting=1" in repr(face.clients))
    handle.release()
    (await waiting).release()
    await face.close()


async def test_waiting_for_an_opener(new_face: NewFace, world: World) -> None:
    """Who cannot wait for another's opening gets a timeout; the opener and its client are not touched."""
    face = new_face()
    world.hold()
    opener = asyncio.ensure_future(face.acquire(config_of()))
    await until(world.connecting.is_set)
    with pytest.raises(AcquireTimeout):
        await face.acquire(config_of(), 0.0)
    world.release()
    handle = await opener
    assert face.clients.stats()[0].references == 1
    handle.release()
    await face.close()


async def test_close_waits_for_handles(new_face: NewFace, world: World) -> None:
    """Closing refuses newcomers, waits for the handles that are out, and can be done again (B19)."""
    face = new_face()
    handle = await face.acquire(config_of())
    (await face.acquire(config_of("unused"))).release()
    with pytest.raises(DrainTimeout, match="1 handles"):
        await face.close(0.0)
    with pytest.raises(PoolClosed):
        await face.acquire(config_of())
    handle.client.use()
    closing = asyncio.ensure_future(face.close())
    await asyncio.sleep(0)
    handle.release()
    await closing
    await face.close()
    assert world.open_clients == 0
    assert not handle.release()


async def test_closing_while_opening(new_face: NewFace, world: World) -> None:
    """A client that comes up after the end is closed, and its callers learn of the end (B19)."""
    face = new_face()
    world.hold()
    asking = [asyncio.ensure_future(face.acquire(config_of())) for _ in range(2)]
    await until(lambda: "references=2" in repr(face.clients))
    with pytest.raises(DrainTimeout):
        await face.close(0.0)
    world.release()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results] == [PoolClosed, PoolClosed]
    await face.close()
    assert world.open_clients == 0


async def test_closing_sends_the_waiting_away(new_face: NewFace, world: World) -> None:
    """Who waits for room when all is closed learns that, at once."""
    face = new_face(max_clients=1)
    handle = await face.acquire(config_of("a"))
    waiting = asyncio.ensure_future(face.acquire(config_of("b")))
    await until(lambda: "waiting=1" in repr(face.clients))
    with pytest.raises(DrainTimeout):
        await face.close(0.0)
    with pytest.raises(PoolClosed):
        await waiting
    handle.release()
    await face.close()


async def test_stats_tell_no_secret(new_face: NewFace, world: World) -> None:
    """The numbers name endpoints and the beginning of a key, with wall-clock times."""
    face = new_face()
    handle = await face.acquire(config_of())
    (one,) = face.clients.stats()
    assert (one.endpoints, one.references, one.healthy, one.retired) == (("a:1",), 1, True, False)
    assert config_of().key().startswith(one.key)
    assert len(one.key) == len("custom:") + 8
    assert one.created == one.last_check
    assert abs(one.created - time.time()) < 60
    handle.release()
    await face.close()


async def test_a_cancelled_opener_lets_others_try(world: World) -> None:
    """When the task that opens is cancelled, one of those who wait opens instead."""
    face = TaskSharing(world)
    world.hold()
    opener = asyncio.ensure_future(face.acquire(config_of()))
    await until(world.connecting.is_set)
    waiter = asyncio.ensure_future(face.acquire(config_of()))
    await until(lambda: "references=2" in repr(face.clients))
    opener.cancel()
    world.release()
    handle = await waiter
    assert opener.cancelled()
    handle.release()
    await face.close()


async def test_cancelled_in_line(world: World) -> None:
    """Who is cancelled while waiting for room leaves nothing behind."""
    face = TaskSharing(world, max_clients=1)
    handle = await face.acquire(config_of("a"))
    waiting = asyncio.ensure_future(face.acquire(config_of("b")))
    await until(lambda: "waiting=1" in repr(face.clients))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert "waiting" not in repr(face.clients)
    handle.release()
    await face.close()


async def test_async_with(world: World) -> None:
    """`async with clients.acquire(config) as client` does it in one line."""
    async with TaskSharing(world).clients as clients:
        async with clients.acquire(config_of()) as client:
            client.use()
        assert clients.stats()[0].references == 0
    assert world.open_clients == 0


def test_threads_leave_nothing(world: World) -> None:
    """After closing, no thread of ours is left; nor after the object is forgotten."""
    with ThreadSharing(world).clients as clients, clients.acquire(config_of()) as client:
        client.use()
    forgotten = ThreadSharing(world)
    forgotten.clients.acquire(config_of()).release()
    (keeper,) = [one for one in threading.enumerate() if one.name == "test-maintenance"]
    del forgotten
    gc.collect()
    keeper.join(10.0)
    assert [one for one in threading.enumerate() if one.name.startswith("test-")] == []


def test_a_hanging_close_hurts_nobody(world: World) -> None:
    """A connector whose close raises is logged; the handle is released all the same."""

    class Bad(ThreadConnector):
        def close(self) -> None:
            super().close()
            raise OSError("cannot close")

    clients: SharedClients[ConnectorConfig, Client] = SharedClients(
        lambda config: Bad(world, config), idle_ttl=0.0
    )
    clients.acquire(config_of()).release()
    assert world.open_clients == 0
    clients.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("idle_ttl", -1.0),
        ("max_clients", -1),
        ("max_clients", 1.5),
        ("max_clients", True),
        ("acquire_timeout", "5"),
        ("drain_timeout", float("inf")),
    ],
)
def test_settings_are_checked(name: str, value: Any) -> None:
    """A setting that is not allowed is refused by its name, with what is allowed."""
    with pytest.raises(ValueError, match=rf"{name} must be .*, not {value!r}"):
        SharedClients(lambda config: None, **{name: value})


def test_defaults() -> None:
    """None is the default; zero is zero, and as a limit none."""
    assert SharingSettings.of({"idle_ttl": None, "max_clients": 0}) == SharingSettings()
    assert SharingSettings.of({"idle_ttl": 0.0}).idle_ttl == 0.0


async def test_a_bad_timeout_is_refused(new_face: NewFace) -> None:
    """The timeout of one call is checked as the settings are."""
    face = new_face()
    with pytest.raises(ValueError, match="timeout must be"):
        await face.acquire(config_of(), -1.0)
    with pytest.raises(ValueError, match="drain_timeout must be"):
        await face.close(-1.0)
    await face.close()


def test_async_clients_need_a_loop() -> None:
    """Asynchronous clients belong to a loop, from the start."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncSharedClients(lambda config: None)  # type: ignore[arg-type,return-value]
