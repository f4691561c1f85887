"""Streams, in both kinds: the member is held to the last item, and the end counts once."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from connpool_runtime import AllMembersOpen, AsyncPool, Method, Outcome, Pool, PoolClosed
from connpool_runtime.middleware import Retry
from tests.runtime.faces import Face, Items, TaskFace, counted, until

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


async def test_the_items_arrive_from_one_member(face: Face) -> None:
    """A stream stays on the member it was opened on."""
    items = await face.stream(5)
    assert await items.rest() == ["a"] * 5


async def test_the_member_is_held_to_the_end(face: Face) -> None:
    """In flight from the opening to exhaustion, and counted only then (B26)."""
    items = await face.stream(2)
    for _ in range(2):
        await items.next()
        assert face.in_flight() == 1
        assert sum(counted(face.stats()).values()) == 0
    assert await items.rest() == []
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}


async def test_an_error_in_the_middle_is_a_failure(face: Face) -> None:
    """A stream that breaks counts against its member, once, and the error arrives unchanged (B26)."""
    error = ConnectionError("cut")
    face.clients["a"].script.extend([1, 2, error])
    items = await face.stream(9)
    assert [await items.next(), await items.next()] == [1, 2]
    with pytest.raises(ConnectionError) as caught:
        await items.next()
    assert caught.value is error
    assert await items.rest() == []
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}
    assert face.in_flight() == 0


async def test_closed_after_an_item_it_was_a_success(face: Face) -> None:
    """A consumer who has seen enough is no failure."""
    items = await face.stream(9)
    await items.next()
    await items.close()
    await items.close()
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert face.in_flight() == 0


async def test_closed_before_an_item_it_says_nothing(face: Face) -> None:
    """Without an item there is no evidence."""
    items = await face.stream(9)
    await items.close()
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 0, NEUTRAL: 1}
    assert face.in_flight() == 0


async def test_an_error_of_its_early_end_is_a_failure(face: Face) -> None:
    """The member is given back at once, whoever keeps the stream, and the caller gets the error."""

    def items() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise ConnectionError("it went away while it was closed")

    async def aitems() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ConnectionError("it went away while it was closed")

    way: Any = items if face.kind == "threads" else aitems
    method: Method[Any, Any] = Method("items", lambda *_: way())
    stream = Items(face.pool.stream(method))
    assert await stream.next() == 1
    with pytest.raises(ConnectionError):
        await stream.close()
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}


@pytest.mark.parametrize(("taken", "outcome"), [(0, NEUTRAL), (1, SUCCESS)])
async def test_a_dropped_stream_gives_its_member_back(
    face: Face, taken: int, outcome: Outcome
) -> None:
    """Garbage collection is as good as closing."""
    items = await face.stream(9)
    for _ in range(taken):
        await items.next()
    del items
    gc.collect()
    assert face.in_flight() == 0
    assert counted(face.stats())[outcome] == 1


@pytest.fixture
def no_collector() -> Iterator[None]:
    """No garbage is collected during the test, but for what nothing refers to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_what_is_dropped_before_its_end_waits_for_no_collector(face: Face) -> None:
    """Nothing that a `Retry` keeps in a call, to run it again, keeps a stream or a context and their call alive."""
    calls = list[ref[Any]]()

    async def note(call: Any, proceed: Any) -> Any:
        calls.append(ref(call))
        return await proceed(call)

    face.pool.register_middleware(Retry())
    face.register(note)
    stream = await face.stream(9, face.method("items", idempotent=True))
    context = face.pool.context(face.method("session", idempotent=True))
    await context.__aenter__() if isinstance(face, TaskFace) else context.__enter__()
    assert face.in_flight() == 2
    del stream, context
    assert face.in_flight() == 0
    assert [call() for call in calls] == [None, None]


async def test_a_stream_dropped_while_its_thread_holds_the_lock_does_not_hang(face: Face) -> None:
    """A finalizer may run inside the pool's own critical section; the member is given back after it."""
    items = await face.stream(9)
    await items.next()
    with face.pool._state.lock:
        del items
        gc.collect()
        assert face.member("a").in_flight == 1
    face.pool.stats()
    assert face.in_flight() == 0


