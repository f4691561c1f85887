"""A lease lasts as long as its result: whoever consumes it hears the client, and is counted."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from connpool_gen.reading import result_kinds
from connpool_runtime import AsyncPool, Pool
from connpool_runtime.results import pinned
from tests.codegen.made import Made, Maker

ASYNC = """
from __future__ import annotations
import asyncio
from collections.abc import *
from typing import Any, Literal, overload


class Reply:
    def __init__(self) -> None:
        self.asked = True
    def __await__(self) -> Generator[Any, Any, int]:
        yield from asyncio.sleep(0).__await__()
        raise ConnectionResetError
    def cancel(self) -> str:
        return "cancelled"


class Pipe(Reply):
    async def __aenter__(self) -> Pipe:
        return self
    async def __aexit__(self, *error: object) -> None: ...


class Pages(AsyncIterator[int]):
    def by_page(self) -> AsyncIterator[list[int]]: ...
    async def __anext__(self) -> int:
        return 1


class Client:
    def pipe(self) -> Pipe:
        return Pipe()
    def __await__(self) -> Generator[Any, Any, Client]:
        yield from asyncio.sleep(0).__await__()
        return self
    def select(self, number: int) -> Client:
        return self
    async def talk(self) -> AsyncGenerator[str, str]:
        said = "hello"
        while said != "bye":
            try:
                said = yield f"you said {said}"
            except ValueError:
                said = "an error"
    def talk_later(self) -> AsyncGenerator[str, str]:
        return self.talk()
    async def _rows(self) -> AsyncIterator[int]:
        yield 1
        raise ConnectionResetError
    async def rows(self) -> AsyncIterator[int]:
        return self._rows()
    async def refused(self) -> AsyncIterator[int]:
        raise ConnectionResetError
    def feed(self) -> AsyncIterable[int]:
        return self._rows()
    async def _one(self) -> int:
        await asyncio.sleep(0)
        raise ConnectionResetError
    def task(self) -> asyncio.Task[int]:
        return asyncio.create_task(self._one())
    def ask(self) -> Reply:
        return Reply()
    def skus(self) -> Iterator[str]:
        yield "tea"
    def pages(self) -> Pages:
        return Pages()
    async def get(self) -> int:
        return 1
    @overload
    async def chat(self, text: str, stream: Literal[False] = False) -> str: ...
    @overload
    async def chat(self, text: str, stream: Literal[True]) -> AsyncIterator[int]: ...
    async def chat(self, text: str, stream: bool = False) -> str | AsyncIterator[int]:
        return self._rows() if stream else text
"""
SYNC = """
from __future__ import annotations
from collections.abc import *
from typing import Self


class Client:
    def listed(self) -> Iterable[int]:
        return [1, 2]
    def broken(self) -> Iterable[int]:
        yield 1
        raise ConnectionResetError
    def feed(self) -> Iterable[int]:
        return self.broken()
    def chat(self, text: str, stream: bool = False) -> str | Iterator[int]:
        return iter(self.broken()) if stream else text
    def get(self) -> int:
        return 1


class Reader:
    def __iter__(self) -> Self:
        return self
    def __next__(self) -> int:
        return 1
    def get(self) -> int:
        return 1
    def __reversed__(self) -> Iterator[int]:
        return iter([2, 1])
    def __bool__(self) -> bool:
        return True
    def __len__(self) -> int:
        return 0
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for the wrappers of this module."""
    return Maker(tmp_path_factory.mktemp("results"), checker_cache)


@pytest.fixture(scope="module")
def made(workshop: Maker) -> Made:
    """The wrapper of an asynchronous client, checked by mypy."""
    return workshop.make(ASYNC, verify=True)


def tally(pool: Pool[Any] | AsyncPool[Any]) -> tuple[int, int, int]:
    """Calls in flight, successes and failures of the only member."""
    [member] = pool.stats().members
    return member.in_flight, member.successes, member.failures


@pytest.mark.parametrize("method", ["talk", "talk_later"])
def test_an_async_generator_hears_its_caller(made: Made, method: str) -> None:
    """What is sent and thrown reaches the client's generator, and its answer comes back."""

    async def main() -> list[str]:
        stream = getattr(made.over(made.client()), method)()
        said = [await anext(stream), await stream.asend("tea"), await stream.athrow(ValueError())]
        with pytest.raises(StopAsyncIteration):
            await stream.asend("bye")
        return [*said, *[item async for item in stream]]

    assert asyncio.run(main()) == ["you said hello", "you said tea", "you said an error"]


async def consumed(stream: Any) -> None:
    async for _ in stream:
        pass


async def awaited_then_consumed(stream: Awaitable[Any]) -> None:
    await consumed(await stream)


async def awaited(result: Awaitable[Any]) -> None:
    await result


@pytest.mark.parametrize(
    ("method", "use"),
    [
        ("rows", awaited_then_consumed),
        ("refused", awaited),
        ("feed", consumed),
        ("task", awaited),
        ("ask", awaited),
    ],
)
def test_a_failure_while_a_result_is_consumed_counts(
    made: Made, method: str, use: Callable[[Any], Awaitable[None]]
) -> None:
    """A stream that a coroutine gives, a task and an awaitable object fail for the member, not beside it."""

    async def main() -> tuple[int, int, int]:
        wrapper = made.over(made.client())
        with pytest.raises(ConnectionResetError):
            await use(getattr(wrapper, method)())
        return tally(wrapper.pool)

    assert asyncio.run(main()) == (0, 0, 1)


