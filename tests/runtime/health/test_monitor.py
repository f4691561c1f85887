"""Pools that open their members themselves: verified, checked while idle, cut off, let back, replaced."""

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    AsyncPool,
    ClientReplaced,
    Event,
    HealthChanged,
    Pool,
    PoolClosed,
    ReconnectFailed,
)
from connpool_runtime.connectors import ConnectFailed, ConnectorConfig, HealthCheckFailed
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from local_servers import RedisServer
from tests.runtime.connectors.kinds import KINDS, Kind

QUICK = {"health_interval": 0.02, "reconnect_interval": 0.01, "reconnect_max_interval": 0.02}


class Server:
    """What a client of ours talks to: in order or not, and it may break clients that were there."""

    def __init__(self) -> None:
        self.up = True
        self.opened: list[Client] = []
        self.checks = 0

    def restart(self) -> None:
        """Come back, with all clients of before broken for ever."""
        for client in self.opened:
            client.broken = True
        self.up = True


class Client:
    """A client of one server."""

    def __init__(self, server: Server, endpoint: str) -> None:
        if not server.up:
            raise ConnectionRefusedError(endpoint)
        self.server = server
        self.endpoint = endpoint
        self.broken = False
        self.closed = False
        server.opened.append(self)

    def ping(self) -> str:
        assert not self.closed, "used after it was closed"
        self.server.checks += 1
        if self.broken or not self.server.up:
            raise ConnectionResetError(self.endpoint)
        return self.endpoint

    def close(self) -> None:
        self.closed = True


class Face:
    """A pool of either kind with a connector to some servers."""

    def __init__(self, style: str, *endpoints: str, **config: Any) -> None:
        self.servers = {endpoint: Server() for endpoint in endpoints}
        self.config = ConnectorConfig(endpoints=endpoints, **{**QUICK, **config})
        self.events: list[Event] = []
        self.aio = style == "aio"
        self.pool: Any = AsyncPool("servers") if self.aio else Pool("servers")
        self.pool.subscribe(self.events.append)

    def make(self, endpoint: str) -> Client:
        return Client(self.servers[endpoint], endpoint)

    async def open(self) -> None:
        if self.aio:

            async def check(client: Client) -> None:
                client.ping()

            aio = AsyncCustomConnector(self.make, self.config, check=check)
            await self.pool.add_connector(aio)
        else:
            sync = CustomConnector(self.make, self.config, check=lambda client: client.ping())
            await asyncio.to_thread(self.pool.add_connector, sync)

    async def ask(self) -> str:
        if not self.aio:
            return str(self.pool.execute(Client.ping))

        async def ping(client: Client) -> str:
            return client.ping()

        return str(await self.pool.execute(ping))

    async def close(self) -> None:
        done = self.pool.close()
        if inspect.isawaitable(done):
            await done

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.005)


Make = Callable[..., Face]


