"""What must hold for results that an event loop drives: coroutines, streams, context managers.

Each scenario's docstring is its rule; a broken rule raises Wrong.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any

from tests.conformance.ground import Ground, Wrong, equal, fail, same
from tests.conformance.kinds import Kind
from tests.conformance.recorder import Sentinel

Scenario = Callable[[Ground], Awaitable[None]]


async def answer(value: object, error: BaseException | None = None) -> object:
    """A coroutine that takes a turn of the loop."""
    await asyncio.sleep(0)
    if error is not None:
        raise error
    return value


async def raised(what: str, error: BaseException, awaited: Awaitable[object]) -> None:
    """Complain unless awaiting raises this very error."""
    try:
        got = await awaited
    except type(error) as found:
        same(what, found, error)
    else:
        raise Wrong(f"{what}: nothing was raised, but {got!r} returned")


async def a_few_turns() -> None:
    """Let what waits for the loop happen."""
    for _ in range(5):
        await asyncio.sleep(0)


async def cancelled(work: Awaitable[object], started: asyncio.Event) -> None:
    """Cancel a task once it is under way; it must end as cancelled."""

    async def run() -> object:
        return await work

    task, waiting = asyncio.ensure_future(run()), asyncio.ensure_future(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    with suppress(asyncio.CancelledError):
        got = await task
        raise Wrong(f"the cancelled task returned {got!r}")


# ---------------------------------------------------------------- coroutines


async def awaited(ground: Ground) -> None:
    """The awaited result comes back as it is, and the call is a success."""
    value = Sentinel("value")
    ground.start(lambda: answer(value))
    same("the result", await ground.call(), value)
    ground.settled(successes=1)


async def awaited_raises(ground: Ground) -> None:
    """The client's error comes through as it is, and the call is a failure."""
    error = OSError("the client's")
    ground.start(lambda: answer(None, error))
    await raised("the error", error, ground.call())
    ground.settled(failures=1)


async def awaited_cancelled(ground: Ground) -> None:
    """A cancelled call frees its member and says nothing about it."""
    started = asyncio.Event()

    async def hang() -> None:
        started.set()
        ground.busy()
        await asyncio.Event().wait()

    ground.start(hang)
    await cancelled(ground.call(), started)
    ground.settled(neutrals=1)


async def is_coroutine(ground: Ground) -> None:
    """What a coroutine function gives is a coroutine, and nothing runs before it is awaited."""
    ground.start(lambda: answer(None))
    result = ground.call()
    equal("it is a coroutine", inspect.iscoroutine(result), True)
    equal("calls of the client", ground.record.calls, [])
    result.close()
    ground.settled()


async def bound_held(ground: Ground) -> None:
    """A value that lives on its connection keeps the member until it is gone."""
    value: Sentinel | None = Sentinel("value")
    reference = weakref.ref(value)
    ground.start(lambda: answer(reference()))
    result = await ground.call()
    same("the result", result, value)
    ground.busy()
    del value, result
    gc.collect()
    ground.settled(successes=1)


async def client_returned(ground: Ground) -> None:
    """For a client that returns itself the wrapper returns itself, and the call is over."""
    ground.start(lambda: answer(ground.client))
    same("the result", await ground.call(), ground.wrapper)
    ground.settled(successes=1)


# ---------------------------------------------------------------- streams


async def produce(count: int, log: list[str], error: Exception | None = None) -> AsyncIterator[int]:
    """An asynchronous generator that logs how it ends."""
    try:
        for number in range(1, count + 1):
            await asyncio.sleep(0)
            yield number
        if error is not None:
            raise error
        log.append("ended")
    except GeneratorExit:
        log.append("closed")
        raise
    except asyncio.CancelledError:
        log.append("cancelled")
        raise


async def stream_ends(ground: Ground) -> None:
    """The member is taken until the last item; then the call is a success."""
    ground.start(lambda: produce(2, []))
    items = aiter(ground.call())
    equal("the first item", await anext(items), 1)
    ground.busy()
    equal("the others", [item async for item in items], [2])
    ground.settled(successes=1)


async def stream_raises(ground: Ground) -> None:
    """An error between items comes through, and the call is a failure."""
    error = OSError("the client's")
    ground.start(lambda: produce(1, [], error))
    items = aiter(ground.call())
    await anext(items)
    await raised("the error", error, anext(items))
    ground.settled(failures=1)


async def stream_closed(ground: Ground) -> None:
    """Closing early closes the client's stream; after an item the call was a success."""
    log: list[str] = []
    ground.start(lambda: produce(2, log))
    items = ground.call()
    await anext(items)
    await items.aclose()
    equal("what the client's stream saw", log, ["closed"])
    ground.settled(successes=1)


async def stream_abandoned(ground: Ground) -> None:
    """Dropping the stream frees the member."""
    ground.start(lambda: produce(2, []))
    items = ground.call()
    await anext(items)
    ground.busy()
    del items
    gc.collect()
    await a_few_turns()
    ground.settled(successes=1)


async def stream_cancelled(ground: Ground) -> None:
    """A cancelled wait for an item frees the member and says nothing about it."""
    started = asyncio.Event()

    async def hang() -> AsyncIterator[int]:
        yield 1
        started.set()
        await asyncio.Event().wait()

    ground.start(hang)
    items = ground.call()
    await anext(items)
    await cancelled(anext(items), started)
    ground.settled(neutrals=1)


