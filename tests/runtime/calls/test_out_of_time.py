"""What it says of a member that the deadline of a caller ended its call: for calls, streams and contexts alike."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from connpool_runtime import BreakerState, DeadlineExceeded, Method, Outcome, Pool, deadline
from connpool_runtime.calls.deadline_parameter import DeadlineParameter
from connpool_runtime.middleware import Retry
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import Face, Items, counted

WAYS = ("call", "stream", "context")
LONG = 60.0  # seconds of its own after which a client gives up
USUAL = 0.5  # seconds that an answer takes


class Slow:
    """A client of both kinds that answers after `takes` seconds, or gives up at its timeout."""

    def __init__(self, clock: FakeClock, takes: float) -> None:
        self.clock = clock
        self.takes = takes

    def answer(self, timeout: float | None) -> str:
        limit = LONG if timeout is None else timeout
        self.clock.sleep(min(self.takes, limit))
        if self.takes > limit:
            raise TimeoutError("the server did not answer in time")
        return "answer"

    async def acall(self, limit: float | None) -> str:
        await asyncio.sleep(0)
        return self.answer(limit)

    def stream(self, timeout: float | None) -> Iterator[str]:
        yield "begun"
        yield self.answer(timeout)

    async def astream(self, limit: float | None) -> AsyncIterator[str]:
        yield "begun"
        yield self.answer(limit)

    @contextmanager
    def context(self, timeout: float | None) -> Iterator[Callable[[], str]]:
        yield lambda: self.answer(timeout)

    @asynccontextmanager
    async def acontext(self, limit: float | None) -> AsyncIterator[Callable[[], str]]:
        yield lambda: self.answer(limit)


def method_of(face: Face, way: str) -> Method[Any, Any]:
    name = {"threads": {"call": "answer"}, "tasks": {}}[face.kind].get(way)
    name = name or ("a" if face.kind == "tasks" else "") + way
    told = DeadlineParameter.read("timeout", ["timeout"])
    return Method(way, lambda client, args: getattr(client, name)(*args), deadline_parameter=told)


async def use(face: Face, way: str, method: Method[Any, Any], limit: float | None = None) -> None:
    """Make one call of the kind, to its end."""
    if way == "call":
        outcome = face.pool.call(method, (limit,))
        await outcome if face.kind == "tasks" else outcome
    elif way == "stream" and face.kind == "tasks":
        async for _ in face.pool.stream(method, (limit,)):
            pass
    elif way == "stream":
        list(face.pool.stream(method, (limit,)))
    elif face.kind == "tasks":
        async with face.pool.context(method, (limit,)) as answer:
            answer()
    else:
        with face.pool.context(method, (limit,)) as answer:
            answer()


def face_of(new_face: Callable[..., Face], *takes: float) -> Face:
    """Return a pool with a member for each number of seconds: m0, m1, ..."""
    face = new_face(unknown_errors="relative")
    for number, seconds in enumerate(takes):
        face.pool.add_client(Slow(face.clock, seconds), f"m{number}")
    return face


async def lose(face: Face, way: str, seconds: float, times: int) -> list[BaseException]:
    """Make calls with so many seconds each; return the errors."""
    errors: list[BaseException] = []
    method = method_of(face, way)
    for _ in range(times):
        try:
            with deadline(seconds, clock=face.clock):
                await use(face, way, method)
        except Exception as error:
            errors.append(error)
    return errors


def cut_off(face: Face) -> list[str]:
    return [m.name for m in face.pool.members if m.breaker.state is not BreakerState.CLOSED]


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_nobodys_fault(new_face: Callable[..., Face], way: str) -> None:
    """A client that gave up at the deadline of its caller has failed nobody; its error is the cause."""
    face = face_of(new_face, LONG)
    (error,) = await lose(face, way, 0.1, 1)
    # In the block of a context manager it is the client's own.
    kind = TimeoutError if way == "context" else DeadlineExceeded
    assert isinstance(error, kind)
    assert way == "context" or str(getattr(error, "cause", None)).startswith("the server did not")
    assert counted(face.stats()) == {
        Outcome.SUCCESS: 0,
        Outcome.FAILURE: 0,
        Outcome.NEUTRAL: 1,
    }


@pytest.mark.parametrize("way", WAYS)
async def test_a_member_that_hangs_is_cut_off(new_face: Callable[..., Face], way: str) -> None:
    """It meets the deadlines of its callers, and the other members do not."""
    face = face_of(new_face, USUAL, LONG, USUAL)
    await lose(face, way, 1.0, 90)
    assert cut_off(face) == ["m1"]


@pytest.mark.parametrize("way", WAYS)
async def test_callers_without_patience_cut_nobody_off(
    new_face: Callable[..., Face], way: str
) -> None:
    """With less time than an answer takes they give up on all members alike."""
    face = face_of(new_face, USUAL, USUAL, USUAL)
    assert len(await lose(face, way, USUAL / 10, 90)) == 90
    assert cut_off(face) == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_shorter_limit_of_the_client_counts(
    new_face: Callable[..., Face], way: str
) -> None:
    """Where the caller had time left the client's error comes as it is, a failure of its member."""
    face = face_of(new_face, LONG)
    with deadline(LONG, clock=face.clock), pytest.raises(TimeoutError) as caught:
        await use(face, way, method_of(face, way), 0.1)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert counted(face.stats())[Outcome.FAILURE] == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_is_not_told_has_its_own_time(
    new_face: Callable[..., Face], way: str
) -> None:
    """Its own timeout is a failure also after the deadline, which had nothing to do with it."""
    face = face_of(new_face, LONG + 1)
    untold = Method[Any, Any](way, method_of(face, way).raw)
    with deadline(0.1, clock=face.clock), pytest.raises(TimeoutError) as caught:
        await use(face, way, untold)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert counted(face.stats())[Outcome.FAILURE] == 1