@pytest.fixture(params=["sync", "aio"])
async def face(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes pools of both kinds, and closes them at the end."""
    made: list[Face] = []

    def pool(*endpoints: str, **config: Any) -> Face:
        made.append(Face(request.param, *endpoints, **config))
        return made[-1]

    yield pool
    for each in made:
        await each.close()
        clients = [client for server in each.servers.values() for client in server.opened]
        # One that a thread was just opening is closed by that thread.
        await eventually(lambda clients=clients: all(client.closed for client in clients))  # type: ignore[misc]


async def test_a_member_for_each_endpoint(face: Make) -> None:
    """Named after it, verified before it gets a call."""
    one = face("a:1", "b:2")
    await one.open()
    assert [member.name for member in one.pool.members] == ["a:1", "b:2"]
    assert all(server.checks == 1 for server in one.servers.values())
    assert {await one.ask() for _ in range(4)} == {"a:1", "b:2"}


async def test_a_closed_pool_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that fails after the pool has closed the client is no reason to open another one."""
    checking, closed, ended = threading.Event(), threading.Event(), threading.Event()

    def ping(client: Client) -> str:
        checking.set()
        assert closed.wait(20.0)
        ended.set()
        raise ConnectionResetError(client.endpoint)

    one = Face("sync", "a:1")
    await one.open()
    monkeypatch.setattr(Client, "ping", ping)
    assert await asyncio.to_thread(checking.wait, 20.0)
    await one.close()
    closed.set()
    assert await asyncio.to_thread(ended.wait, 20.0)
    await asyncio.sleep(0.05)
    assert len(one.servers["a:1"].opened) == 1


async def test_some_endpoints_will_do(face: Make) -> None:
    """Those that could not be opened join when their server is up."""
    one = face("a:1", "b:2")
    one.servers["a:1"].up = False
    await one.open()
    assert [member.name for member in one.pool.members] == ["b:2"]
    await eventually(lambda: one.told(ReconnectFailed))
    assert one.told(ReconnectFailed)[0].member == "a:1"
    one.servers["a:1"].up = True
    await eventually(lambda: len(one.pool.members) == 2)
    await eventually(lambda: one.told(ClientReplaced))


async def test_no_endpoint_is_an_error(face: Make) -> None:
    """When no server can be reached, opening says so, and nobody tries behind the caller's back."""
    one = face("a:1", "b:2")
    for server in one.servers.values():
        server.up = False
    with pytest.raises(ConnectFailed):
        await one.open()
    assert one.pool.members == ()


async def test_a_check_that_fails_cuts_off_and_one_that_passes_lets_back(face: Make) -> None:
    """An idle member whose server is down gets no calls; when it is back it does, and listeners are told."""
    one = face("a:1", "b:2", reconnect=False)
    await one.open()
    one.servers["a:1"].up = False
    await eventually(lambda: one.told(HealthChanged))
    assert {await one.ask() for _ in range(6)} == {"b:2"}
    event = one.told(HealthChanged)[0]
    assert (event.member, event.healthy, type(event.cause)) == ("a:1", False, HealthCheckFailed)
    assert "unreachable" in repr(one.pool)
    assert [member.healthy for member in one.pool.stats().members] == [False, True]
    one.servers["a:1"].up = True
    await eventually(lambda: len(one.told(HealthChanged)) == 2)
    assert one.told(HealthChanged)[1].healthy
    assert {await one.ask() for _ in range(6)} == {"a:1", "b:2"}
    assert len(one.servers["a:1"].opened) == 1


async def test_a_client_that_stays_broken_is_replaced(face: Make) -> None:
    """A server comes back, its old client does not: a new one takes its place, and the old one is closed."""
    one = face("a:1")
    await one.open()
    server = one.servers["a:1"]
    server.up = False
    await eventually(lambda: one.told(HealthChanged))
    with pytest.raises(AllMembersOpen, match="health check") as caught:
        await one.ask()
    assert isinstance(caught.value.cause, HealthCheckFailed)
    server.restart()
    await eventually(lambda: one.told(ClientReplaced))
    await eventually(lambda: server.opened[0].closed)
    assert await one.ask() == "a:1"
    assert [member.name for member in one.pool.members if not member.leaving] != []


async def test_nobody_tries_for_ever_who_was_told_not_to(face: Make) -> None:
    """After `reconnect_attempts` the last event says that it is over."""
    one = face("a:1", "b:2", reconnect_attempts=2)
    one.servers["a:1"].up = False
    await one.open()
    await eventually(lambda: len(one.told(ReconnectFailed)) == 2)
    assert [event.gave_up for event in one.told(ReconnectFailed)] == [False, True]


async def test_a_member_with_calls_is_not_checked(face: Make) -> None:
    """Calls that go well are check enough."""
    one = face("a:1", health_interval=0.05)
    await one.open()
    before, calls = one.servers["a:1"].checks, 0
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        await one.ask()
        calls += 1
        await asyncio.sleep(0)
    assert one.servers["a:1"].checks - before == calls


async def test_a_passing_check_closes_the_breaker(face: Make) -> None:
    """A member whose breaker opened is checked though calls ran, and comes back without a probe."""
    one = face("a:1", reconnect=False, health_interval=0.03)
    await one.open()
    member = one.pool.members[0]
    one.servers["a:1"].up = False
    for _ in range(20):
        with suppress(ConnectionResetError, AllMembersOpen):
            await one.ask()
    one.servers["a:1"].up = True
    await eventually(lambda: member.ready)
    assert await one.ask() == "a:1"


async def test_a_member_cut_off_by_hand_stays_so(face: Make) -> None:
    """What an operator did, no health check undoes."""
    one = face("a:1", reconnect=False)
    await one.open()
    one.pool.eject("a:1")
    checks = one.servers["a:1"].checks
    await eventually(lambda: one.servers["a:1"].checks > checks + 2)
    with pytest.raises(AllMembersOpen, match="by hand"):
        await one.ask()


async def test_after_close_nothing_is_checked(face: Make) -> None:
    """No check, no new client, no thread or task of ours is left."""
    one = face("a:1")
    await one.open()
    await one.close()
    checks = one.servers["a:1"].checks
    await eventually(
        lambda: not [thread for thread in threading.enumerate() if "health" in thread.name]
    )
    assert one.servers["a:1"].checks == checks
    with pytest.raises(PoolClosed):
        await one.open()


@pytest.mark.servers
@pytest.mark.parametrize("style", ["sync", "aio"])
async def test_three_redis_one_killed(style: str, redis_servers: list[RedisServer]) -> None:
    """On real servers: the one that is killed is cut off, calls go on, and it is back after its restart."""
    config = RedisConfig(endpoints=[server.address for server in redis_servers], **QUICK)
    killed = redis_servers[0].address
    pool: Any = Pool("redis") if style == "sync" else AsyncPool("redis")
    events: list[Event] = []
    pool.subscribe(events.append)
    if style == "sync":
        await asyncio.to_thread(pool.add_connector, RedisConnector(config))
    else:
        await pool.add_connector(AsyncRedisConnector(config))

    async def ask() -> Any:
        found = pool.execute(lambda client: client.ping())
        return await found if inspect.isawaitable(found) else found

    redis_servers[0].kill()
    await eventually(lambda: [one for one in events if isinstance(one, HealthChanged)])
    assert all([await ask() for _ in range(9)])
    redis_servers[0].restart()
    await eventually(lambda: [one.name for one in pool.members if one.ready and killed in one.name])
    assert all([await ask() for _ in range(9)])
    done = pool.close()
    if inspect.isawaitable(done):
        await done


@pytest.mark.servers
@pytest.mark.parametrize("style", ["sync", "aio"])
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.name in ("grpc", "milvus")], ids=lambda kind: kind.name
)
async def test_a_server_that_was_restarted_is_used_again(kind: Kind, style: str) -> None:
    """On real gRPC and Milvus servers: whatever became of the old client, calls work after a restart."""
    pool: Any = Pool("servers") if style == "sync" else AsyncPool("servers")
    events: list[Event] = []
    pool.subscribe(events.append)
    with kind.start() as server:
        config = kind.config(endpoints=server.address, **{**QUICK, "reconnect_max_interval": 0.2})
        if style == "sync":
            await asyncio.to_thread(pool.add_connector, kind.sync(config))
        else:
            await pool.add_connector(kind.aio(config))

        async def ask() -> Any:
            if style == "sync":
                return await asyncio.to_thread(pool.execute, kind.use)
            return await pool.execute(kind.use)

        await ask()
        server.kill()
        await eventually(lambda: [one for one in events if isinstance(one, HealthChanged)])
        with pytest.raises(AllMembersOpen):
            await ask()
        server.restart()
        await eventually(lambda: [one for one in pool.members if one.ready])
        await ask()
        done = pool.close()
        if inspect.isawaitable(done):
            await done


