"""Endpoints with a factory: clients opened on demand, reused, checked, replaced and closed."""

import asyncio
import gc
import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import (
    AsyncPool,
    BreakerState,
    EndpointSettings,
    Method,
    PoolError,
    PoolExhausted,
    PoolTimeout,
    Unreachable,
    deadline,
    remaining,
)
from tests.runtime.faces import PATIENCE, SEEN, Client, Face, TaskFace, makers_of, until

NewFace = Callable[..., Face]


new_face = makers_of(SEEN)


class Server:
    """Makes clients of both kinds, or fails to."""

    def __init__(self, face: Face, name: str = "a", **options: Any) -> None:
        self.face = face
        self.name = name
        self.made: list[Client] = []
        self.error: Exception | None = None
        self.unfit: set[Client] = set()
        self.validated: list[Client] = []
        if options.pop("checked", False):
            options["validate"] = self.validate
        face.pool.add_endpoint(self.make, name, **options)

    def make(self) -> Any:
        return self._later() if self.face.kind == "tasks" else self._make()

    def _make(self) -> Client:
        if self.error is not None:
            raise self.error
        client = Client(f"{self.name}{len(self.made) + 1}")
        self.made.append(client)
        return client

    async def _later(self) -> Client:
        await asyncio.sleep(0)
        return self._make()

    def validate(self, client: Client) -> Any:
        self.validated.append(client)
        return client not in self.unfit

    @property
    def closed(self) -> list[str]:
        return [client.name for client in self.made if client.closed]


async def hold(face: Face, count: int) -> list[Any]:
    """Take so many leases, one after the other."""
    leases = [face.pool.lease() for _ in range(count)]
    for lease in leases:
        await enter(lease)
    return leases


async def lose_one_of_two(face: Face, server: Server) -> None:
    """Have a call lose one of the two clients that the upkeep opens, and wait for the one in its place."""
    await until(lambda: len(server.made) == 2)
    for client in server.made:
        client.script.append(TimeoutError("late"))
    await face.calls(1)
    await until(lambda: len(server.made) == 3)


async def enter(lease: Any) -> Any:
    if hasattr(lease, "__aenter__"):
        return await lease.__aenter__()
    return await asyncio.to_thread(lease.__enter__)


async def leave(*leases: Any) -> None:
    for lease in leases:
        if hasattr(lease, "__aexit__"):
            await lease.__aexit__(None, None, None)
        else:
            lease.__exit__(None, None, None)


def sizes(face: Face) -> Any:
    return face.stats().members[0].clients


async def test_a_client_is_opened_when_it_is_needed_and_used_again(new_face: NewFace) -> None:
    """Nothing is opened before the first call, and the second finds the first one's client."""
    face = new_face()
    server = Server(face)
    assert server.made == []
    assert await face.calls(3) == ["a1"] * 3
    assert len(server.made) == 1
    assert (sizes(face).size, sizes(face).idle, sizes(face).opened) == (1, 1, 1)
    assert [client.name for client in face.pool.clients] == ["a1"]
    await face.close()


async def test_no_more_clients_than_max_size_are_opened(new_face: NewFace) -> None:
    """More callers than that wait in line, and are served by what comes back (B20)."""
    face = new_face()
    server = Server(face, max_size=2)
    leases = await hold(face, 2)
    waiter = face.start()
    await until(lambda: face.stats().waiting == 1)
    assert len(server.made) == 2
    await leave(leases[1])
    assert await waiter == "a2"
    await leave(leases[0])
    assert len(server.made) == 2
    await face.close()
    assert server.closed == ["a1", "a2"]


async def test_all_endpoints_together_have_no_more_than_max_members(new_face: NewFace) -> None:
    """The limit of the pool goes over those of the endpoints."""
    face = new_face(max_clients=3, checkout_timeout=0.01)
    servers = [Server(face, name) for name in "ab"]
    leases = await hold(face, 3)
    with pytest.raises(PoolTimeout):
        await face.start()
    assert sum(len(server.made) for server in servers) == 3
    await leave(*leases)
    await face.close()


async def test_a_client_less_at_one_endpoint_is_one_more_for_another(new_face: NewFace) -> None:
    """Whoever waits because of max_clients is served when an endpoint that leaves closes a client."""
    face = new_face(max_clients=1)
    for name in "ab":
        Server(face, name)
    leases = await hold(face, 1)
    waiter = face.start()
    await until(lambda: face.stats().waiting == 1)
    removing = asyncio.ensure_future(face.remove("a"))
    await until(lambda: face.stats().members[0].leaving)
    await leave(*leases)
    await removing
    assert await waiter == "b1"
    await face.close()


