"""One way to drive a sync or async pool, so that one suite says what both must do."""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Call, Method, Outcome, Pool, PoolStats, Proceed
from connpool_runtime.members.member import Member
from connpool_runtime.testing import FakeClock

MANY = 1_000  # calls on one member at a time, as a limit
PATIENCE = 60.0  # seconds after which a test that waits for another thread has failed


def inherits_context() -> bool:
    """Whether new threads take over the context of their starter: from 3.14 on without the interpreter lock."""
    return bool(getattr(sys.flags, "thread_inherit_context", False))


class Client:
    """A client of both kinds that does as it is told.

    `script` holds what the next calls give, errors are raised; `always` what all later ones give.
    While it is `held`, calls wait.
    """

    def __init__(self, name: str = "client") -> None:
        self.name = name
        self.script: deque[object] = deque()
        self.always: object = name
        self.calls = 0
        self.closed = 0
        self.close_error: Exception | None = None
        self._go = threading.Event()
        self._go.set()
        self._waiting = threading.Semaphore(0)

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def next(self) -> Any:
        self.calls += 1
        result = self.script.popleft() if self.script else self.always
        if isinstance(result, BaseException):
            raise result
        return result

    def get(self) -> Any:
        assert self._go.wait(PATIENCE), "nobody released this client"
        return self.next()

    async def aget(self) -> Any:
        await asyncio.sleep(0)
        assert await asyncio.to_thread(self._go.wait, PATIENCE), "nobody released this client"
        return self.next()

    def items(self, count: int) -> Iterator[Any]:
        for _ in range(count):
            yield self.next()

    async def aitems(self, count: int) -> AsyncIterator[Any]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield self.next()

    @contextmanager
    def session(self) -> Iterator[Any]:
        yield self.next()

    @asynccontextmanager
    async def asession(self) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        yield self.next()

    def close(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.close()


def in_order(options: dict[str, Any]) -> dict[str, Any]:
    """Let a round robin begin with the first member, and not at a random one."""
    return options if "balancer" in options else {"random": lambda: 0.0, **options}


class Face:
    """What both kinds can do, in the words of a coroutine; `pool` is the real thing."""

    kind: str
    pool: Any

    def __init__(self, *names: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.events: list[Any] = []
        # Cooldowns that are always the same, so that a test can say when one ends.
        steady = {"cooldown": 10.0, "cooldown_factor": 1.0, "cooldown_jitter": 0.0}
        options = {"clock": self.clock, "max_fails": 3, **steady, **options}
        self.pool = self.make_pool(options)
        self.pool.subscribe(self.events.append)
        self.clients = {name: Client(name) for name in names}
        for name, client in self.clients.items():
            self.pool.add_client(client, name)

    def make_pool(self, options: dict[str, Any]) -> Any:
        raise NotImplementedError

    def method(self, name: str = "get", **policy: Any) -> Method[Any, Any]:
        """A method of the client: get, items(count) or session."""
        raise NotImplementedError

    async def call(self, method: Method[Any, Any] | None = None) -> Any:
        raise NotImplementedError

    def register(self, around: Callable[..., Awaitable[Any]]) -> None:
        """Register a middleware written as a coroutine function that awaits nothing real."""
        raise NotImplementedError

    async def stream_of(self, name: str) -> "Items":
        """Open a stream without arguments."""
        raise NotImplementedError

    async def calls(self, count: int) -> list[Any]:
        """Call so often; return results and errors."""
        return [await self.outcome(self.call()) for _ in range(count)]

    async def outcome(self, waiting: Awaitable[Any]) -> Any:
        try:
            return await waiting
        except Exception as error:
            return error

    def stats(self) -> PoolStats:
        return self.pool.stats()

    def member(self, name: str) -> Member[Client]:
        return next(member for member in self.pool.members if member.name == name)

    def in_flight(self) -> int:
        return self.stats().in_flight

    def fail(self, name: str, times: int = 1, error: Exception | None = None) -> None:
        self.clients[name].script.extend([error or ConnectionError(f"{name} is down")] * times)

    async def trip(self, name: str) -> None:
        """Open a member's breaker by failures of its own."""
        self.fail(name, self.pool.settings.max_fails)
        while self.member(name).breaker.state.value == "closed":
            await self.outcome(self.call())


class ThreadFace(Face):
    """A `Pool`."""

    kind = "threads"
    pool: Pool[Client]

    def make_pool(self, options: dict[str, Any]) -> Pool[Client]:
        options = {
            "unknown_errors": "failure",
            "panic_threshold": 0.0,
            **options,
        }  # tests of comparison say so
        return Pool("test", close=lambda client: client.close(), **in_order(options))

    def method(self, name: str = "get", **policy: Any) -> Method[Any, Any]:
        return Method(name, lambda client, args: getattr(client, name)(*args), **policy)

    async def call(self, method: Method[Any, Any] | None = None) -> Any:
        return self.pool.call(method or self.method())

    async def execute(self, **options: Any) -> Any:
        return self.pool.execute(lambda client: client.get(), **options)

    def start(self) -> "asyncio.Future[Any]":
        """Begin a call that runs beside the test."""
        running: Future[Any] = Future()

        def run() -> None:
            try:
                running.set_result(self.pool.call(self.method()))
            except BaseException as error:
                running.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return asyncio.wrap_future(running)

    async def sleep(self) -> None:
        await asyncio.sleep(0.001)

    async def close(self, **options: Any) -> None:
        await asyncio.to_thread(self.pool.close, **options)

    async def remove(self, name: str, **options: Any) -> None:
        await asyncio.to_thread(self.pool.remove_client, name, **options)

    def register(self, around: Callable[..., Awaitable[Any]]) -> None:
        """Register a middleware written as a coroutine function that awaits nothing real."""

        def middleware(call: Any, proceed: Any) -> Any:
            async def later(call: Any) -> Any:
                return proceed(call)

            return drive(around(call, later))

        self.pool.register_middleware(middleware)

    @asynccontextmanager
    async def lease(self, **options: Any) -> AsyncIterator[Any]:
        lease = self.pool.lease(**options)
        with lease as client:
            yield client, lease

    @asynccontextmanager
    async def session(self, method: Method[Any, Any] | None = None) -> AsyncIterator[Any]:
        with self.pool.context(method or self.method("session")) as value:
            yield value

    async def stream(self, count: int, method: Method[Any, Any] | None = None) -> "Items":
        return Items(self.pool.stream(method or self.method("items"), (count,)))

    async def stream_of(self, name: str) -> "Items":
        return Items(self.pool.stream(self.method(name)))


class TaskFace(Face):
    """An `AsyncPool`."""

    kind = "tasks"
    pool: AsyncPool[Client]

    def make_pool(self, options: dict[str, Any]) -> AsyncPool[Client]:
        options = {"unknown_errors": "failure", "panic_threshold": 0.0, **options}
        return AsyncPool("test", close=lambda client: client.aclose(), **in_order(options))

    def method(self, name: str = "get", **policy: Any) -> Method[Any, Any]:
        return Method(name, lambda client, args: getattr(client, "a" + name)(*args), **policy)

    async def call(self, method: Method[Any, Any] | None = None) -> Any:
        return await self.pool.call(method or self.method())

    async def execute(self, **options: Any) -> Any:
        return await self.pool.execute(lambda client: client.aget(), **options)

    def start(self) -> "asyncio.Future[Any]":
        return asyncio.ensure_future(self.pool.call(self.method()))

    async def sleep(self) -> None:
        await asyncio.sleep(0.001)

    async def close(self, **options: Any) -> None:
        await self.pool.close(**options)

    async def remove(self, name: str, **options: Any) -> None:
        await self.pool.remove_client(name, **options)

    def register(self, around: Callable[..., Awaitable[Any]]) -> None:
        self.pool.register_middleware(around)

    @asynccontextmanager
    async def lease(self, **options: Any) -> AsyncIterator[Any]:
        lease = self.pool.lease(**options)
        async with lease as client:
            yield client, lease

    def session(self, method: Method[Any, Any] | None = None) -> AbstractAsyncContextManager[Any]:
        return self.pool.context(method or self.method("session"))

    async def stream(self, count: int, method: Method[Any, Any] | None = None) -> "Items":
        stream = self.pool.stream(method or self.method("items"), (count,))
        await stream.__aenter__()
        return Items(stream)

    async def stream_of(self, name: str) -> "Items":
        return Items(await self.pool.stream(self.method(name)).__aenter__())


class Items:
    """A stream of either kind, sync or async."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def next(self) -> Any:
        if hasattr(self.stream, "__anext__"):
            return await anext(self.stream)
        try:
            return next(self.stream)
        except StopIteration:
            raise StopAsyncIteration from None

    async def rest(self) -> list[Any]:
        found = []
        while True:
            try:
                found.append(await self.next())
            except StopAsyncIteration:
                return found

    async def close(self) -> None:
        if hasattr(self.stream, "aclose"):
            await self.stream.aclose()
        else:
            self.stream.close()


def drive(coroutine: Any) -> Any:
    """Run a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the middleware waited for something")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something another thread or task does."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen"
        await asyncio.sleep(0.001)


def counted(stats: PoolStats) -> dict[Outcome, int]:
    """How the calls of all methods ended."""
    return {
        Outcome.SUCCESS: sum(method.successes for method in stats.methods),
        Outcome.FAILURE: sum(method.failures for method in stats.methods),
        Outcome.NEUTRAL: sum(method.neutrals for method in stats.methods),
    }


class SeenThreadFace(ThreadFace):
    """A `Pool` whose calls a middleware has to see, which does nothing."""

    def make_pool(self, options: dict[str, Any]) -> Any:
        pool = super().make_pool(options)
        pool.register_middleware(lambda call, proceed: proceed(call))
        return pool


class SeenTaskFace(TaskFace):
    """An `AsyncPool` like that."""

    def make_pool(self, options: dict[str, Any]) -> Any:
        async def passes_on(call: Call, proceed: Proceed) -> Any:
            return await proceed(call)

        pool = super().make_pool(options)
        pool.register_middleware(passes_on)
        return pool


class LimitedThreadFace(ThreadFace):
    """A `Pool` whose members have a limit that no test reaches, unless it sets one of its own."""

    def make_pool(self, options: dict[str, Any]) -> Any:
        return super().make_pool({"max_concurrency": MANY, **options})


class LimitedTaskFace(TaskFace):
    """An `AsyncPool` like that."""

    def make_pool(self, options: dict[str, Any]) -> Any:
        return super().make_pool({"max_concurrency": MANY, **options})


class LimitedSeenThreadFace(SeenThreadFace, LimitedThreadFace):
    """A `Pool` with both."""


class LimitedSeenTaskFace(SeenTaskFace, LimitedTaskFace):
    """An `AsyncPool` with both."""


PLAIN = {"threads": ThreadFace, "tasks": TaskFace}
SEEN = {
    **PLAIN,
    "threads, calls are seen": SeenThreadFace,
    "tasks, calls are seen": SeenTaskFace,
}
"""For tests of the paths that calls take: with middleware that sees them and without."""
LIMITED = {
    **SEEN,
    "threads, limits": LimitedThreadFace,
    "tasks, limits": LimitedTaskFace,
    "threads, limits, calls are seen": LimitedSeenThreadFace,
    "tasks, limits, calls are seen": LimitedSeenTaskFace,
}
"""For tests of who is picked: on members without a limit, where any thread counts by itself, and with one."""


def makers_of(faces: Mapping[str, type[Face]]) -> Any:
    """Return the fixture `new_face`, with which each test runs once with each of these kinds of pools."""

    @pytest.fixture(params=faces.values(), ids=faces)
    def new_face(request: pytest.FixtureRequest) -> Callable[..., Face]:
        """Makes a pool of one kind with the members named."""
        return request.param  # type: ignore[no-any-return]

    return new_face