async def test_a_stream_that_cannot_be_opened_fails_at_once(face: Face) -> None:
    """Refusals and errors of opening arrive where the stream is opened."""
    for name in "abc":
        face.pool.eject(name)
    with pytest.raises(AllMembersOpen):
        await face.stream(1)
    assert face.in_flight() == 0


async def test_removing_waits_for_a_stream(face: Face) -> None:
    """A stream is a call in flight (B18, B26)."""
    items = await face.stream(2)
    removing = asyncio.ensure_future(face.remove("a"))
    await until(lambda: face.stats().members[0].leaving)
    assert await items.rest() == ["a", "a"]
    await removing
    assert face.clients["a"].closed == 1


async def test_the_duration_of_a_stream_is_that_of_the_whole(face: Face) -> None:
    """From opening to the end."""
    items = await face.stream(1)
    face.clock.sleep(3)
    await items.rest()
    (method,) = face.stats().methods
    assert method.latency.total == pytest.approx(3)


async def test_a_probe_may_be_a_stream(new_face: Callable[..., Face]) -> None:
    """A half-open member is judged by how the stream ends, not by its opening (B26)."""
    face = new_face("a")
    await face.trip("a")
    face.clock.sleep(10)
    face.clients["a"].script.extend([1, OSError("again")])
    items = await face.stream(9)
    await items.next()
    assert face.stats().members[0].state.value == "half_open"
    with pytest.raises(OSError, match="again"):
        await items.next()
    assert face.stats().members[0].state.value == "open"


# What only a generator for threads has.


class Echo:
    """A client whose stream answers what it is sent."""

    def __init__(self) -> None:
        self.closed_at: list[object] = []

    def talk(self) -> "Iterator[object]":
        heard: object = "hello"
        try:
            while True:
                try:
                    heard = yield heard
                except KeyError as error:
                    heard = f"caught {error}"
                if heard == "end":
                    return "bye"
        finally:
            self.closed_at.append(heard)

    def plain(self) -> "Iterator[int]":
        return iter([1, 2, 3])


TALK: Method[Echo, Iterator[object]] = Method("talk", lambda client, args: client.talk())
PLAIN: Method[Echo, Iterator[int]] = Method("plain", lambda client, args: client.plain())


@pytest.fixture
def echo() -> "Pool[Echo]":
    pool = Pool[Echo]("echo")
    pool.add_client(Echo())
    return pool


def test_send_throw_and_the_return_value_pass_through(echo: "Pool[Echo]") -> None:
    """The stream is a generator in every respect."""
    stream = echo.stream(TALK)
    assert next(stream) == "hello"
    assert stream.send("x") == "x"
    assert stream.throw(KeyError("k")) == "caught 'k'"
    with pytest.raises(StopIteration) as caught:
        stream.send("end")
    assert caught.value.value == "bye"
    assert echo.stats().methods[0].successes == 1


def test_yield_from_passes_everything_on(echo: "Pool[Echo]") -> None:
    """A generated generator method is `yield from` a stream, and opens when first asked."""

    def method() -> "Iterator[object]":
        return (yield from echo.stream(TALK))

    wrapper = method()
    assert echo.stats().in_flight == 0
    assert next(wrapper) == "hello"
    assert echo.stats().in_flight == 1
    wrapper.close()  # type: ignore[attr-defined]
    assert echo.stats().in_flight == 0
    assert echo.clients[0].closed_at == ["hello"]


def test_an_error_thrown_in_ends_the_stream(echo: "Pool[Echo]") -> None:
    """What the generator does not catch comes back out, and the end is judged by it."""
    stream = echo.stream(TALK)
    next(stream)
    with pytest.raises(OSError, match="mine"):
        stream.throw(ConnectionResetError("mine"))
    assert echo.stats().methods[0].failures == 1


def test_a_plain_iterator_takes_no_values(echo: "Pool[Echo]") -> None:
    """Sending into what is no generator is an error; throwing raises here."""
    stream = echo.stream(PLAIN)
    assert stream.send(None) == 1
    with pytest.raises(TypeError, match="an iterator, not a generator"):
        stream.send("x")
    stream = echo.stream(PLAIN)
    with pytest.raises(OSError, match="mine"):
        stream.throw(ConnectionResetError("mine"))
    assert echo.stats().in_flight == 0