@pytest.mark.parametrize("by", ["checkout_timeout", "deadline"])
async def test_a_connect_that_hangs_keeps_its_caller_no_longer_than_it_may(by: str) -> None:
    """Nor the next one: the factory is cancelled, and its place is free again."""
    cancelled: list[str] = []

    async def hang() -> Client:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.append(by)
            raise
        return Client("late")

    limit = 0.05 if by == "checkout_timeout" else PATIENCE
    async with AsyncPool[Client]("slow", checkout_timeout=limit) as pool:
        pool.add_endpoint(hang, "a", max_size=1)
        get: Method[Client, Any] = Method("get", lambda client, _: client.aget())
        with deadline(0.05 if by == "deadline" else PATIENCE), pytest.raises(PoolError):
            async with asyncio.timeout(PATIENCE / 2):
                await pool.call(get)
        (stats,) = [one.clients for one in pool.stats().members]
        assert cancelled == [by]
        assert stats is not None
        assert stats.connecting == 0


async def test_what_one_endpoint_cannot_open_another_may(new_face: NewFace) -> None:
    """Whoever waits because of max_clients is served when opening fails elsewhere."""
    face = new_face(max_clients=1)

    def fail_when_somebody_waits() -> None:
        while face.stats().waiting == 0:
            time.sleep(0.001)
        raise OSError("refused")

    async def fail_later() -> None:
        await until(lambda: face.stats().waiting == 1)
        raise OSError("refused")

    factory = fail_later if face.kind == "tasks" else fail_when_somebody_waits
    face.pool.add_endpoint(factory, "a", connect_backoff=60.0)
    Server(face, "b")
    assert await asyncio.gather(face.start(), face.start()) == ["b1", "b1"]
    await face.close()


async def test_openings_that_fail_at_once_leave_other_tasks_their_turns() -> None:
    """A call whose factory fails before it awaits anything, without a back-off, can be cancelled meanwhile."""
    pool = AsyncPool[Client]("test", checkout_timeout=5.0)
    failed = 0

    async def refuse() -> Client:
        nonlocal failed
        failed += 1
        raise OSError("refused")

    pool.add_endpoint(refuse, "a", connect_backoff=0.0)
    call = asyncio.ensure_future(pool.execute(lambda client: client.aget()))
    await until(lambda: failed >= 3)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert pool.stats().in_flight == 0
    await pool.close()


async def test_the_client_used_last_is_used_next(new_face: NewFace) -> None:
    """Surplus clients go cold, so that they expire."""
    face = new_face()
    Server(face)
    leases = await hold(face, 3)
    await leave(leases[0], leases[2], leases[1])
    assert await face.calls(3) == ["a2"] * 3
    await face.close()


async def test_a_client_may_serve_several_calls_at_a_time(new_face: NewFace) -> None:
    """Another one is opened when the first has as many as it may."""
    face = new_face()
    server = Server(face, max_concurrency=2, max_size=2)
    leases = await hold(face, 3)
    assert [lease.member.name for lease in leases] == ["a"] * 3
    assert len(server.made) == 2
    leases += await hold(face, 1)
    waiter = face.start()
    await until(lambda: face.stats().waiting == 1)
    await leave(*leases)
    await waiter
    assert len(server.made) == 2
    assert face.in_flight() == 0
    await face.close()
    assert server.closed == ["a1", "a2"]


@pytest.mark.parametrize("most", [1, 2])
async def test_an_idle_client_is_kept_once(new_face: NewFace, most: int) -> None:
    """However many calls have used it, alone or beside others."""
    face = new_face()
    server = Server(face, max_concurrency=most, max_size=1)
    store = face.member("a").source
    for _ in range(3):
        await face.calls(3)
        (client,) = server.made
        client.hold()
        running = [face.start() for _ in range(most)]
        await until(lambda: face.in_flight() == most)
        assert store.idle == []
        client.release()
        await asyncio.gather(*running)
        assert store.idle == [*store.entries]
    await face.close()


