"""Waiting until members are well, suspending a pool, resizing an endpoint, configuring its clients."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import (
    AsyncPool,
    NotReady,
    Pool,
    PoolClosed,
    PoolExhausted,
    PoolTimeout,
    UnknownMember,
)
from tests.runtime.faces import Client, Face, ThreadFace, until

NewFace = Callable[..., Face]


async def run(face: Any, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run something of a pool that may wait: of threads in another one."""
    if isinstance(face.pool, Pool):
        return await asyncio.to_thread(function, *args, **options)
    return await function(*args, **options)


# ------------------------------------------------------------------------- wait_ready


async def test_a_pool_that_is_ready_is_not_waited_for(face: Face) -> None:
    """Three members are well at once; with a timeout of 0 it is only looked."""
    await run(face, face.pool.wait_ready, 3, timeout=0.0)
    with pytest.raises(
        NotReady, match="3 of 3 members of pool 'test' were healthy within 0 s, but 4"
    ):
        await run(face, face.pool.wait_ready, 4, timeout=0.0)


async def test_who_waits_is_woken_by_the_last_member_that_was_missing(face: Face) -> None:
    """Members that join, and those that come back, count."""
    face.pool.eject("a")
    waiting = asyncio.ensure_future(run(face, face.pool.wait_ready, 4, timeout=30.0))
    await until(lambda: bool(face.pool._state.readiness))
    face.pool.add_client(Client("d"), "d")
    await face.sleep()  # type: ignore[attr-defined]  # of both kinds
    assert not waiting.done()
    face.pool.uneject("a")
    await asyncio.wait_for(waiting, 10.0)
    assert face.pool._state.readiness == {}


async def test_it_is_told_who_is_not_well_and_why(face: Face) -> None:
    """By name, with the last error; that is the cause too."""
    await face.trip("a")
    face.pool.eject("b")
    with pytest.raises(NotReady) as found:
        await run(face, face.pool.wait_ready, 2, timeout=0.01)
    assert "1 of 3 members" in str(found.value)
    assert "'a' is ejected: ConnectionError: a is down; 'b' was ejected by hand" in str(found.value)
    assert repr(found.value.cause) == "ConnectionError('a is down')"


async def test_an_endpoint_that_cannot_be_reached_is_not_well(new_face: NewFace) -> None:
    """Once opening has failed; the next success makes it well again."""
    face = new_face()
    down = True

    def factory() -> Client:
        if down:
            raise ConnectionRefusedError("nobody there")
        return Client("a")

    face.pool.add_endpoint(factory, "a", connect_backoff=1.0)
    await face.outcome(face.call())
    with pytest.raises(
        NotReady, match="'a' cannot be reached: ConnectionRefusedError: nobody there"
    ):
        await run(face, face.pool.wait_ready, timeout=0.0)
    down = False
    face.clock.sleep(10.0)
    await run(face, face.pool.wait_ready, timeout=0.0)


async def test_a_pool_without_members_says_so(new_face: NewFace) -> None:
    """And what adds some."""
    face = new_face()
    with pytest.raises(NotReady, match=r"0 of 0 members .* add_client, add_endpoint"):
        await run(face, face.pool.wait_ready, timeout=0.0)


async def test_closing_ends_the_wait(face: Face) -> None:
    """A closed pool never becomes ready."""
    waiting = asyncio.ensure_future(run(face, face.pool.wait_ready, 9, timeout=30.0))
    await until(lambda: bool(face.pool._state.readiness))
    await face.close()  # type: ignore[attr-defined]  # of both kinds
    with pytest.raises(PoolClosed):
        await asyncio.wait_for(waiting, 10.0)


async def test_numbers_that_are_not_allowed(face: Face) -> None:
    """They are refused by name."""
    with pytest.raises(ValueError, match="members"):
        await run(face, face.pool.wait_ready, 0)
    with pytest.raises(ValueError, match="timeout"):
        await run(face, face.pool.wait_ready, timeout=-1.0)