@pytest.mark.parametrize("way", WAYS)
async def test_its_client_is_in_doubt(new_face: Callable[..., Face], way: str) -> None:
    """The answer on which it gave up may still come, and the next caller would take it for its own."""
    face = new_face()
    opened: list[Slow] = []
    checked: list[Slow] = []

    def open_one() -> Slow:
        opened.append(Slow(face.clock, USUAL))
        return opened[-1]

    face.pool.add_endpoint(open_one, "a", max_size=1, close=id)
    await lose(face, way, 0.1, 1)
    await use(face, way, method_of(face, way))
    assert len(opened) == 2  # the first one was closed, for nobody can tell whether it is clean

    face = new_face()
    face.pool.add_endpoint(open_one, "a", max_size=1, close=id, validate=checked.append)
    await lose(face, way, 0.1, 1)
    await use(face, way, method_of(face, way))
    assert checked == opened[2:]


def test_the_deadline_of_the_opening_holds() -> None:
    """Whoever takes the items outside of the block gets no more time, and nobody is blamed then, either."""
    clock = FakeClock()
    pool: Pool[Slow] = Pool("slow", clock=clock)
    pool.add_client(Slow(clock, LONG), "a")
    told = DeadlineParameter.read("timeout", ["timeout"])
    method: Method[Slow, Any] = Method(
        "stream", lambda client, args: client.stream(*args), deadline_parameter=told
    )
    with deadline(0.1, clock=clock):
        items = pool.stream(method, (None,))
    with pytest.raises(DeadlineExceeded):
        list(items)
    assert counted(pool.stats())[Outcome.NEUTRAL] == 1


async def test_a_late_stream_is_not_opened_again(new_face: Callable[..., Face]) -> None:
    """`Retry` has no time left for it, also if its items are taken outside of the block."""
    face = face_of(new_face, LONG, LONG)
    face.pool.register_middleware(Retry(attempts=3, base=0.0))
    opened: list[object] = []

    def items(client: Slow, timeout: float) -> Iterator[str]:
        opened.append(client)
        yield client.answer(timeout)

    async def aitems(client: Slow, limit: float) -> AsyncIterator[str]:
        opened.append(client)
        yield client.answer(limit)

    way: Any = items if face.kind == "threads" else aitems
    told = DeadlineParameter.read("timeout", ["timeout"])
    method: Method[Any, Any] = Method(
        "items", lambda client, args: way(client, *args), deadline_parameter=told, idempotent=True
    )
    with deadline(0.1, clock=face.clock):
        stream = face.pool.stream(method, (None,))
        if face.kind == "tasks":
            await stream.open()
    with pytest.raises(DeadlineExceeded):
        await Items(stream).next()
    assert len(opened) == 1
