"""Coalesce: equal calls in flight share one call to a server."""

import asyncio
import gc
import itertools
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connpool_runtime import AsyncPool, DeadlineExceeded, Method, Outcome, Pool, deadline
from connpool_runtime.middleware import Coalesce, Deadline
from generated.async_redis_pool import AsyncRedisPool
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.runtime.faces import PATIENCE, Face, until
from tests.runtime.forking import in_child


class Site:
    """Answers by a new list each time, when it is let go."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.go = threading.Event()
        self.error: BaseException | None = None
        self.cancelled = 0

    def get(self, *args: Any) -> list[Any]:
        self.calls.append(args)
        assert self.go.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return [*args]

    async def aget(self, *args: Any) -> list[Any]:
        self.calls.append(args)
        try:
            await until(self.go.is_set)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return [*args]


GET: Method[Site, Any] = Method("get", lambda site, args: site.get(*args), idempotent=True)
AGET: Method[Site, Any] = Method("get", lambda site, args: site.aget(*args), idempotent=True)


class Crowd:
    """Callers of a pool of either kind, in threads or in tasks; each waits for the others to have begun."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.site = Site()
        self.coalesce = Coalesce(**options)
        self.aio = kind == "tasks"
        self.pool: Any = AsyncPool("site") if self.aio else Pool("site")
        self.pool.register_middleware(self.coalesce)
        self.pool.add_client(self.site)
        self.method = AGET if self.aio else GET

    def start(
        self, *args: Any, method: Any = None, seconds: float | None = None
    ) -> "asyncio.Future[Any]":
        method = method or self.method

        def call() -> Any:
            if seconds is None:
                return self.pool.call(method, args)
            with deadline(seconds):
                return self.pool.call(method, args)

        async def acall() -> Any:
            if seconds is None:
                return await self.pool.call(method, args)
            with deadline(seconds):
                return await self.pool.call(method, args)

        if self.aio:
            return asyncio.ensure_future(acall())
        executor = ThreadPoolExecutor(1)
        future = asyncio.wrap_future(executor.submit(call))
        executor.shutdown(wait=False)
        return future

    @property
    def waiting(self) -> int:
        """How many callers wait for a call that is not their own; all of those of tasks."""
        flights = [*self.coalesce._flights.values(), *self.coalesce._task_flights.values()]
        return sum(flight.waiting for flight in flights)

    async def together(self, count: int, *args: Any, **how: Any) -> list["asyncio.Future[Any]"]:
        """Start a leader and then those who wait for it."""
        leader = self.start(*args, **how)
        await until(lambda: bool(self.site.calls))
        others = [self.start(*args) for _ in range(count - 1)]
        await until(lambda: self.waiting == count - (not self.aio))
        return [leader, *others]

    def shared(self) -> float:
        (number,) = self.pool.stats().middleware
        return number.value

    async def close(self) -> None:
        await self.pool.close() if self.aio else self.pool.close()