# ------------------------------------------------------------------------- suspend


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"balancer": "least_request"},
        {"balancer": "consistent_hash"},
        {"balancer": "peak_ewma"},
        {"default_route": "all"},
    ],
    ids=str,
)
async def test_a_suspended_pool_lets_calls_wait(
    new_face: NewFace, options: dict[str, Any], limit: int | None
) -> None:
    """Nobody is called until it is resumed; then those who waited are, in their order."""
    face = new_face("a", max_concurrency=limit, **options)
    face.pool.set_labels("a", {"role": "all"})
    await face.call()
    face.pool.suspend()
    assert face.pool.suspended
    assert face.stats().suspended
    waiting = [face.start() for _ in range(3)]  # type: ignore[attr-defined]  # of both kinds
    await until(lambda: face.stats().waiting == 3)
    assert face.clients["a"].calls == 1
    face.pool.resume()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10.0) == ["a"] * 3
    assert await face.call() == "a"
    assert not face.stats().suspended
    assert face.in_flight() == 0


async def test_calls_that_run_go_on(face: Face) -> None:
    """Suspending waits for nobody, and breaks nothing off."""
    face.clients["a"].hold()
    running = face.start()  # type: ignore[attr-defined]  # of both kinds
    await until(lambda: face.in_flight() == 1)
    face.pool.suspend()
    face.clients["a"].release()
    assert await running == "a"
    assert face.in_flight() == 0


async def test_a_call_waits_as_long_as_it_may(new_face: NewFace) -> None:
    """Then it is told that the pool is suspended."""
    face = new_face("a", checkout_timeout=0.05)
    face.pool.suspend()
    face.clock.sleep(0.0)
    refusal = await face.outcome(face.call())
    assert isinstance(refusal, PoolTimeout)
    assert "pool 'test' is suspended" in str(refusal)
    hasty = new_face("a", checkout_timeout=0.0)
    hasty.pool.suspend()
    assert isinstance(await hasty.outcome(hasty.call()), PoolExhausted)


async def test_changes_of_members_do_not_resume(face: Face) -> None:
    """Breakers, weights and members that come and go leave it suspended."""
    face.pool.suspend()
    waiting = face.start()  # type: ignore[attr-defined]  # of both kinds
    await until(lambda: face.stats().waiting == 1)
    face.pool.eject("a")
    face.pool.uneject("a")
    face.pool.add_client(Client("d"), "d")
    await face.sleep()  # type: ignore[attr-defined]  # of both kinds
    assert not waiting.done()
    face.pool.resume()
    await asyncio.wait_for(waiting, 10.0)


async def test_a_closed_pool_is_neither_suspended_nor_resumed(face: Face) -> None:
    """Those who wait are refused when it is closed."""
    face.pool.suspend()
    waiting = face.start()  # type: ignore[attr-defined]  # of both kinds
    await until(lambda: face.stats().waiting == 1)
    await face.close()  # type: ignore[attr-defined]  # of both kinds
    with pytest.raises(PoolClosed):
        await asyncio.wait_for(waiting, 10.0)
    for act in (face.pool.suspend, face.pool.resume):
        with pytest.raises(PoolClosed):
            act()


# ------------------------------------------------------------------------- endpoints


class Endpoint:
    """A pool with one endpoint, whose clients are counted."""

    def __init__(self, new_face: NewFace, **options: Any) -> None:
        self.face = new_face()
        self.opened: list[Client] = []
        options = {"close": Client.close, **options}
        self.face.pool.add_endpoint(self.open, "a", **options)

    def open(self) -> Client:
        self.opened.append(Client(f"client {len(self.opened)}"))
        return self.opened[-1]

    @property
    def size(self) -> int:
        (member,) = self.face.stats().members
        return member.clients.size if member.clients else 0

    async def together(self, count: int) -> None:
        """Hold so many clients at a time."""
        leases = [self.face.lease() for _ in range(count)]  # type: ignore[attr-defined]  # of both kinds
        for lease in leases:
            await lease.__aenter__()
        for lease in leases:
            await lease.__aexit__(None, None, None)