async def stream_unused(ground: Ground) -> None:
    """A stream of which no item is taken takes no member, or gives it back when closed."""
    ground.start(lambda: produce(1, []))
    items = ground.call()
    if hasattr(items, "aclose"):
        await items.aclose()
    ground.free()


# ---------------------------------------------------------------- context managers


class Manager(AbstractAsyncContextManager[object]):
    """A context manager that remembers what it was told at its end, and can be awaited too."""

    def __init__(self, value: object, *, suppress: bool = False) -> None:
        self.value = value
        self.suppress = suppress
        self.told: list[object] = []

    async def __aenter__(self) -> object:
        await asyncio.sleep(0)
        return self.value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        await asyncio.sleep(0)
        self.told.append(error)
        return self.suppress

    def __await__(self) -> Generator[Any, Any, object]:
        return answer(self.value).__await__()


async def context_ends(ground: Ground) -> None:
    """The member is taken inside the block; then the call is a success."""
    manager = Manager(Sentinel("value"))
    ground.start(lambda: manager)
    async with ground.call() as value:
        same("the value", value, manager.value)
        ground.busy()
    equal("what the client's manager was told", manager.told, [None])
    ground.settled(successes=1)


async def context_raises(ground: Ground) -> None:
    """An error in the block reaches the client's manager and the caller; it is a failure."""
    manager, error = Manager(1), OSError("the block's")
    ground.start(lambda: manager)

    async def block() -> None:
        async with ground.call():
            raise error

    await raised("the error", error, block())
    equal("what the client's manager was told", manager.told, [error])
    ground.settled(failures=1)


async def context_suppresses(ground: Ground) -> None:
    """An error that the client's manager suppresses does not reach the caller."""
    ground.start(lambda: Manager(1, suppress=True))
    async with ground.call():
        fail(OSError("the block's"))
    ground.free()


async def context_cancelled(ground: Ground) -> None:
    """A cancelled block frees the member and says nothing about it."""
    manager, started = Manager(1), asyncio.Event()
    ground.start(lambda: manager)

    async def block() -> None:
        async with ground.call():
            started.set()
            await asyncio.Event().wait()

    await cancelled(block(), started)
    equal("the client's manager was told", len(manager.told), 1)
    ground.settled(neutrals=1)


async def context_abandoned(ground: Ground) -> None:
    """A block that is never left frees the member when it is dropped."""
    ground.start(lambda: Manager(1))
    manager = ground.call()
    await manager.__aenter__()
    ground.busy()
    del manager
    gc.collect()
    await a_few_turns()
    ground.free()


async def manager_awaited(ground: Ground) -> None:
    """What can be awaited or entered may be awaited; then the call is a success."""
    value = Sentinel("value")
    ground.start(lambda: Manager(value))
    same("the result", await ground.call(), value)
    ground.settled(successes=1)


async def manager_held(ground: Ground) -> None:
    """What lives on its connection, awaited of what could be entered, keeps the member until it is gone."""
    value: Sentinel | None = Sentinel("value")
    reference = weakref.ref(value)
    ground.start(lambda: Manager(reference()))
    result = await ground.call()
    same("the result", result, value)
    ground.busy()
    del value, result
    gc.collect()
    ground.settled(successes=1)


class Pages:
    """What can be awaited for a first page or iterated over all items."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __await__(self) -> Generator[Any, Any, object]:
        return answer("a page").__await__()

    def __aiter__(self) -> AsyncIterator[int]:
        return produce(2, self.log)


async def pages_awaited(ground: Ground) -> None:
    """What can be awaited or iterated may be awaited; then the call is a success."""
    ground.start(lambda: Pages([]))
    equal("the result", await ground.call(), "a page")
    ground.settled(successes=1)


async def pages_iterated(ground: Ground) -> None:
    """What can be awaited or iterated may be iterated; the member is taken until the last item."""
    ground.start(lambda: Pages([]))
    items = aiter(ground.call())
    equal("the first item", await anext(items), 1)
    ground.busy()
    equal("the others", [item async for item in items], [2])
    ground.settled(successes=1)


AWAITED = (awaited, awaited_raises, awaited_cancelled)
STREAMED = (
    stream_ends,
    stream_raises,
    stream_closed,
    stream_abandoned,
    stream_cancelled,
    stream_unused,
)
ENTERED = (context_ends, context_raises, context_suppresses, context_cancelled, context_abandoned)
ASYNC_SCENARIOS: dict[Kind, tuple[Scenario, ...]] = {
    Kind.COROUTINE: (*AWAITED, is_coroutine),
    Kind.AWAITABLE: AWAITED,
    Kind.MAYBE: AWAITED,
    Kind.ANYTHING: (*AWAITED, *ENTERED, manager_awaited),
    Kind.AWAITED_BOUND: (bound_held, awaited_raises, awaited_cancelled, is_coroutine),
    Kind.AWAITABLE_BOUND: (bound_held, awaited_raises, awaited_cancelled),
    Kind.AWAITED_CLIENT: (
        client_returned,
        bound_held,
        awaited_raises,
        awaited_cancelled,
        is_coroutine,
    ),
    Kind.AWAITED_OR_ITERATED: (pages_awaited, pages_iterated),
    Kind.ASYNC_GENERATOR: STREAMED,
    Kind.ASYNC_ITERATOR: STREAMED,
    Kind.ASYNC_CONTEXT: ENTERED,
    Kind.AWAITED_OR_ENTERED: (*ENTERED, manager_awaited),
    Kind.BOUND_OR_ENTERED: (*ENTERED, manager_held),
}