def test_a_member_is_held_while_a_result_is_consumed(made: Made) -> None:
    """In the middle of a stream, and before an awaitable object is awaited, the call is in flight."""

    async def main() -> None:
        wrapper = made.over(made.client())
        stream = await wrapper.rows()
        assert await anext(stream) == 1
        assert tally(wrapper.pool)[0] == 1
        await stream.aclose()
        reply = wrapper.ask()
        assert (reply.asked, reply.cancel(), tally(wrapper.pool)[0]) == (True, "cancelled", 1)
        with pytest.raises(ConnectionResetError):
            await reply
        assert tally(wrapper.pool)[0] == 0

    asyncio.run(main())


def test_pages_of_a_method_that_does_not_wait_keep_their_member(made: Made) -> None:
    """An asynchronous iterator with members of its own is handed out as it is, and is in flight until it is gone."""

    async def main() -> None:
        wrapper = made.over(made.client())
        pages = wrapper.pages()
        assert type(pages).__name__ == "Pages"
        assert (await anext(pages), tally(wrapper.pool)[0]) == (1, 1)
        del pages
        assert tally(wrapper.pool) == (0, 1, 0)

    asyncio.run(main())


def test_a_stream_that_an_argument_asks_for(made: Made) -> None:
    """Where an overload or a union gives a stream, it keeps the member until it is gone; a value does not."""

    async def main() -> None:
        wrapper = made.over(made.client())
        assert (await wrapper.chat("a"), tally(wrapper.pool)) == ("a", (0, 1, 0))
        stream = await wrapper.chat("a", stream=True)
        assert (await anext(stream), tally(wrapper.pool)[0]) == (1, 1)
        await stream.aclose()
        del stream
        assert tally(wrapper.pool) == (0, 2, 0)

    asyncio.run(main())


def test_a_stream_that_an_argument_asks_for_from_a_synchronous_client(workshop: Maker) -> None:
    """The same, with a union in place of overloads."""
    made = workshop.make(SYNC)
    wrapper = made.over(made.client())
    assert (wrapper.chat("a"), tally(wrapper.pool)) == ("a", (0, 1, 0))
    stream = wrapper.chat("a", stream=True)
    assert (next(stream), tally(wrapper.pool)[0]) == (1, 1)
    del stream
    assert tally(wrapper.pool) == (0, 2, 0)


def test_what_lives_on_a_connection_stays_what_it_is(made: Made) -> None:
    """A pipeline that can be awaited too is handed out itself; a client that can be is the wrapper."""

    async def main() -> None:
        wrapper = made.over(made.client())
        assert type(wrapper.pipe()).__name__ == "Pipe"
        assert wrapper.select(1) is wrapper

    asyncio.run(main())


def test_a_task_is_a_task(made: Made) -> None:
    """It has what the client's has: it is running, can be cancelled, and its end is the call's."""

    async def main() -> None:
        wrapper = made.over(made.client())
        task = wrapper.task()
        assert isinstance(task, asyncio.Task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tally(wrapper.pool) == (0, 0, 0)

    asyncio.run(main())


def test_a_plain_generator_of_an_async_client_is_pooled(made: Made) -> None:
    """A synchronous generator of an asynchronous client gives its items."""

    async def main() -> list[str]:
        return list(made.over(made.client()).skus())

    assert asyncio.run(main()) == ["tea"]


def test_a_container_can_be_gone_through_twice(workshop: Maker) -> None:
    """A method that promises an Iterable may give a list: each loop over it sees all items."""
    made = workshop.make(SYNC)
    wrapper = made.over(made.client())
    listed = wrapper.listed()
    assert [list(listed), list(listed)] == [[1, 2], [1, 2]]
    assert tally(wrapper.pool) == (0, 1, 0)


@pytest.mark.parametrize("method", ["feed", "broken"])
def test_an_iterable_that_fails_counts(workshop: Maker, method: str) -> None:
    """What is fetched while it is iterated fails for the member that is asked."""
    made = workshop.make(SYNC)
    wrapper = made.over(made.client())
    items = iter(getattr(wrapper, method)())
    assert (next(items), tally(wrapper.pool)[0]) == (1, 1)
    with pytest.raises(ConnectionResetError):
        next(items)
    assert tally(wrapper.pool) == (0, 0, 1)


def test_a_client_that_is_an_iterator(workshop: Maker) -> None:
    """Nobody could say whose next item is meant, so neither half of iteration is there, with the reason."""
    made = workshop.make(SYNC, client="Reader", verify=True)
    assert {made.names[name].fate.value for name in ("__iter__", "__next__")} == {"skipped"}
    with pytest.raises(TypeError, match="not iterable"):
        iter(made.over(made.client()))


def test_truth_and_reversal_are_the_clients(workshop: Maker) -> None:
    """`bool` and `reversed` ask a member, and do not fall back on its length and items."""
    made = workshop.make(SYNC, client="Reader")
    wrapper = made.over(made.client())
    assert (bool(wrapper), len(wrapper), list(reversed(wrapper))) == (True, 0, [2, 1])


def test_streams_are_told_alike_when_written_and_when_run() -> None:
    """The generator asks a type for what the runtime asks an object for, since neither imports the other."""
    for name in ("OF_STREAMS", "OF_CLOSING", "OF_READING", "OF_TRANSACTIONS"):
        assert getattr(result_kinds, name) == getattr(pinned, name)