async def test_an_endpoint_is_resized(new_face: NewFace) -> None:
    """Larger at once for those who wait; smaller by closing idle clients."""
    endpoint = Endpoint(new_face, max_size=1)
    face = endpoint.face
    lease = face.lease()  # type: ignore[attr-defined]  # of both kinds
    await lease.__aenter__()
    waiting = face.start()  # type: ignore[attr-defined]  # of both kinds
    await until(lambda: face.stats().waiting == 1)
    face.pool.resize("a", max_size=5)
    assert await asyncio.wait_for(waiting, 10.0) == "client 1"
    await lease.__aexit__(None, None, None)
    await endpoint.together(5)
    assert endpoint.size == 5
    face.pool.resize("a", max_size=2)
    assert endpoint.size == 2
    await until(lambda: sum(one.closed for one in endpoint.opened) == 3)
    await face.close()  # type: ignore[attr-defined]  # of both kinds


@pytest.mark.parametrize("plain", [True, False])
async def test_clients_in_use_that_are_too_many_go_after_their_calls(
    new_face: NewFace, plain: bool
) -> None:
    """Leases and plain calls go on; what they used is closed when they have ended."""
    endpoint = Endpoint(new_face, max_size=2)
    face = endpoint.face
    await endpoint.together(2)
    for client in endpoint.opened:
        client.hold()
    leases = []
    if plain:
        running = [face.start(), face.start()]  # type: ignore[attr-defined]  # of both kinds
    else:
        leases = [face.lease(), face.lease()]  # type: ignore[attr-defined]  # of both kinds
        for lease in leases:
            await lease.__aenter__()
    await until(lambda: face.in_flight() == 2)
    face.pool.resize("a", max_size=1)
    assert not any(client.closed for client in endpoint.opened)
    for client in endpoint.opened:
        client.release()
    for lease in leases:
        await lease.__aexit__(None, None, None)
    if plain:
        await asyncio.gather(*running)
    await until(lambda: sum(one.closed for one in endpoint.opened) == 1)
    assert endpoint.size == 1
    await face.close()  # type: ignore[attr-defined]  # of both kinds


async def test_min_size_is_opened_at_once(new_face: NewFace) -> None:
    """By the housekeeper, once the endpoint has been used."""
    endpoint = Endpoint(new_face, max_size=5)
    await endpoint.face.call()
    endpoint.face.pool.resize("a", min_size=3)
    await until(lambda: endpoint.size == 3)
    await endpoint.face.close()  # type: ignore[attr-defined]  # of both kinds


async def test_mistakes_of_resizing_are_named(new_face: NewFace) -> None:
    """The number, the member, and what has no size; nothing has changed then."""
    endpoint = Endpoint(new_face, max_size=5, initial_size=4)
    pool = endpoint.face.pool
    pool.add_client(Client("b"), "b")
    for sizes, words in (
        ({"max_size": 0}, "max_size"),
        ({"min_size": 6}, "min_size must be at most max_size, 5"),
        ({"min_size": 3, "max_size": 2}, "min_size must be at most max_size, 2"),
    ):
        with pytest.raises(ValueError, match=words):
            pool.resize("a", **sizes)
    with pytest.raises(ValueError, match="'b' of pool 'test' was added with one client"):
        pool.resize("b", max_size=3)
    with pytest.raises(UnknownMember):
        pool.resize("c", max_size=3)
    assert pool.members[0].source.settings.max_size == 5
    pool.resize("a", max_size=2)
    assert pool.members[0].source.settings.initial_size == 2


async def test_an_endpoint_may_do_without_pooling(new_face: NewFace) -> None:
    """Each call and each lease opens a client of its own, which is closed after it."""
    endpoint = Endpoint(new_face, pooling=False)
    assert await endpoint.face.calls(3) == ["client 0", "client 1", "client 2"]
    await endpoint.together(2)
    assert len(endpoint.opened) == 5
    assert endpoint.size == 0
    with pytest.raises(ValueError, match="min_size must be 0 without pooling"):
        Endpoint(new_face, pooling=False, min_size=1)
    await endpoint.face.close()  # type: ignore[attr-defined]  # of both kinds
    assert all(client.closed == 1 for client in endpoint.opened)