def test_a_with_block_closes_the_stream(echo: "Pool[Echo]") -> None:
    """The client's generator is closed at the end of the block, not some time later."""
    with echo.stream(TALK) as stream:
        next(stream)
    assert echo.clients[0].closed_at == ["hello"]
    assert list(stream) == []


def test_what_closing_raises_is_the_outcome(echo: "Pool[Echo]") -> None:
    """A generator that fails on closing failed, and its error is not swallowed."""

    class Stuck:
        def __iter__(self) -> "Stuck":
            return self

        def __next__(self) -> int:
            return 1

        def close(self) -> None:
            raise ConnectionResetError("stuck")

    pool = Pool[Stuck]("stuck")
    pool.add_client(Stuck())
    stream = pool.stream(Method("self", lambda client, args: client))
    next(stream)
    with pytest.raises(OSError, match="stuck"):
        stream.close()
    assert (pool.stats().methods[0].failures, pool.stats().in_flight) == (1, 0)


def test_a_stream_with_only_a_cancel_is_cancelled(echo: "Pool[Echo]") -> None:
    """gRPC's streams end by `cancel`."""

    class Rpc:
        cancelled = 0

        def __iter__(self) -> "Rpc":
            return self

        def __next__(self) -> int:
            return 1

        def cancel(self) -> None:
            self.cancelled += 1

    pool = Pool[Rpc]("rpc")
    rpc = Rpc()
    pool.add_client(rpc)
    with pool.stream(Method("self", lambda client, args: client)) as stream:
        next(stream)
    assert rpc.cancelled == 1


# What only an asynchronous stream has.


async def test_an_async_stream_opens_at_its_first_item() -> None:
    """Without a block it opens when asked for an item."""
    face = TaskFace("a")
    stream = face.pool.stream(face.method("items"), (2,))
    assert face.in_flight() == 0
    assert await anext(stream) == "a"
    assert face.in_flight() == 1
    assert [item async for item in stream] == ["a"]
    assert face.in_flight() == 0


async def test_an_async_stream_is_opened_once() -> None:
    """Entering a stream that gives items already, or is at its end, opens nothing."""
    face = TaskFace("a")
    stream = face.pool.stream(face.method("items"), (2,))
    assert await anext(stream) == "a"
    async with stream:
        assert face.in_flight() == 1
        assert [item async for item in stream] == ["a"]
    async with stream:
        assert [item async for item in stream] == []
    assert counted(face.stats())[SUCCESS] == 1


async def test_a_coroutine_may_give_the_async_iterator() -> None:
    """A method that must be awaited to get its iterator is awaited on the member."""
    face = TaskFace("a")

    async def later(client: object) -> object:
        return client.aitems(2)  # type: ignore[attr-defined]

    stream = face.pool.stream(Method("later", lambda client, args: later(client)))
    assert await Items(stream).rest() == ["a", "a"]


async def test_an_async_stream_closes_the_clients_iterator() -> None:
    """Leaving the block runs the client's own cleaning up before it returns."""
    face = TaskFace("a")
    done = []

    class Source:
        async def items(self) -> object:  # type: ignore[misc]
            try:
                yield 1
                yield 2
            finally:
                done.append("closed")

    pool = face.make_pool({})
    pool.add_client(Source())  # type: ignore[arg-type]
    async with pool.stream(Method("items", lambda client, args: client.items())) as stream:
        assert await anext(stream) == 1
    assert done == ["closed"]
    assert pool.stats().in_flight == 0


async def test_streams_of_a_closed_pool_are_refused(face: Face) -> None:
    """Opening one is a call like any other (B19)."""
    await face.close()
    with pytest.raises(PoolClosed):
        await face.stream(1)


class Cursor:
    """A client of both kinds that one caller may use at a time; ending its rows takes a moment."""

    def __init__(self) -> None:
        self.busy = False
        self.ended = 0

    def get(self) -> str:
        return "another operation is in progress" if self.busy else "fine"

    def items(self) -> Iterator[int]:
        self.busy = True
        try:
            yield from range(100)
        finally:
            time.sleep(0.02)
            self.ended, self.busy = self.ended + 1, False

    async def aget(self) -> str:
        return self.get()

    async def aitems(self) -> AsyncIterator[int]:
        self.busy = True
        try:
            for number in range(100):
                yield number
        finally:
            await asyncio.sleep(0.02)
            self.ended, self.busy = self.ended + 1, False


