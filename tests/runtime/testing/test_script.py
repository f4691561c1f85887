"""Scripted clients do what their script says, in the form of the class they stand in for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from connpool_runtime import AsyncPool, AttemptTimeout, Method, Pool
from connpool_runtime.middleware import Timeout
from connpool_runtime.testing import Fails, FakeClock, Hangs, Late, Played, Script, Slow
from tests.runtime.faces import until


class Phone:
    """A client of threads."""

    def ring(self, number: int, *, loud: bool = False) -> str:
        raise AssertionError("the code of the class must not run")

    def lines(self) -> Iterator[str]:
        yield "never"

    def close(self) -> None:
        raise AssertionError("the code of the class must not run")


class AsyncPhone:
    """A client of tasks."""

    async def ring(self, number: int) -> str:
        raise AssertionError("the code of the class must not run")

    async def lines(self) -> AsyncIterator[str]:
        yield "never"

    async def aclose(self) -> None:
        raise AssertionError("the code of the class must not run")


RING = Method[AsyncPhone, object]("ring", lambda client, args: client.ring(*args))


def test_steps_come_in_order_then_what_is_always() -> None:
    """A value is returned, an error raised; without a script the client answers its name."""
    script = Script("a")
    phone = script.client(Phone)
    assert phone.ring(1) == "a"
    script.then("one", ConnectionError("down"), Fails(OSError("too"))).always("ever")
    assert phone.ring(2, loud=True) == "one"
    with pytest.raises(ConnectionError, match="down"):
        phone.ring(3)
    with pytest.raises(OSError, match="too"):
        phone.ring(4)
    assert [phone.ring(5) for _ in range(2)] == ["ever", "ever"]
    assert script.calls[1] == Played("ring", (2,), {"loud": True})


def test_it_has_the_methods_of_its_class_only() -> None:
    """A call that the real client has not is a mistake here as well."""
    phone = Script("a").client(Phone)
    with pytest.raises(AttributeError, match="'Phone' has no attribute 'hang_up'"):
        phone.hang_up()  # type: ignore[attr-defined]
    assert repr(phone) == "<scripted Phone 'a'>"


async def test_forms_are_those_of_the_class() -> None:
    """Generators give the items of their answer, coroutine functions are awaited, closings counted."""
    script = Script("a").then(["x", "y"], "hello", ["z"])
    phone, later = script.client(Phone), script.client(AsyncPhone)
    assert list(phone.lines()) == ["x", "y"]
    assert await later.ring(1) == "hello"
    assert [line async for line in later.lines()] == ["z"]
    phone.close()
    await later.aclose()
    assert script.closed == 2


def test_a_slow_call_moves_the_clock() -> None:
    """Latencies can be tested without waiting for them."""
    clock = FakeClock()
    pool = Pool[Phone]("test", clock=clock, buckets=(0.1, 1.0))
    pool.add_client(Script("a", clock=clock).always(Slow(0.5, "hello")).client(Phone))
    assert pool.execute(lambda phone: phone.ring(1)) == "hello"
    (method,) = pool.stats().methods
    assert method.latency.total == pytest.approx(0.5)


def test_a_hanging_call_waits_for_its_release() -> None:
    """Until then it is in flight."""
    pool = Pool[Phone]("test")
    script = Script("a").always(Hangs("at last"))
    pool.add_client(script.client(Phone))
    answers: list[str] = []
    thread = threading.Thread(
        target=lambda: answers.append(pool.execute(lambda phone: phone.ring(1)))
    )
    thread.start()
    while not script.calls:
        pass
    assert pool.stats().in_flight == 1
    script.release()
    thread.join()
    assert answers == ["at last"]
    script.hold()
    assert not script._released.is_set()


async def test_a_hanging_task_can_be_cancelled() -> None:
    """As by a timeout of the pool."""
    pool = AsyncPool[AsyncPhone]("test")
    pool.register_middleware(Timeout(0.01))
    script = Script("a").then(Hangs("never"))
    pool.add_client(script.client(AsyncPhone))
    with pytest.raises(AttemptTimeout):
        await pool.call(RING, (1,))
    assert script.cancelled == 1
    assert await pool.call(RING, (1,)) == "a"


async def test_a_late_answer_comes_all_the_same() -> None:
    """Deaf to cancellation, it ends only when it is released."""
    script = Script("a").then(Late("too late"))
    call = asyncio.ensure_future(script.client(AsyncPhone).ring(1))
    await until(lambda: bool(script.calls))
    await asyncio.sleep(0)
    call.cancel()
    await until(lambda: script.cancelled == 1)
    assert not call.done()
    script.release()
    assert await call == "too late"


async def test_a_call_that_nobody_releases_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test hangs for seconds, not for ever."""
    monkeypatch.setattr("connpool_runtime.testing.script.PATIENCE", 0.01)
    script = Script("a").always(Hangs())
    with pytest.raises(AssertionError, match="no release\\(\\) came for the client 'a'"):
        script.client(Phone).ring(1)
    with pytest.raises(AssertionError, match="no release\\(\\) came for the client 'a'"):
        await script.client(AsyncPhone).ring(1)