async def test_a_replaced_client_keeps_the_name_of_its_endpoint(face: Make) -> None:
    """So keys of consistent hashing meet the same servers, and a member that was ejected stays so."""
    one = face("a:1", "b:2")
    await one.open()
    one.pool.eject("b:2")
    for _ in range(2):
        before = len(one.told(ClientReplaced))
        one.servers["b:2"].restart()
        await eventually(lambda before=before: len(one.told(ClientReplaced)) > before)  # type: ignore[misc]
    assert [member.name for member in one.pool.members] == ["a:1", "b:2"]
    assert {await one.ask() for _ in range(4)} == {"a:1"}
    one.pool.uneject("b:2")
    assert {await one.ask() for _ in range(4)} == {"a:1", "b:2"}
    await eventually(lambda: all(client.closed for client in one.servers["b:2"].opened[:-1]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_checks_go_on_after_what_is_no_exception(face: Make) -> None:
    """A check of a user's connector that ends in no `Exception` is followed by others."""
    asked: list[None] = []

    class Panic(BaseException):
        """What Rust's bindings raise."""

    def ask() -> None:
        asked.append(None)
        if len(asked) < 3:
            raise Panic

    class Own(CustomConnector[Client]):
        def health_check(self, timeout: float | None = None) -> None:
            ask()

    class AsyncOwn(AsyncCustomConnector[Client]):
        async def health_check(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
            ask()

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    face_ = face("a:1", reconnect=False)
    if face_.aio:
        await face_.pool.add_connector(AsyncOwn(face_.make, face_.config))
    else:
        await asyncio.to_thread(face_.pool.add_connector, Own(face_.make, face_.config))
    await eventually(lambda: len(asked) >= 4)
    assert await face_.ask() == "a:1"