async def test_a_client_that_fails_one_of_its_calls_is_closed_after_the_others(
    new_face: NewFace,
) -> None:
    """Calls that share it and end well neither close it under others nor bring it back."""
    face = new_face()
    server = Server(face, max_concurrency=2, max_size=2)
    await face.calls(1)
    (client,) = server.made
    client.hold()
    first, second = face.start(), face.start()
    await until(lambda: face.in_flight() == 2)
    client.script.append(ConnectionError())
    client.release()
    results = [await face.outcome(one) for one in (first, second)]
    assert sorted(type(one).__name__ for one in results) == ["ConnectionError", "str"]
    await until(lambda: client.closed == 1)
    assert face.in_flight() == 0
    assert await face.calls(2) == ["a2"] * 2
    await face.close()
    assert client.closed == 1


async def test_the_setting_of_the_pool_is_the_default_of_its_endpoints(new_face: NewFace) -> None:
    """max_concurrency of the pool holds where the endpoint says nothing."""
    face = new_face(max_concurrency=3)
    server = Server(face)
    leases = await hold(face, 3)
    assert len(server.made) == 1
    await leave(*leases)
    await face.close()


async def test_warm_up_opens_the_first_clients(new_face: NewFace) -> None:
    """As many as initial_size or min_size says; a second time there is nothing to do."""
    face = new_face()
    one, two = Server(face, "a", initial_size=3), Server(face, "b", min_size=1)
    for _ in range(2):
        await warm_up(face)
    assert (len(one.made), len(two.made)) == (3, 1)
    await face.close()


async def warm_up(face: Face) -> None:
    if face.kind == "tasks":
        await face.pool.warm_up()
    else:
        await asyncio.to_thread(face.pool.warm_up)


async def test_warm_up_tells_what_went_wrong(new_face: NewFace) -> None:
    """After it has tried all endpoints."""
    face = new_face()
    bad, good = Server(face, "a", initial_size=1), Server(face, "b", initial_size=1)
    bad.error = OSError("refused")
    with pytest.raises(ExceptionGroup, match="warming up pool 'test'") as caught:
        await warm_up(face)
    assert caught.value.exceptions == (bad.error,)
    assert len(good.made) == 1
    assert await face.calls(2) == ["b1", "b1"]
    await face.close()


async def test_a_call_goes_to_another_endpoint_if_one_cannot_be_reached(new_face: NewFace) -> None:
    """And nothing is opened there until the rest is over, which grows with each failure."""
    face = new_face(random=lambda: 0.5)
    bad, good = Server(face, "a"), Server(face, "b")
    bad.error = OSError("refused")
    assert await face.calls(4) == ["b1"] * 4
    assert sizes(face).failed == 1
    assert len(good.made) == 1
    face.clock.sleep(0.99)
    await face.calls(2)
    assert sizes(face).failed == 1
    face.clock.sleep(0.01)
    await face.calls(2)
    assert sizes(face).failed == 2
    face.clock.sleep(1.59)
    await face.calls(2)
    assert sizes(face).failed == 2
    bad.error = None
    face.clock.sleep(0.02)
    assert set(await face.calls(4)) == {"a1", "b1"}
    await face.close()


async def test_no_endpoint_can_be_reached(new_face: NewFace) -> None:
    """The call is refused with the error of the last try, and the time to the next."""
    face = new_face(random=lambda: 0.5)
    servers = [Server(face, name) for name in "ab"]
    for server in servers:
        server.error = OSError(f"{server.name} refused")
    for _ in range(2):
        with pytest.raises(Unreachable, match="none of the 2 endpoints of pool 'test'") as caught:
            await face.call()
        assert isinstance(caught.value.cause, OSError)
        assert caught.value.retry_after == pytest.approx(1.0)
    assert [member.clients.failed for member in face.stats().members] == [1, 1]
    assert face.in_flight() == 0
    face.clock.sleep(1)
    servers[0].error = None
    assert await face.call() == "a1"
    await face.close()


async def test_those_who_wait_hear_that_nothing_can_be_reached(new_face: NewFace) -> None:
    """A waiter for the only client, which proves broken, is not left waiting."""
    face = new_face()
    server = Server(face, max_size=1)
    lease = face.pool.lease()
    await enter(lease)
    waiter = face.start()
    await until(lambda: face.stats().waiting == 1)
    server.error = OSError("refused")
    lease.end(ConnectionError("reset"))
    with pytest.raises(Unreachable):
        await waiter
    await face.close()


async def test_a_client_that_failed_is_replaced(new_face: NewFace) -> None:
    """Without a check nobody gets it again: it is closed."""
    face = new_face()
    server = Server(face)
    await face.call()
    server.made[0].script.append(ConnectionError("reset"))
    await face.calls(1)
    assert await face.call() == "a2"
    await until(lambda: server.closed == ["a1"])
    await face.close()


