"""How long callers hold clients: `uses` of the stats."""

from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import MethodStats, Pool
from tests.runtime.faces import SEEN, Client, Face, makers_of

NewFace = Callable[..., Face]


new_face = makers_of(SEEN)


def taking(face: Face, seconds: float) -> Client:
    """A client each call of which takes so long."""
    client = Client("x")
    client.next = lambda: face.clock.sleep(seconds)  # type: ignore[method-assign]
    return client


def method_of(face: Face) -> MethodStats:
    (method,) = (one for one in face.stats().methods if one.name == "get")
    return method


@pytest.fixture(params=["client", "endpoint"])
def exclusive(request: pytest.FixtureRequest, new_face: NewFace) -> Face:
    """A pool of one member that one caller may use at a time, for 2 s each."""
    face = new_face(max_concurrency=1)
    if request.param == "client":
        face.pool.add_client(taking(face, 2.0), "a")
    else:
        face.pool.add_endpoint(lambda: taking(face, 2.0), "a", max_size=1)
    return face


async def test_calls_are_uses(exclusive: Face) -> None:
    """Each call on a member with a limit is one use, as long as the call, whichever path it took."""
    await exclusive.calls(5)
    stats = exclusive.stats()
    assert (stats.uses.count, stats.uses.total) == (5, 10.0)
    method = method_of(exclusive)
    assert (method.successes, method.latency.count, method.latency.total) == (5, 5, 10.0)
    assert method.latency.buckets == stats.uses.buckets


async def test_a_lease_is_a_use_and_no_call(exclusive: Face) -> None:
    """What counts is from the lending to the giving back, and no latency of a method."""
    async with exclusive.lease():
        exclusive.clock.sleep(7.0)
    stats = exclusive.stats()
    assert (stats.uses.count, stats.uses.total) == (1, 7.0)
    assert not any(one.latency.total for one in stats.methods if one.name == "get")


async def test_a_use_that_fails_is_one(exclusive: Face) -> None:
    """A client was held as well where its call ended in an error."""

    def fails() -> None:
        exclusive.clock.sleep(3.0)
        raise ConnectionError("gone")

    await exclusive.call()
    client = exclusive.member("a").source.clients[0]
    client.next = fails  # type: ignore[method-assign]
    (error,) = await exclusive.calls(1)
    assert isinstance(error, ConnectionError)
    assert (exclusive.stats().uses.count, exclusive.stats().uses.total) == (2, 5.0)


async def test_opening_is_no_use(new_face: NewFace) -> None:
    """What it took to open a client is its create time, and what a caller waited its wait time."""
    face = new_face()
    face.pool.add_endpoint(lambda: face.clock.sleep(30.0) or taking(face, 2.0), "a")
    await face.call()
    stats = face.stats()
    assert (stats.openings.total, stats.uses.total) == (30.0, 2.0)
    assert method_of(face).latency.total == 32.0


async def test_middleware_see_no_other_uses(new_face: NewFace) -> None:
    """Inside middleware that look at every call an attempt is a use; their own time is not."""
    face = new_face(max_concurrency=1)
    face.pool.add_client(taking(face, 2.0), "a")

    async def slow(call: Any, proceed: Any) -> Any:
        face.clock.sleep(5.0)
        return await proceed(call)

    face.register(slow)
    await face.calls(3)
    assert (face.stats().uses.count, face.stats().uses.total) == (3, 6.0)
    assert method_of(face).latency.total == 21.0


async def test_shared_clients_are_not_held(face: Face) -> None:
    """Where any number of calls shares a client there is nothing to hold, on no path."""
    await face.calls(3)
    async with face.lease():
        pass
    assert face.stats().uses.count == 0
    assert method_of(face).latency.count == 3


async def test_other_buckets_begin_anew(exclusive: Face) -> None:
    """After a change of `buckets` old and new durations are not mixed."""
    await exclusive.calls(2)
    exclusive.pool.reconfigure(buckets=(1.0, 2.0))
    await exclusive.calls(3)
    assert exclusive.stats().uses.buckets == ((1.0, 0), (2.0, 3), (float("inf"), 3))
    assert method_of(exclusive).latency.count == 3


def test_without_metrics_uses_are_counted_for_all_methods_together() -> None:
    """`metrics=False` leaves one row of methods, and the uses are whole."""
    pool = Pool[Client]("test", metrics=False, max_concurrency=1)
    pool.add_client(Client("a"))
    for _ in range(3):
        pool.execute(lambda client: client.get())
    assert pool.stats().uses.count == 3
    pool.close()
