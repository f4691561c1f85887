"""Clients that are not given back: told once, with the stack of who took them."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import LeakSuspected
from connpool_runtime.health.leak_sweep import LeakSweep
from tests.runtime.faces import Face, until

NewFace = Callable[..., Face]


class Suspicious:
    """A pool of one exclusive client, looked at by hand."""

    def __init__(self, new_face: NewFace, **options: Any) -> None:
        options = {"leak_threshold": 30.0, "max_concurrency": 1, **options}
        self.face: Any = new_face("a", **options)
        self.leaks = LeakSweep()

    def sweep(self) -> float:
        return self.leaks(self.face.pool._checkout)

    def told(self) -> list[LeakSuspected]:
        return [event for event in self.face.events if isinstance(event, LeakSuspected)]


async def take_and_forget(pool: Suspicious) -> Any:
    lease = pool.face.lease()
    await lease.__aenter__()
    return lease


async def test_a_lease_that_is_kept_is_told_once(
    new_face: NewFace, caplog: pytest.LogCaptureFixture
) -> None:
    """By an event, a warning and a number, with the stack of who took it; and when it has come back."""
    caplog.set_level(logging.INFO, "connpool_runtime")
    pool = Suspicious(new_face)
    lease = await take_and_forget(pool)
    pool.face.clock.sleep(29.9)
    assert pool.sweep() == pytest.approx(pool.face.clock() + 0.1)
    assert pool.told() == []
    pool.face.clock.sleep(0.1)
    pool.sweep()
    (event,) = pool.told()
    assert (event.member, event.method, event.seconds) == ("a", "lease", pytest.approx(30.0))
    assert any("in take_and_forget" in line for line in event.stack)
    assert "await lease.__aenter__()" in "".join(event.stack)
    assert "connpool_runtime" not in event.stack[-1]
    assert pool.face.stats().leaks == 1
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert "a client of 'a' was not given back for 30 s" in warning.message
    assert "in take_and_forget" in warning.message

    pool.face.clock.sleep(100.0)
    pool.sweep()
    assert len(pool.told()) == 1
    await lease.__aexit__(None, None, None)
    pool.sweep()
    assert "has been given back within 130 s, and is no leak" in caplog.records[-1].message
    assert (pool.leaks._suspected, pool.face.pool._state.loans) == ({}, {})
    await pool.face.close()


async def test_what_comes_back_in_time_is_not_told(new_face: NewFace) -> None:
    """Nothing is kept of it, whether it ended well, by an error, or in a finalizer."""
    pool = Suspicious(new_face)
    for _ in range(3):
        async with pool.face.lease():
            pass
    with pytest.raises(KeyError):
        async with pool.face.lease():
            raise KeyError
    stream = await pool.face.stream(2)
    assert len(pool.face.pool._state.loans) == 1
    del stream
    await until(lambda: pool.face.in_flight() == 0)
    pool.face.clock.sleep(60.0)
    pool.sweep()
    assert pool.told() == []
    assert pool.face.pool._state.loans == {}
    await pool.face.close()


async def test_streams_and_contexts_are_looked_at(new_face: NewFace) -> None:
    """Whatever keeps a client from others; the method is named."""
    pool = Suspicious(new_face)
    stream = await pool.face.stream(2)
    pool.face.clock.sleep(31.0)
    pool.sweep()
    await stream.close()
    async with pool.face.session():
        pool.face.clock.sleep(31.0)
        pool.sweep()
    assert [event.method for event in pool.told()] == ["items", "session"]
    await pool.face.close()


@pytest.mark.parametrize("options", [{"max_concurrency": None}, {"leak_threshold": 0.0}], ids=str)
async def test_who_is_not_looked_at(new_face: NewFace, options: dict[str, Any]) -> None:
    """A client that any number of calls may use is kept from nobody; and 0 is never."""
    pool = Suspicious(new_face, **options)
    lease = await take_and_forget(pool)
    pool.face.clock.sleep(31.0)
    pool.sweep()
    assert pool.told() == []
    assert not pool.face.pool._state.loans
    await lease.__aexit__(None, None, None)
    await pool.face.close()


async def test_clients_of_an_endpoint_are_looked_at(new_face: NewFace) -> None:
    """They are what is leaked most."""
    pool = Suspicious(new_face)
    await pool.face.remove("a")
    pool.face.pool.add_endpoint(pool.face.clients.popitem, "b", close=lambda _: None)
    lease = await take_and_forget(pool)
    pool.face.clock.sleep(31.0)
    pool.sweep()
    assert [event.member for event in pool.told()] == ["b"]
    await lease.__aexit__(None, None, None)
    await pool.face.close()


async def test_the_pool_looks_by_itself(new_face: NewFace) -> None:
    """From its first call on, until it is closed."""
    pool = Suspicious(new_face, leak_threshold=0.01)
    (sweeper,) = pool.face.pool._state.sweepers
    lease = await take_and_forget(pool)
    await until(lambda: sweeper._worker.running)
    pool.face.clock.sleep(1.0)
    sweeper._worker.wake()  # it waits by the clock on the wall
    await until(lambda: bool(pool.told()))
    await lease.__aexit__(None, None, None)
    await pool.face.close()
    await until(lambda: not sweeper._worker.running)