async def test_a_client_that_failed_is_checked_if_there_is_a_check(new_face: NewFace) -> None:
    """Fit, it is used again; unfit, it is replaced."""
    face = new_face()
    server = Server(face, checked=True)
    await face.call()
    server.made[0].script.append(ConnectionError("reset"))
    assert (await face.calls(3))[1:] == ["a1", "a1"]
    assert server.validated == server.made
    server.made[0].script.append(ConnectionError("reset"))
    server.unfit.add(server.made[0])
    assert (await face.calls(2))[1:] == ["a2"]
    await until(lambda: server.closed == ["a1"])
    await face.close()


async def test_a_client_is_checked_only_after_it_was_idle(new_face: NewFace) -> None:
    """Not at each use; and the next one is taken when it is unfit (B25)."""
    face = new_face()
    server = Server(face, checked=True, validate_after=1.0)
    await leave(*await hold(face, 2))
    face.clock.sleep(0.99)
    assert await face.call() == "a2"
    assert server.validated == []
    face.clock.sleep(1.0)
    server.unfit.add(server.made[1])
    assert await face.call() == "a1"
    assert [client.name for client in server.validated] == ["a2", "a1"]
    await until(lambda: server.closed == ["a2"])
    await face.close()


async def test_old_clients_are_replaced(new_face: NewFace) -> None:
    """After max_lifetime, less a tenth at most, a client is not used again."""
    face = new_face(random=lambda: 1.0)
    server = Server(face, max_lifetime=100.0)
    await face.call()
    face.clock.sleep(89.9)
    assert await face.call() == "a1"
    face.clock.sleep(0.1)
    assert await face.call() == "a2"
    await until(lambda: server.closed == ["a1"])
    await face.close()


async def test_idle_clients_are_closed_down_to_the_minimum(new_face: NewFace) -> None:
    """The upkeep does it, while nobody calls; those used last stay (E2)."""
    face = new_face()
    server = Server(face, min_size=1, idle_timeout=10.0, max_lifetime=0)
    await leave(*await hold(face, 3))
    face.clock.sleep(10.0)
    face.pool._state.housekeeper.wake()
    await until(lambda: len(server.closed) == 2)
    assert server.closed == ["a1", "a2"]
    assert sizes(face).size == 1
    await face.close()
    assert len(server.closed) == 3


async def test_the_minimum_is_kept(new_face: NewFace) -> None:
    """A client that is lost is replaced without a call."""
    face = new_face()
    server = Server(face, min_size=2)
    await face.call()
    await lose_one_of_two(face, server)
    assert sizes(face).size == 2
    await face.close()
    assert len(server.closed) == 3


async def test_what_is_opened_in_the_background_has_no_callers_deadline(new_face: NewFace) -> None:
    """A factory that asks for the time left gets the caller's where the caller waits for it, and no other one's."""
    face = new_face()
    left: list[float] = []

    class Timed(Server):
        def _make(self) -> Client:
            left.append(remaining())
            return super()._make()

    server = Timed(face, min_size=2)
    with deadline(PATIENCE):
        await face.call()
    await lose_one_of_two(face, server)
    assert left[0] < PATIENCE
    assert left[1:] == [math.inf] * 2
    await face.close()


async def test_an_endpoint_can_be_removed(new_face: NewFace) -> None:
    """Its clients are closed when the last call has ended (B18)."""
    face = new_face()
    server = Server(face)
    leases = await hold(face, 2)
    await leave(leases[0])
    removing = asyncio.ensure_future(face.remove("a"))
    await until(lambda: face.stats().members[0].leaving)
    await leave(leases[1])
    await removing
    assert sorted(server.closed) == ["a1", "a2"]
    assert face.pool.members == ()


async def test_errors_of_closing_are_collected(new_face: NewFace) -> None:
    """One client that cannot be closed does not keep the others open (E6)."""
    face = new_face()
    server = Server(face)
    await leave(*await hold(face, 3))
    for client in server.made[:2]:
        client.close_error = OSError(client.name)
    with pytest.raises(ExceptionGroup, match="closing pool 'test'"):
        await face.close()
    assert len(server.closed) == 3


