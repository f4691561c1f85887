"""A pool that runs for long takes no more memory than one that has run for a while; `make stress` for longer."""

import asyncio
import gc
import logging
import os
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from connpool_runtime.middleware import Bulkhead, MethodBreaker, Retry, in_order
from tests.runtime.faces import Client, Face

pytestmark = pytest.mark.stress

ROUNDS = 100 * max(1, int(float(os.environ.get("STRESS_SECONDS", "1")) / 10))


async def a_round(face: Face, number: int) -> None:
    """Everything that leaves something behind for a while: failures, streams, leases, members."""
    face.fail("a", 1)
    await face.calls(5)
    face.clients["a"].script.clear()  # in case that none of them came there
    items = await face.stream(3)
    await items.next()
    await items.close()
    assert await (await face.stream(2)).rest()
    del items
    await face.stream(2)  # and nobody reads it
    async with face.lease() as (client, _):
        assert client.name
    async with face.session():
        pass
    await face.execute()
    face.pool.add_client(Client("d"), f"d{number}")
    await face.call()
    await face.remove(f"d{number}")
    if number % 10 == 0:
        await face.trip("b")
        await face.calls(3)
        face.clock.sleep(1000.0)
        await face.calls(3)
        face.clients["b"].script.clear()
        gc.collect()  # the streams that nobody read


async def traced(face: Face, rounds: int) -> tuple[int, int]:
    """Return the objects and bytes that there are after some rounds."""
    for number in range(rounds):
        await a_round(face, number)
    face.events.clear()
    gc.collect()
    return len(gc.get_objects()), tracemalloc.get_traced_memory()[0]


@pytest.mark.filterwarnings("ignore:a stream of:ResourceWarning")
async def test_memory_is_flat(
    new_face: Callable[..., Face], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left behind is less than an object in four rounds, and less than a hundred bytes a round.

    The least of several spans counts: what leaks does so in each.
    """
    # On a busy machine asyncio makes another thread of its own in each span, some 26 objects, up to its limit.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    # Pytest keeps what is logged.
    monkeypatch.setattr(logging.getLogger("connpool_runtime"), "disabled", True)
    face = new_face("a", "b", "c")
    middleware = [Retry(base=0.0), MethodBreaker(3, clock=face.clock), Bulkhead(100)]
    for one in in_order(*middleware):
        face.pool.register_middleware(one)
    tracemalloc.start()
    try:
        await traced(face, ROUNDS)
        found = [await traced(face, ROUNDS) for _ in range(4)]
    finally:
        tracemalloc.stop()
    objects, sizes = zip(*found, strict=True)
    assert min(more - before for before, more in pairwise(objects)) < ROUNDS / 4
    assert min(more - before for before, more in pairwise(sizes)) < 100 * ROUNDS
    assert face.stats().in_flight == 0