@pytest.fixture(params=["threads", "tasks"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def crowd(kind: str) -> Crowd:
    return Crowd(kind)


async def test_equal_calls_in_flight_are_one(crowd: Crowd) -> None:
    """One call to the server; all get the same object, and all are counted as calls."""
    callers = await crowd.together(5, "key")
    crowd.site.go.set()
    answers = await asyncio.gather(*callers)
    assert crowd.site.calls == [("key",)]
    assert answers == [["key"]] * 5
    assert {id(answer) for answer in answers} == {id(answers[0])}
    assert crowd.shared() == 4
    assert crowd.pool.stats().methods[0].successes == 5
    assert crowd.pool.stats().members[0].successes == 1
    await crowd.close()


async def test_the_next_call_asks_anew(crowd: Crowd) -> None:
    """Nothing is kept when a call has ended."""
    crowd.site.go.set()
    assert [await crowd.start("key") for _ in range(3)] == [["key"]] * 3
    assert len(crowd.site.calls) == 3
    assert (crowd.coalesce._flights, crowd.coalesce._task_flights) == ({}, {})
    await crowd.close()


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a",), ("b",)), ((1,), (True,)), ((1,), (1.0,)), (([],), ([],))],
    ids=["values", "types", "numbers", "not hashable"],
)
async def test_other_calls_are_not_shared(crowd: Crowd, one: Any, other: Any) -> None:
    """Arguments must be equal, of equal types, and such that can be hashed."""
    callers = [crowd.start(*one), crowd.start(*other)]
    await until(lambda: len(crowd.site.calls) == 2)
    crowd.site.go.set()
    await asyncio.gather(*callers)
    assert crowd.shared() == 0
    await crowd.close()


async def test_only_idempotent_and_named_methods_are_shared(kind: str) -> None:
    """A method that is not idempotent is called each time, and so is one that is not named."""
    crowd = Crowd(kind, methods=["other"])
    write: Method[Any, Any] = Method("other", crowd.method.invoke)
    callers = [crowd.start("key", method=one) for one in (write, write, crowd.method, crowd.method)]
    await until(lambda: len(crowd.site.calls) == 4)
    crowd.site.go.set()
    await asyncio.gather(*callers)
    assert crowd.shared() == 0
    with pytest.raises(ValueError, match=r"several names, as in \['get'\]"):
        Coalesce("get")
    await crowd.close()


async def test_an_error_is_shared_as_a_copy(crowd: Crowd) -> None:
    """Each caller gets an error of its own, of the same type and text: raising gives it frames."""
    callers = await crowd.together(3, "key")
    crowd.site.error = ConnectionError("down")
    crowd.site.go.set()
    errors = await asyncio.gather(*callers, return_exceptions=True)
    assert [repr(error) for error in errors] == ["ConnectionError('down')"] * 3
    assert len({id(error) for error in errors}) == 3
    assert crowd.pool.stats().members[0].failures == 1
    await crowd.close()


async def test_a_judged_result_is_shared(crowd: Crowd) -> None:
    """A result that counts as a failure reaches all callers as the result that it is."""
    judged: Method[Any, Any] = Method(
        "get", crowd.method.raw, idempotent=True, judge=lambda value: _failed(value)
    )
    crowd.method = judged
    callers = await crowd.together(3, "key")
    crowd.site.go.set()
    assert await asyncio.gather(*callers) == [["key"]] * 3
    assert len(crowd.site.calls) == 1
    await crowd.close()


def _failed(value: object) -> Outcome | None:
    return Outcome.FAILURE if isinstance(value, list) else None


async def test_a_leader_that_is_cancelled_fails_nobody_else() -> None:
    """The call belongs to all its callers; the last one who gives up cancels it."""
    crowd = Crowd("tasks")
    leader, *others = await crowd.together(3, "key")
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert crowd.site.cancelled == 0
    crowd.site.go.set()
    assert await asyncio.gather(*others) == [["key"]] * 2
    crowd.site.go.clear()
    callers = await crowd.together(3, "again")
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    assert crowd.site.cancelled == 1
    assert crowd.pool.stats().in_flight == 0
    assert crowd.coalesce._task_flights == {}
    await crowd.close()


async def test_a_leader_that_is_interrupted_fails_nobody_else() -> None:
    """In threads one of those who wait calls anew."""
    crowd = Crowd("threads")
    crowd.site.error = KeyboardInterrupt()
    leader, *others = await crowd.together(3, "key")

    def well(*args: Any) -> list[Any]:
        crowd.site.calls.append(args)
        return [*args]

    crowd.site.get = well  # type: ignore[method-assign]  # of this one
    crowd.site.go.set()
    assert await asyncio.gather(*others) == [["key"]] * 2
    assert isinstance(leader.exception() if leader.done() else await _error(leader), BaseException)
    assert len(crowd.site.calls) in (2, 3)
    await crowd.close()


async def _error(future: "asyncio.Future[Any]") -> BaseException | None:
    await asyncio.wait([future])
    return future.exception()


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another"])
async def test_a_caller_cancelled_at_any_await_leaves_nobody_waiting(others: int) -> None:
    """Wherever the caller is cancelled, or one who waits with it: equal calls get an answer, and none stays registered."""

    class Patient:
        async def aget(self, *_args: Any) -> str:
            for _ in range(3):
                await asyncio.sleep(0)
            return "fine"

    for steps in itertools.count():
        coalesce, pool = Coalesce(), AsyncPool[Any]("site")
        pool.register_middleware(coalesce)
        pool.add_client(Patient())
        together = [asyncio.ensure_future(pool.call(AGET)) for _ in range(1 + others)]
        for _ in range(steps):
            await asyncio.sleep(0)
        reached = together[-1].cancel()
        equal = asyncio.ensure_future(pool.call(AGET))
        done, _ = await asyncio.wait([*together, equal], timeout=PATIENCE)
        assert len(done) == 2 + others
        assert {one.result() for one in done if not one.cancelled()} == {"fine"}
        assert not coalesce._task_flights
        if not reached:
            break
    assert steps > 3


async def test_each_caller_waits_until_its_own_deadline(crowd: Crowd) -> None:
    """One who has no more time is refused; the call goes on for the others."""
    (leader,) = await crowd.together(1, "key")
    with pytest.raises(DeadlineExceeded, match="an equal call"):
        await crowd.start("key", seconds=0.01)
    crowd.site.go.set()
    assert await leader == ["key"]
    await crowd.close()


async def test_a_leader_that_was_too_late_fails_nobody_else() -> None:
    """Its deadline is its own: who has more time calls anew."""
    crowd = Crowd("tasks")
    crowd.pool.register_middleware(Deadline())  # inside
    leader, other = await crowd.together(2, "key", seconds=0.05)
    with pytest.raises(DeadlineExceeded):
        await leader
    await until(lambda: len(crowd.site.calls) == 2)
    crowd.site.go.set()
    assert await other == ["key"]
    await crowd.close()


async def test_both_numbers_are_bounded(kind: str) -> None:
    """One more different call, and one more caller of the same, are simply made."""
    crowd = Crowd(kind, max_calls=1, max_waiting=2)
    callers = await crowd.together(3 - crowd.aio, "key")
    callers += [crowd.start("key"), crowd.start("other")]
    await until(lambda: len(crowd.site.calls) == 3)
    crowd.site.go.set()
    await asyncio.gather(*callers)
    assert crowd.shared() == 2 - crowd.aio
    await crowd.close()


async def test_a_call_within_itself_does_not_wait_for_itself(kind: str) -> None:
    """A client that asks the pool the same while it answers gets an answer."""
    crowd = Crowd(kind)
    crowd.site.go.set()

    def within(client: Any, args: Any) -> Any:
        client.calls.append(args)
        return crowd.pool.call(twice, args) if len(client.calls) < 3 else "end"

    async def awithin(client: Any, args: Any) -> Any:
        client.calls.append(args)
        return await crowd.pool.call(twice, args) if len(client.calls) < 3 else "end"

    twice: Method[Any, Any] = Method("get", awithin if crowd.aio else within, idempotent=True)
    assert await asyncio.wait_for(crowd.start("key", method=twice), PATIENCE) == "end"
    await crowd.close()


async def test_two_pools_share_nothing(kind: str) -> None:
    """One middleware in two pools of one name does not mix their answers up."""
    one, other = Crowd(kind), Crowd(kind)
    other.pool = AsyncPool("site") if other.aio else Pool("site")
    other.pool.register_middleware(one.coalesce)
    other.pool.add_client(other.site)
    callers = [one.start("key"), other.start("key")]
    await until(lambda: bool(one.site.calls and other.site.calls))
    one.site.go.set()
    other.site.go.set()
    await asyncio.gather(*callers)
    await one.close()
    await other.close()


async def test_streams_are_not_shared(face: Face) -> None:
    """An iterator has one reader."""
    face.pool.register_middleware(Coalesce())
    method = face.method("items", idempotent=True)
    one, other = await face.stream(2, method), await face.stream(2, method)
    assert [len(await one.rest()), len(await other.rest())] == [2, 2]


async def test_nothing_is_kept_alive(crowd: Crowd) -> None:
    """The answer goes when its callers let go of it."""

    class Answer:
        pass

    method: Method[Any, Any] = Method("get", lambda _site, _args: Answer(), idempotent=True)

    async def answer(_site: Any, _args: Any) -> Answer:
        return Answer()

    gone = weakref.ref(
        await crowd.start(method=Method("get", answer, idempotent=True) if crowd.aio else method)
    )
    await asyncio.sleep(0.01)
    gc.collect()
    assert gone() is None
    await crowd.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_child_waits_for_nobody() -> None:
    """A call that is in flight in the parent never ends in the child."""
    crowd = Crowd("threads")
    thread = threading.Thread(target=lambda: crowd.pool.call(GET, ("key",)))
    thread.start()
    while not crowd.coalesce._flights:
        pass

    def child() -> object:
        crowd.site.go.set()
        return crowd.pool.call(GET, ("key",))

    assert in_child(child) == "['key']"
    crowd.site.go.set()
    thread.join()
    crowd.pool.close()


@pytest.mark.servers
async def test_a_real_server_is_asked_once() -> None:
    """Fifty tasks, or twenty threads, that ask a Redis for one key while it is busy: one GET."""
    import redis.asyncio

    with RedisServer() as server:
        look = redis.Redis("127.0.0.1", server.port)
        look.set("key", "value")

        def gets() -> int:
            return int(look.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"])

        pool = AsyncRedisPool()
        pool.pool.add_client(redis.asyncio.Redis(host="127.0.0.1", port=server.port))
        pool.pool.register_middleware(Coalesce(["get"]))
        assert set(await asyncio.gather(*(pool.get("key") for _ in range(50)))) == {b"value"}
        assert gets() == 1
        await pool.pool.close()

        threads = RedisPool()
        threads.pool.add_client(redis.Redis("127.0.0.1", server.port))
        threads.pool.register_middleware(Coalesce(["get"]))
        threads.get("other")  # connected, so that the first of all waits for its answer
        asking = threading.Semaphore(0)

        def ask(_: int) -> object:
            asking.release()
            return threads.get("key")

        with ThreadPoolExecutor(20) as executor:
            server.hang()
            try:
                answers = executor.map(ask, range(20))
                for _ in range(20):
                    assert asking.acquire(timeout=PATIENCE)
                await asyncio.sleep(0.3)  # for the last one to come from there into the call
            finally:
                server.resume()
            assert set(answers) == {b"value"}
        assert gets() == 3
        threads.pool.close()
        look.close()