async def test_a_closing_that_hangs_keeps_no_other_client_open(new_face: NewFace) -> None:
    """The next one that is discarded is closed beside it, and needs no call for that (E6)."""
    face = new_face()
    end = threading.Event()

    def close(client: Client) -> Any:
        if client is not server.made[0]:
            return client.close() if face.kind == "threads" else client.aclose()
        return end.wait(20.0) if face.kind == "threads" else asyncio.to_thread(end.wait, 20.0)

    server = Server(face, close=close)
    for lease in await hold(face, 2):
        lease.end(ConnectionError("reset"))
    await until(lambda: server.closed == ["a2"])
    end.set()
    await face.close()


async def test_a_client_that_comes_when_its_endpoint_has_left_is_closed(new_face: NewFace) -> None:
    """Whoever opened it: a warm-up is as slow as its factory."""
    face = new_face()
    made: list[Client] = []
    left = threading.Event()

    def make() -> Client:
        made.append(Client("a1"))
        assert left.wait(20.0)
        return made[0]

    factory = make if face.kind == "threads" else lambda: asyncio.to_thread(make)
    face.pool.add_endpoint(factory, "a", initial_size=1)
    warming = asyncio.ensure_future(warm_up(face))
    await until(lambda: made != [])
    await face.remove("a")
    left.set()
    await warming
    await until(lambda: made[0].closed == 1)
    await face.close()


class Configure:
    """Configures clients; the last one of a number stands still until it is released, and may fail then."""

    def __init__(self, face: Face, held: int, error: Exception | None) -> None:
        self.face, self._held, self._error = face, held, error
        self.begun = 0
        self._go = threading.Event()

    def __call__(self, client: Client) -> Any:
        self.begun += 1
        hold = self.begun == self._held
        return self._in_thread(hold) if self.face.kind == "threads" else self._in_task(hold)

    def _in_thread(self, hold: bool) -> None:
        assert not hold or self._go.wait(PATIENCE)
        self._fail(hold)

    async def _in_task(self, hold: bool) -> None:
        await until(lambda: not hold or self._go.is_set())
        self._fail(hold)

    def _fail(self, hold: bool) -> None:
        if hold and self._error is not None:
            raise self._error

    def release(self) -> None:
        self._go.set()


HOW_OPENING_ENDS = pytest.mark.parametrize(
    "error", [None, ConnectionError("not configured")], ids=["opened", "failed"]
)


