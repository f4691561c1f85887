"""Whoever closes a pool or removes a member does not wait for results in its own variables."""

import _thread
import asyncio
import gc
import inspect
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connpool_runtime import AsyncPool, DrainTimeout, Method, Pool
from connpool_runtime.registry import AsyncRegistry, Registry
from tests.waiting import eventually

SOON, LONG = 0.01, 60.0  # seconds to drain: a test that waits in vain takes either


class Cursor:
    """Something that lives on a connection."""

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_error: object) -> None: ...


class Client:
    """Gives cursors, and knows whether it was closed."""

    closed = False

    def cursor(self) -> Cursor:
        return Cursor()

    async def later(self) -> Cursor:
        return Cursor()

    def close(self) -> None:
        self.closed = True


CURSOR: Method[Client, Any] = Method("cursor", lambda client, _: client.cursor())
LATER: Method[Client, Any] = Method("later", lambda client, _: client.later())


def pool_of(kind: Callable[..., Any], client: Client) -> Any:
    """A pool of one client that would wait for long."""
    pool = kind("shops", drain_timeout=LONG, close=Client.close)
    pool.add_client(client, name="a")
    return pool


@pytest.mark.parametrize("ask", ["pinned", "call_or_stream"])
def test_a_cursor_in_a_variable_does_not_hold_up_the_end_of_the_block(ask: str) -> None:
    """Leaving `with pool` closes the clients although a result of this thread exists, and a block that failed is no other."""
    for failing in (False, True):
        client = Client()
        try:
            with pool_of(Pool, client) as pool:
                cursor = getattr(pool, ask)(CURSOR)
                if failing:
                    raise KeyError(cursor)
        except KeyError:
            assert failing
        assert client.closed
        assert pool.stats().methods[0].successes == 1
        del cursor  # its finalizer finds nothing left to do
        assert pool.stats().methods[0].successes == 1


def test_a_member_that_a_thread_removes_itself() -> None:
    """Removing a member gives up what this thread holds of that member, and of no other."""
    first, second = Client(), Client()
    pool = pool_of(Pool, first)
    pool.add_client(second, name="b")
    cursors = [pool.pinned(CURSOR) for _ in range(2)]
    pool.remove_client("a")
    assert (first.closed, second.closed) == (True, False)
    assert [member.in_flight for member in pool.members] == [1]
    pool.remove_clients(["b"])
    assert second.closed
    assert len(cursors) == 2
    pool.close()


def test_results_of_a_thread_that_has_ended() -> None:
    """At the end of the pool they keep nothing; before it, they may be in use elsewhere, and are waited for."""
    first, second = Client(), Client()
    pool = pool_of(Pool, first)
    pool.add_client(second, name="b")
    with ThreadPoolExecutor() as threads:
        cursors = list(threads.map(lambda _: pool.pinned(CURSOR), range(2)))
    with pytest.raises(DrainTimeout):
        pool.remove_client("a", drain_timeout=SOON)
    pool.close()
    assert (second.closed, len(cursors)) == (True, 2)


def test_a_cursor_of_another_thread_is_waited_for() -> None:
    """No client is closed under a thread that goes on with a result, whoever closes the pool."""
    client = Client()
    pool = pool_of(Pool, client)
    opened, closing, seen = threading.Event(), threading.Event(), list[bool]()

    def work() -> None:
        cursor = pool.pinned(CURSOR)
        opened.set()
        closing.wait(LONG)
        seen.append(client.closed)
        del cursor

    thread = threading.Thread(target=work)
    thread.start()
    opened.wait(LONG)
    with pytest.raises(ExceptionGroup):
        pool.close(drain_timeout=SOON)
    closing.set()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
async def test_who_opened_a_result_may_be_gone(kind: type[Any]) -> None:
    """Of a thread or task that has ended nothing may be left but its results; they keep nobody from closing the pool."""
    client = Client()
    pool, kept = pool_of(kind, client), list[Any]()

    def in_thread() -> None:
        kept.append(pool.pinned(CURSOR))

    async def in_task() -> None:
        kept.append(await pool.pinned(LATER))

    if kind is Pool:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        gone = weakref.ref(thread)
        del thread
    else:
        task = asyncio.create_task(in_task())
        await task
        gone = weakref.ref(task)
        del task
        await asyncio.sleep(0)  # the event loop has just run it
    gc.collect()
    assert gone() is None
    closing = pool.close()
    if inspect.isawaitable(closing):
        await closing
    assert client.closed
    assert len(kept) == 1


async def test_the_same_for_tasks() -> None:
    """A task does not wait for its own results, nor at the end for those of tasks that have ended, but for those of others."""
    client = Client()
    async with pool_of(AsyncPool, client) as pool:
        own = await pool.pinned(LATER)
        ended = await asyncio.gather(*(pool.pinned(LATER) for _ in range(3)))
        at_once = pool.pinned_sync(CURSOR)
    assert client.closed
    assert len([own, at_once, *ended]) == 5
    client = Client()
    pool, release = pool_of(AsyncPool, client), asyncio.Event()

    async def work() -> bool:
        cursor = await pool.pinned(LATER)
        await release.wait()
        return client.closed and cursor is not None

    other = asyncio.create_task(work())
    await asyncio.sleep(SOON)
    with pytest.raises(DrainTimeout):
        await pool.remove_client("a", drain_timeout=SOON)
    release.set()
    assert not await other
    await pool.close()


async def test_a_registry_closes_its_pools_for_the_thread_or_task_that_closes_it() -> None:
    """Pools are closed by helpers at the same time; what their caller holds, it would wait for all the same."""
    client = Client()
    with Registry[Any]() as registry:
        registry.add("shops", pool_of(Pool, client))
        cursor = registry.get("shops").pinned(CURSOR)
    assert client.closed
    other = Client()
    async with AsyncRegistry[Any]() as tasks:
        tasks.add("shops", pool_of(AsyncPool, other))
        cursor = await tasks.get("shops").pinned(LATER)
    assert other.closed
    assert cursor is not None


def test_a_task_that_failed_is_not_kept_by_its_result() -> None:
    """The holder is known by a reference that keeps neither the task nor the frames of its error."""
    import gc
    import weakref

    async def main() -> None:
        pool = pool_of(AsyncPool, Client())
        seen: list[weakref.ref[Cursor]] = []

        async def work() -> None:
            cursor = await pool.pinned(LATER)
            seen.append(weakref.ref(cursor))
            raise KeyError

        task = asyncio.create_task(work())
        await asyncio.wait([task])
        assert isinstance(task.exception(), KeyError)
        del task
        gc.collect()
        assert seen[0]() is None
        assert pool.members[0].in_flight == 0
        await pool.close()

    asyncio.run(main())


def test_a_thread_that_python_does_not_know_counts_as_alive() -> None:
    """Nobody tells when a greenlet or a thread of a C library ends, so what it holds is waited for."""
    client = Client()
    pool = pool_of(Pool, client)
    cursors: list[Cursor] = []
    _thread.start_new_thread(lambda: cursors.append(pool.pinned(CURSOR)), ())
    assert eventually(lambda: len(cursors) == 1)
    with pytest.raises(ExceptionGroup):
        pool.close(drain_timeout=SOON)
    assert not client.closed