@pytest.mark.parametrize("by_factory", [False, True], ids=["client", "endpoint"])
async def test_a_stream_left_by_break_ends_before_the_next_caller(
    new_face: Callable[..., Face], by_factory: bool
) -> None:
    """An exclusive client is lent on when its generator has ended, not when the reader went away."""
    face = new_face(max_concurrency=1)
    client = Cursor()
    if by_factory:
        face.pool.add_endpoint(lambda: client, "a", max_size=1)
    else:
        face.pool.add_client(client, "a", close=lambda: None)
    items = await face.stream_of("items")
    assert await items.next() == 0
    waiting = face.start()
    await until(lambda: face.stats().waiting == 1)
    del items
    gc.collect()
    assert await waiting == "fine"
    assert client.ended == 1
    assert counted(face.stats())[Outcome.SUCCESS] == 2


class Reader:
    """A sync or async iterator over something else, which nobody can close."""

    def __init__(self) -> None:
        self.numbers = iter(range(3))

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self.numbers)

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        return next(self.numbers)


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize(
    ("items", "is_lent_on"), [(Reader, False), (lambda: iter([1, 2, 3]), True)]
)
async def test_an_exclusive_client_is_in_doubt_while_nothing_can_end_its_iterator(
    politely: bool, items: Callable[[], Any], is_lent_on: bool
) -> None:
    """It is replaced if the reader leaves before the end, unless all items are there already."""
    pool = Pool[Any](max_concurrency=1)
    pool.add_endpoint(Cursor, "a", max_size=1)
    read = Method("items", lambda client, args: items())
    stream = pool.stream(read)
    next(stream)
    if politely:
        stream.close()
    del stream
    gc.collect()
    pool.call(Method("get", lambda client, args: client.get()))
    assert pool.stats().members[0].clients.opened == (1 if is_lent_on else 2)


@pytest.mark.parametrize("politely", [True, False])
async def test_the_same_in_a_task(politely: bool) -> None:
    """An asynchronous iterator without an `aclose` leaves its exclusive client in doubt too."""
    pool = AsyncPool[Any](max_concurrency=1)
    pool.add_endpoint(Cursor, "a", max_size=1)
    stream = pool.stream(Method("items", lambda client, args: Reader()))
    await anext(stream)
    if politely:
        await stream.aclose()
    del stream
    gc.collect()
    await pool.call(Method("get", lambda client, args: client.aget()))
    assert pool.stats().members[0].clients.opened == 2


async def test_a_stream_closed_unread_leaves_its_client_in_use(
    new_face: Callable[..., Face],
) -> None:
    """Its generator has ended properly, so nothing speaks against the exclusive client."""
    face = new_face("a", max_concurrency=1)
    items = await face.stream(3)
    await items.close()
    assert await face.call() == "a"
    assert counted(face.stats())[Outcome.NEUTRAL] == 1


def test_a_stream_whose_event_loop_is_gone_gives_its_member_back() -> None:
    """Nobody can end its generator any more, and the pool does not wait for that."""
    pool = AsyncPool[Any](max_concurrency=1)
    pool.add_client(Cursor(), "a")

    async def read() -> Any:
        stream = pool.stream(Method("items", lambda client, args: client.aitems()))
        await anext(stream)
        return stream

    stream = asyncio.run(read())
    assert pool.stats().in_flight == 1
    del stream
    gc.collect()
    assert pool.stats().in_flight == 0


async def test_an_iterator_whose_end_fails_is_not_trusted(caplog: pytest.LogCaptureFixture) -> None:
    """Its member is given back, and the client counts as broken off in the middle."""

    class Bad(Cursor):
        async def aitems(self) -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                raise OSError("no end")

    closed: list[Any] = []
    pool = AsyncPool[Any](max_concurrency=1)
    pool.add_endpoint(Bad, "a", close=closed.append)
    async for _ in pool.stream(Method("items", lambda client, args: client.aitems())):
        break
    gc.collect()
    await until(lambda: len(closed) == 1)
    assert pool.stats().in_flight == 0
    assert "closing a stream that was left before its end failed" in caplog.text
    await pool.close()