@HOW_OPENING_ENDS
async def test_a_client_opened_in_the_background_is_closed_with_its_pool(
    new_face: NewFace, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`close` waits for an opening that ends soon, also if the opening is broken off or fails after the factory."""
    for module in ("housekeeper", "async_housekeeper"):
        monkeypatch.setattr(f"connpool_runtime.checkout.{module}.LAST_OPENING", PATIENCE)
    face = new_face()
    configure = Configure(face, 2, error)
    server = Server(face, configure=configure, min_size=2)
    await face.call()
    await until(lambda: configure.begun == 2)
    closing = asyncio.ensure_future(face.close(drain_timeout=PATIENCE))
    await until(lambda: "a1" in server.closed)
    configure.release()
    await closing
    assert server.closed == ["a1", "a2"]


@HOW_OPENING_ENDS
async def test_a_client_opened_by_a_call_that_outlasts_the_drain_is_closed(
    new_face: NewFace, error: Exception | None
) -> None:
    """Also if the call gives its member back before the client that it could not configure is closed."""
    face = new_face()
    configure = Configure(face, 1, error)
    server = Server(face, configure=configure)
    call = face.start()
    await until(lambda: configure.begun == 1)
    with pytest.raises(ExceptionGroup):
        await face.close(drain_timeout=0.0)
    configure.release()
    await face.outcome(call)
    await until(lambda: server.closed == ["a1"])


async def test_the_end_of_a_pool_cancels_no_closing(new_face: NewFace) -> None:
    """Not even that of a client which came when its endpoint had left (tasks can be cancelled)."""
    face = new_face()
    if face.kind == "threads":
        return
    opened, end, closed = asyncio.Event(), asyncio.Event(), []
    made: list[Client] = []

    async def make() -> Client:
        made.append(Client(f"a{len(made) + 1}"))
        client = made[-1]
        if client.name == "a2":
            await opened.wait()
        return client

    async def close(client: Client) -> None:
        if client.name == "a2":
            await end.wait()
        closed.append(client.name)

    face.pool.add_endpoint(make, "a", close=close, min_size=2)
    await face.call()
    await until(lambda: len(made) == 2)
    await face.remove("a")
    opened.set()
    await asyncio.sleep(0.01)
    await face.close(drain_timeout=0.0)
    end.set()
    await until(lambda: closed == ["a1", "a2"])


async def test_calls_that_cannot_wait_open_nothing(new_face: NewFace) -> None:
    """An ordinary method of an asynchronous client gets a client that is there, or a refusal."""
    face = new_face()
    Server(face)
    if face.kind == "threads":
        return
    with pytest.raises(PoolExhausted, match="cannot wait for that"):
        face.pool.call_sync(face.method())
    await face.call()
    lease = face.pool.hold(face.method())
    assert lease.begin().name == "a1"
    lease.end(None)
    assert face.in_flight() == 0
    await face.close()


async def test_at_most_max_connecting_clients_are_opened_at_a_time(new_face: NewFace) -> None:
    """The others wait for whatever comes first: a client given back, or a new one."""
    face = new_face()
    opening = most = 0

    async def slow() -> Client:
        nonlocal opening, most
        opening += 1
        most = max(most, opening)
        await asyncio.sleep(0.002)
        opening -= 1
        return Client()

    if face.kind == "threads":

        def blocking() -> Client:
            nonlocal opening, most
            opening += 1
            most = max(most, opening)
            time.sleep(0.002)
            opening -= 1
            return Client()

        face.pool.add_endpoint(blocking, "a", max_connecting=2)
    else:
        face.pool.add_endpoint(slow, "a", max_connecting=2)
    await asyncio.gather(*[face.start() for _ in range(8)])
    assert most <= 2
    await face.close()


async def test_repr_shows_how_many_clients_there_are(new_face: NewFace) -> None:
    """The debugging view."""
    face = new_face()
    Server(face)
    await face.call()
    assert "<a closed in_flight=0 clients=1>" in repr(face.pool)
    assert face.stats().members[0].limit == 10
    await face.close()


async def test_a_forgotten_pool_is_not_kept_alive(new_face: NewFace) -> None:
    """Neither by its upkeep nor by the hook for forks; the upkeep ends by itself."""
    face = new_face()
    Server(face)
    await face.call()
    engine = weakref.ref(face.pool._checkout)
    upkeep = face.pool._state.housekeeper
    del face.pool
    await until(lambda: gc.collect() >= 0 and engine() is None)
    await until(lambda: not upkeep._worker.running)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_child_process_begins_anew() -> None:
    """No client of the parent is used or closed there, and no slot is lost (fork)."""
    from connpool_runtime import Method, Pool

    get: Method[Client, Any] = Method("get", lambda client, args: client.get())
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(f"c{len(made) + 1}"))
        return made[-1]

    pool = Pool[Client]("test", close=lambda client: client.close())
    pool.add_endpoint(make, "a", max_size=1)
    pool.call(get)
    with pool.lease():
        child = os.fork()
        if child == 0:
            answer = pool.call(get)
            parent_closed = made[0].closed
            os._exit(0 if (answer, parent_closed) == ("c2", 0) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.call(get) == "c1"
    pool.close()


@pytest.mark.parametrize("name", ["max_size", "max_concurrency", "max_connecting"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True], ids=repr)
def test_counts_of_clients_are_at_least_one(name: str, value: object) -> None:
    """The message names the setting, the value and the rule."""
    with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, not"):
        EndpointSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["min_size", "initial_size"])
def test_no_more_clients_are_kept_than_allowed(name: str) -> None:
    """A minimum above max_size is refused by name, and so is one below zero."""
    with pytest.raises(ValueError, match=f"^{name} must be at most max_size, 10, not 11"):
        EndpointSettings(**{name: 11})
    with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 0"):
        EndpointSettings(**{name: -1})


@pytest.mark.parametrize(
    "name",
    ["idle_timeout", "max_lifetime", "validate_after", "connect_backoff", "connect_backoff_max"],
)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5", True], ids=repr)
def test_durations_of_endpoints_are_seconds(name: str, value: object) -> None:
    """Finite and not negative."""
    with pytest.raises(ValueError, match=f"^{name} must be a finite number of seconds"):
        EndpointSettings(**{name: value})  # type: ignore[arg-type]


async def test_options_of_an_endpoint_are_checked_when_it_is_added(new_face: NewFace) -> None:
    """And nothing is added then; None is the default."""
    face = new_face()
    with pytest.raises(ValueError, match="max_size"):
        Server(face, max_size=0)
    with pytest.raises(ValueError, match="weight"):
        Server(face, weight=0)
    assert face.pool.members == ()
    Server(face, max_size=None)
    assert face.stats().members[0].limit == 10
    with pytest.raises(ValueError, match="name 'a' is taken"):
        Server(face)
    await face.close()


@pytest.mark.parametrize("step", range(7))
async def test_a_cancellation_at_any_await_leaks_no_client(step: int) -> None:
    """While a client is opened, checked or used: no right to open is lost, and all are closed."""
    made: list[Client] = []

    async def make() -> Client:
        await asyncio.sleep(0)
        made.append(Client())
        await asyncio.sleep(0)
        return made[-1]

    async def check(client: Client) -> bool:
        await asyncio.sleep(0)
        return True

    face = TaskFace()
    face.pool.add_endpoint(make, "a", max_size=1, validate=check, validate_after=0)
    for _ in range(2):  # first the opening, then the check of what was opened
        call = asyncio.ensure_future(face.call())
        for _ in range(step):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        assert (face.in_flight(), sizes(face).connecting) == (0, 0)
    assert await face.call() == "client"
    await face.close()
    # One that the factory had not yet given out when it was cancelled is the factory's.
    assert sum(client.closed for client in made) == sizes_opened(face, made)


def sizes_opened(face: Face, made: list[Client]) -> int:
    return sum(1 for client in made if client.calls or client.closed)


async def test_an_endpoint_has_its_place(new_face: NewFace) -> None:
    """Priority and zone are those of any member; a bad priority is refused by name."""
    face = new_face()
    Server(face, "far", priority=1)
    Server(face, "near", zone="eu")
    assert await face.calls(3) == ["near1"] * 3
    assert face.member("near").zone == "eu"
    with pytest.raises(ValueError, match="priority"):
        Server(face, "x", priority=-1)
    await face.close()


class Restarted:
    """A server whose connections die when it is restarted."""

    def __init__(self, face: Face, **options: Any) -> None:
        self.life = 0
        self.made = 0
        face.pool.add_endpoint(self.connect, "a", close=lambda client: None, **options)

    def connect(self) -> Client:
        self.made += 1
        client = Client(f"client {self.made}")
        born = self.life
        client.next = lambda: self.answer(born)  # type: ignore[method-assign]
        client.fit = lambda: born == self.life  # type: ignore[attr-defined]
        return client

    def answer(self, born: int) -> str:
        if born != self.life:
            raise ConnectionError("reset: the server was restarted")
        return "fine"


async def test_a_disconnect_is_evidence_against_all_older_clients(new_face: NewFace) -> None:
    """After a restart one call is lost, not one for each client that was idle meanwhile."""
    face = new_face()
    server = Restarted(face, initial_size=10)
    warm = face.pool.warm_up()
    if asyncio.iscoroutine(warm):
        await warm
    server.life += 1
    first, *rest = await face.calls(5)
    assert isinstance(first, ConnectionError)
    assert rest == ["fine"] * 4
    assert server.made == 11
    assert face.member("a").breaker.state is BreakerState.CLOSED
    await face.close()


async def test_older_clients_are_validated_where_there_is_a_way(new_face: NewFace) -> None:
    """Those that survived the disconnect of one are not closed, but asked before their next use."""
    face = new_face()
    server = Server(face, checked=True, initial_size=3)
    warm = face.pool.warm_up()
    if asyncio.iscoroutine(warm):
        await warm
    server.made[-1].script.append(ConnectionError("reset"))
    server.unfit.add(server.made[-1])
    await face.calls(2)
    assert server.validated == [server.made[2], server.made[1]]
    assert len(server.made) == 3
    await until(lambda: server.closed == ["a3"])
    await face.close()


async def test_clients_that_fail_together_tell_of_one_disconnect(new_face: NewFace) -> None:
    """What was opened after the first of them failed is not closed when the others do."""
    face = new_face()
    server = Server(face)
    old = await hold(face, 2)
    face.clock.sleep(1.0)
    await fail_in(old[0])
    face.clock.sleep(1.0)
    assert await face.call() == "a3"
    face.clock.sleep(1.0)
    await fail_in(old[1])
    assert await face.call() == "a3"
    assert len(server.made) == 3
    await face.close()


async def fail_in(lease: Any) -> None:
    error = ConnectionError("reset")
    left = getattr(lease, "__aexit__", None) or lease.__exit__
    done = left(type(error), error, None)
    if asyncio.iscoroutine(done):
        await done


async def test_a_half_open_endpoint_is_probed_by_a_fresh_client(new_face: NewFace) -> None:
    """A breaker that opens takes the idle clients with it, whatever errors opened it."""
    face = new_face(max_fails=1)
    server = Server(face, initial_size=3)
    warm = face.pool.warm_up()
    if asyncio.iscoroutine(warm):
        await warm
    server.made[-1].script.append(TimeoutError("no answer"))
    await face.calls(1)
    face.clock.sleep(face.pool.settings.cooldown)
    assert await face.call() == "a4"
    await until(lambda: server.closed == ["a1", "a2", "a3"])
    await face.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_the_housekeeper_waits_after_what_is_no_exception(new_face: NewFace) -> None:
    """A factory that raises no `Exception` in the background is tried again after the back-off, not at once."""

    class Panic(BaseException):
        """What Rust's bindings raise."""

    face, made = new_face(clock=time.monotonic), list[Client]()

    def factory() -> Client:
        made.append(Client("a"))
        if len(made) > 1:
            raise Panic
        return made[0]

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    face.pool.add_endpoint(factory, "a", min_size=2, connect_backoff=60.0)
    await face.call()
    await until(lambda: len(made) == 2)
    await asyncio.sleep(0.05)
    assert len(made) == 2
    assert isinstance(face.member("a").source.cause, Panic)
    await face.close()


class SlowServer:
    """Opens a client in longer than its callers have time, or never."""

    def __init__(self, pool: AsyncPool[Client], **options: Any) -> None:
        self.tried, self.hanging, self.made = 0, False, list[Client]()
        self.may_open = asyncio.Event()
        pool.add_endpoint(self.make, "a", connect_backoff=3600.0, **options)

    async def make(self) -> Client:
        self.tried += 1
        await self.may_open.wait()
        self.made.append(Client("a"))
        return self.made[-1]


def clients_of(pool: AsyncPool[Client]) -> Any:
    """The numbers about the clients of the only member."""
    return pool.stats().members[0].clients


async def ask_in_haste(pool: AsyncPool[Client], by: str) -> None:
    """Call with less time than opening a client takes."""
    name: Method[Client, Any] = Method("aget", lambda client, _: client.aget())
    if by == "deadline":
        with deadline(0.01), pytest.raises(PoolError):
            await pool.call(name)
    else:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pool.call(name)


@pytest.mark.parametrize("by", ["deadline", "cancellation"])
async def test_an_opening_that_its_caller_broke_off_is_made_good_in_the_background(by: str) -> None:
    """Callers who never wait as long as opening takes get a client in the end, also during the back-off that their haste began."""
    async with AsyncPool[Client]("hasty") as pool:
        server = SlowServer(pool)
        await ask_in_haste(pool, by)
        await until(lambda: server.tried == 2)
        server.may_open.set()
        await until(lambda: clients_of(pool).opened == 1)
        with deadline(PATIENCE):
            assert await pool.execute(lambda client: client.aget()) == "a"
        assert server.tried == 2


async def test_one_opening_at_a_time_makes_good_for_many() -> None:
    """However many callers break off, one client is opened in the background, and when that fails none until the next call."""
    async with AsyncPool[Client]("hasty", checkout_timeout=0.05) as pool:
        server = SlowServer(pool, max_size=10, max_connecting=10)
        await asyncio.gather(*(ask_in_haste(pool, "cancellation") for _ in range(5)))
        await until(lambda: server.tried == 6)
        await until(lambda: clients_of(pool).failed == 1)
        await asyncio.sleep(0.05)
        assert server.tried == 6


async def test_nothing_is_made_good_without_need() -> None:
    """Where clients are used once only, and in a pool that is closed, no client is opened for nobody."""
    pool = AsyncPool[Client]("hasty")
    server = SlowServer(pool, pooling=False)
    await ask_in_haste(pool, "cancellation")
    await asyncio.sleep(0.02)
    assert server.tried == 1
    await pool.close()
    pool = AsyncPool[Client]("hasty")
    server = SlowServer(pool)
    task = asyncio.create_task(pool.execute(lambda client: client.aget()))
    await until(lambda: server.tried == 1)
    with pytest.raises(ExceptionGroup):
        await pool.close(drain_timeout=0.0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.02)
    assert server.tried == 1


def test_an_event_loop_that_ends_while_a_client_is_opened_gets_no_new_tasks() -> None:
    """The end of a program that leaves its pool open is quiet: nothing is begun in a loop that cancels all its tasks."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        pool = AsyncPool[Client]("left")
        server = SlowServer(pool)
        call = asyncio.create_task(pool.execute(lambda client: client.aget()))
        await until(lambda: server.tried == 1)
        assert not call.done()

    asyncio.run(main())
    gc.collect()
    assert told == []
