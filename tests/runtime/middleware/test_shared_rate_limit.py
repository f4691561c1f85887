"""SharedRateLimit: one limit over several pools, as several processes have them, in a real Redis."""

import logging
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage as AsyncMemoryStorage
from limits.storage import MemoryStorage, RedisStorage, storage_from_string

from connpool_runtime import AsyncPool, Pool, RateLimited, deadline
from connpool_runtime.middleware.shared_rate_limit import SharedRateLimit
from local_servers import RedisServer
from tests.runtime.faces import Client, Face, TaskFace, ThreadFace
from tests.runtime.middleware.naps import Naps


def memory(face: Face) -> Any:
    return MemoryStorage() if face.kind == "threads" else AsyncMemoryStorage()


def scheme(face: Face) -> str:
    return "redis" if face.kind == "threads" else "async+redis"


@pytest.mark.servers
@pytest.mark.parametrize("kind", [ThreadFace, TaskFace], ids=lambda face: face.kind)
async def test_pools_share_a_limit(kind: type[Face], redis_server: RedisServer) -> None:
    """What one of them used up, the other one has not."""
    faces = [kind("a"), kind("a")]
    uri = f"{scheme(faces[0])}://127.0.0.1:{redis_server.port}"
    options = {} if kind is ThreadFace else {"implementation": "redispy"}
    storages = [storage_from_string(uri, **options) for _ in faces]
    for face, storage in zip(faces, storages, strict=True):
        face.pool.register_middleware(SharedRateLimit("3/minute", storage))
    assert await faces[0].calls(2) == ["a", "a"]
    assert await faces[1].call() == "a"
    for face in faces:
        with pytest.raises(RateLimited, match="over the shared rate limit") as caught:
            await face.call()
        assert 0 < caught.value.retry_after <= 60
        assert [one.value for one in face.stats().middleware if one.labels] == [1]
    for storage in storages:
        if isinstance(storage, RedisStorage):
            storage.storage.close()
        else:
            await storage.bridge.storage.aclose()  # type: ignore[union-attr]  # of this URI


async def test_pools_of_other_names_have_limits_of_their_own(face: Face) -> None:
    """Unless they are given one key."""
    storage = memory(face)
    await storage.reset() if face.kind == "tasks" else storage.reset()
    face.pool.register_middleware(SharedRateLimit("1/minute", storage, key="one"))
    face.pool.register_middleware(SharedRateLimit("1/minute", storage, key="two"))
    assert await face.call() == "a"
    with pytest.raises(RateLimited):
        await face.call()


async def test_a_call_may_wait_for_room(face: Face) -> None:
    """It asks again when the window has moved on, as long as its time allows."""
    naps = Naps(face, moves_clock=False)
    storage = memory(face)

    def sleep(seconds: float) -> Any:
        napped = naps(seconds)
        storage.storage.clear()
        storage.events.clear()
        return napped

    face.pool.register_middleware(SharedRateLimit("1/minute", storage, max_wait=90, sleep=sleep))
    await face.call()
    await face.call()
    assert len(naps.taken) == 1
    assert 50 < naps.taken[0] <= 60
    with deadline(1.0), pytest.raises(RateLimited):
        await face.call()


async def test_a_storage_that_is_down_lets_calls_through(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """A limiter must not take the service with it; it is logged and counted."""
    face.pool.register_middleware(
        SharedRateLimit("1/minute", f"{scheme(face)}://127.0.0.1:1")  # nobody listens there
    )
    with caplog.at_level(logging.CRITICAL):
        assert await face.calls(2) == ["a", "b"]
    counts = {one.name: one.value for one in face.stats().middleware}
    assert counts == {"rate_limit_faults": 2, "rejections": 0}


def test_the_colour_of_the_storage_must_fit() -> None:
    """A blocking storage would stop the event loop."""
    pool = Pool[Client]("test")
    pool.register_middleware(SharedRateLimit("1/minute", AsyncMemoryStorage()))
    with pytest.raises(TypeError, match="synchronous"):
        pool.execute(lambda client: client.get())


async def test_the_colour_of_the_storage_must_fit_tasks_too() -> None:
    """A blocking storage would stop the event loop."""
    pool = AsyncPool[Client]("test")
    pool.register_middleware(SharedRateLimit("1/minute", MemoryStorage()))
    with pytest.raises(TypeError, match="asynchronous"):
        await pool.execute(lambda client: client.aget())


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("fast", "memory://"), "limit must be like"),
        (("1/second", "nowhere://secret"), "storage must be a URI .* not nowhere://..."),
    ],
)
def test_its_settings_are_validated(arguments: tuple[str, str], name: str) -> None:
    """Bad values are refused by name, without the secrets that a URI may hold."""
    with pytest.raises(ValueError, match=name) as caught:
        SharedRateLimit(*arguments)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="max_wait must be"):
        SharedRateLimit("1/second", "memory://", max_wait=-1)