async def test_each_client_is_configured_once(new_face: NewFace) -> None:
    """Before its first use, by whomever it is opened: a call, or a warm-up."""
    configured: list[str] = []
    endpoint = Endpoint(
        new_face, initial_size=1, configure=lambda client: configured.append(client.name)
    )
    await run(endpoint.face, endpoint.face.pool.warm_up)
    assert configured == ["client 0"]
    await endpoint.together(2)
    await endpoint.together(2)
    assert configured == ["client 0", "client 1"]
    assert endpoint.face.stats().openings.count == 2
    await endpoint.face.close()  # type: ignore[attr-defined]  # of both kinds


async def test_a_coroutine_function_configures() -> None:
    """In an `AsyncPool`."""
    configured: list[Client] = []

    async def configure(client: Client) -> None:
        await asyncio.sleep(0)
        configured.append(client)

    async with AsyncPool[Client]("test") as pool:
        pool.add_endpoint(lambda: Client("a"), "a", configure=configure)
        await pool.execute(lambda client: client.aget())
        assert [client.name for client in configured] == ["a"]


async def test_a_client_that_cannot_be_configured_is_closed(new_face: NewFace) -> None:
    """It counts as one that could not be opened, and the error says why."""

    def configure(_client: Client) -> None:
        raise PermissionError("no such role")

    endpoint = Endpoint(new_face, configure=configure)
    refusal = await endpoint.face.outcome(endpoint.face.call())
    assert isinstance(refusal.cause, PermissionError)
    await until(lambda: all(client.closed for client in endpoint.opened))
    (member,) = endpoint.face.stats().members
    assert member.clients is not None
    assert (member.clients.opened, member.clients.failed, member.clients.size) == (0, 1, 0)
    await endpoint.face.close()  # type: ignore[attr-defined]  # of both kinds


async def test_how_long_opening_takes_is_counted(new_face: NewFace) -> None:
    """The factory and what configures; by the pool's clock."""
    face = new_face()
    configure = lambda _client: face.clock.sleep(1.0)  # noqa: E731
    face.pool.add_endpoint(lambda: face.clock.sleep(2.0) or Client("a"), "a", configure=configure)
    await face.call()
    assert (face.stats().openings.count, face.stats().openings.total) == (1, 3.0)


class Transactions(Endpoint):
    """An endpoint whose clients have to be reset after each use."""

    def __init__(self, new_face: NewFace, **options: Any) -> None:
        self.resets: list[str] = []
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None
        super().__init__(new_face, **{"max_size": 1, "reset": self.reset, **options})

    def reset(self, client: Client) -> None:
        assert self.go.wait(10.0)
        self.resets.append(client.name)
        if self.error is not None:
            raise self.error


async def test_a_client_is_reset_after_each_use(new_face: NewFace) -> None:
    """Of a call, of one that failed, and of a lease; and before the next use."""
    endpoint = Transactions(new_face, validate=lambda _: True)
    face: Any = endpoint.face
    await face.call()
    await until(lambda: len(endpoint.resets) == 1)
    endpoint.opened[0].script.append(ValueError("answer"))
    assert isinstance(await face.outcome(face.call()), ValueError)
    async with face.lease() as (client, _):
        assert client is endpoint.opened[0]
        assert len(endpoint.resets) == 2
    assert await face.call() == "client 0"
    await until(lambda: len(endpoint.resets) == 4)
    assert len(endpoint.opened) == 1
    await face.close()
    assert endpoint.opened[0].closed == 1


