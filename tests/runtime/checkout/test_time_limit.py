"""One end for all that comes before a client's method: the queue, opening, validating."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import AsyncPool, PoolTimeout, deadline
from connpool_runtime.checkout.time_limit import TimeLimit
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import Face, until

NewFace = Callable[..., Face]


async def hang() -> Any:
    await asyncio.sleep(3600)


async def use(pool: AsyncPool[Any]) -> None:
    await pool.execute(lambda client: client)  # type: ignore[arg-type, return-value]  # not reached


def test_the_clock_that_comes_to_the_end_first_ends_it() -> None:
    """Time is over when the pool's clock says so, and also when only the clock on the wall does."""
    clock = FakeClock()
    limit = TimeLimit(100.0, clock)
    clock.sleep(99.0)
    assert limit.left == pytest.approx(1.0)
    clock.sleep(2.0)
    assert limit.left == 0.0
    still = TimeLimit(0.01, clock)
    time.sleep(0.011)
    assert still.left == 0.0


@pytest.mark.parametrize("by_deadline", [False, True], ids=["setting", "deadline"])
async def test_all_endpoints_share_one_limit(by_deadline: bool) -> None:
    """Six black holes take as long as one: each gets what the one before it left."""
    pool = AsyncPool[Any](checkout_timeout=60.0 if by_deadline else 0.5)
    for name in "abcdef":
        pool.add_endpoint(hang, name, connect_backoff=0.0)
    began = time.monotonic()
    with deadline(0.5 if by_deadline else 60.0), pytest.raises(PoolTimeout) as caught:
        await use(pool)
    assert time.monotonic() - began < 3.0  # six times the limit
    assert isinstance(caught.value.cause, TimeoutError)
    assert pool.stats().in_flight == 0
    assert dict(pool.stats().rejections) == {"PoolTimeout": 1}
    await pool.close()


async def test_the_time_in_the_queue_counts_into_the_time_for_opening() -> None:
    """A call that has waited for the right to open has only the rest for opening."""
    pool = AsyncPool[Any](checkout_timeout=2.0, max_clients=1)
    pool.add_endpoint(hang, "a", connect_backoff=0.0)
    first = asyncio.ensure_future(use(pool))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    with pytest.raises(PoolTimeout):
        await use(pool)
    assert time.monotonic() - began < 3.5  # 1.5 in the queue, 0.5 of opening; not 2 of that
    with pytest.raises(PoolTimeout):
        await first
    await pool.close()


async def test_a_validation_that_hangs_ends_with_the_limit() -> None:
    """The client is closed, as one that is not fit."""
    closed: list[object] = []
    pool = AsyncPool[Any](checkout_timeout=0.05)
    pool.add_endpoint(
        object,
        "a",
        validate=lambda client: hang(),
        validate_after=0.0,
        close=closed.append,
        initial_size=1,
    )
    await pool.warm_up()
    with pytest.raises(PoolTimeout):
        await use(pool)
    await until(lambda: len(closed) == 1)
    await pool.close()


async def test_nothing_is_opened_after_a_deadline(new_face: NewFace) -> None:
    """A thread that cannot cut a factory off tries no other endpoint when it is late."""
    face = new_face()
    opened: list[str] = []

    def endpoint(name: str) -> Callable[[], Any]:
        def factory() -> Any:
            opened.append(name)
            time.sleep(0.6)
            raise ConnectionError("refused")

        return factory

    for name in "abc":
        face.pool.add_endpoint(endpoint(name), name)
    with deadline(0.5), pytest.raises(PoolTimeout) as caught:
        await face.call()
    assert len(opened) == 1
    assert isinstance(caught.value.cause, ConnectionError)
    with deadline(0.0), pytest.raises(PoolTimeout):
        await face.call()
    assert len(opened) == 1
    assert face.in_flight() == 0
    await face.close()