async def test_who_gives_back_does_not_wait_and_who_comes_does(new_face: NewFace) -> None:
    """In threads: the caller goes on while the client is reset, and the next one waits for it."""
    if new_face is not ThreadFace:
        return
    endpoint = Transactions(new_face)
    face: Any = endpoint.face
    await face.call()
    await until(lambda: len(endpoint.resets) == 1)
    endpoint.go.clear()
    assert await face.call() == "client 0"
    assert endpoint.size == 1
    waiting = face.start()
    await until(lambda: face.stats().waiting == 1)
    endpoint.go.set()
    assert await asyncio.wait_for(waiting, 10.0) == "client 0"
    assert len(endpoint.opened) == 1
    await face.close()


async def test_a_client_that_cannot_be_reset_is_closed(new_face: NewFace) -> None:
    """Nobody gets it; the next call opens another one."""
    endpoint = Transactions(new_face)
    face: Any = endpoint.face
    endpoint.error = ConnectionError("gone")
    assert await face.call() == "client 0"
    assert await face.call() == "client 1"
    await until(lambda: endpoint.opened[0].closed == 1)
    await face.close()
    await until(lambda: all(client.closed == 1 for client in endpoint.opened))


async def test_a_pool_that_is_closed_meanwhile_closes_the_client_after_its_reset() -> None:
    """It is not closed under whoever resets it, and not forgotten."""
    endpoint = Transactions(ThreadFace)
    face: Any = endpoint.face
    await face.call()
    await until(lambda: len(endpoint.resets) == 1)
    endpoint.go.clear()
    await face.call()
    await until(lambda: endpoint.face.pool.members[0].source.entries[0].resetting)
    closing = asyncio.ensure_future(face.close())
    await until(lambda: endpoint.face.pool.closed)
    assert endpoint.opened[0].closed == 0
    endpoint.go.set()
    await until(lambda: endpoint.opened[0].closed == 1)
    await asyncio.wait_for(closing, 10.0)


async def test_a_coroutine_function_resets() -> None:
    """In an `AsyncPool`; one that hangs is given up after `checkout_timeout`."""
    resets: list[str] = []

    async def reset(client: Client) -> None:
        resets.append(client.name)
        if len(resets) == 2:
            await asyncio.sleep(3600.0)

    opened = iter(range(9))
    async with AsyncPool[Client]("test", checkout_timeout=0.1) as pool:
        pool.add_endpoint(lambda: Client(str(next(opened))), "a", max_size=1, reset=reset)
        answers = []
        for _ in range(2):
            answers.append(await pool.execute(lambda client: client.aget()))
        await until(lambda: pool.members[0].source.size == 0)
        answers.append(await pool.execute(lambda client: client.aget()))
    assert answers == ["0", "0", "1"]


async def test_clients_that_are_shared_are_not_reset(new_face: NewFace) -> None:
    """A reset would break what others do with the client; that is refused."""
    with pytest.raises(ValueError, match="reset needs max_concurrency=1"):
        Transactions(new_face, max_concurrency=2)


async def test_a_real_transaction_is_rolled_back(new_face: NewFace, tmp_path: Path) -> None:
    """What a caller of SQLite has not committed is gone for the next one, and its lock with it."""
    if new_face is not ThreadFace:
        return
    file = tmp_path / "accounts.db"
    with sqlite3.connect(file) as setup:
        setup.execute("create table accounts (name text)")
    with Pool[sqlite3.Connection]("accounts", close=lambda connection: connection.close()) as pool:
        pool.add_endpoint(
            lambda: sqlite3.connect(file, check_same_thread=False, timeout=0.1),
            max_size=1,
            configure=lambda connection: connection.execute("pragma foreign_keys = on"),
            reset=lambda connection: connection.rollback(),
        )
        with pool.lease() as connection:
            connection.execute("insert into accounts values ('eve')")
        with pool.lease() as connection:
            assert connection.execute("select count(*) from accounts").fetchone() == (0,)
            assert connection.execute("pragma foreign_keys").fetchone() == (1,)
    with sqlite3.connect(file, timeout=0.1) as other:
        other.execute("insert into accounts values ('ann')")
