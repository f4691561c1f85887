"""SharedRateLimit: one limit over several pools, as several processes have them, in a real Redis."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage as AsyncMemoryStorage
from limits.storage import MemoryStorage, RedisStorage, storage_from_string

from connpool_runtime import AsyncPool, DeadlineExceeded, Pool, RateLimited, deadline, remaining
from connpool_runtime.middleware.shared_rate_limit import SharedRateLimit
from local_servers import FaultProxy, RedisServer
from tests.runtime.faces import Client, Face, FakeClock, TaskFace, ThreadFace
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


class Faulty(MemoryStorage):
    """A storage that counts how often it was asked, and fails while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.fails = True

    def acquire_entry(self, *arguments: Any, **options: Any) -> bool:
        self.asked += 1
        if self.fails:
            raise ConnectionError("down")
        return super().acquire_entry(*arguments, **options)


def test_a_storage_with_a_fault_is_left_alone_for_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls do not queue up in front of it; past the pause one call asks for all, until one is answered."""
    clock = FakeClock()
    monkeypatch.setattr(f"{SharedRateLimit.__module__}.time", SimpleNamespace(monotonic=clock))
    face, storage = ThreadFace("a"), Faulty()
    face.pool.register_middleware(SharedRateLimit("1/minute", storage))
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        for _ in range(3):
            face.pool.call(face.method())
    assert (storage.asked, len(caplog.records)) == (1, 1)
    clock.sleep(5.0)
    with caplog.at_level(logging.CRITICAL):
        for _ in range(3):
            face.pool.call(face.method())
    assert storage.asked == 2
    clock.sleep(5.0)
    storage.fails = False
    face.pool.call(face.method())
    with pytest.raises(RateLimited):
        face.pool.call(face.method())
    assert storage.asked == 4
    assert {one.name: one.value for one in face.stats().middleware if not one.labels} == {
        "rate_limit_faults": 6
    }


class Slow(AsyncMemoryStorage):
    """A storage that takes its time, and counts how often it was asked."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.asked = 0

    async def acquire_entry(self, *arguments: Any, **options: Any) -> bool:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return await super().acquire_entry(*arguments, **options)


async def test_a_storage_gets_half_of_the_time_that_is_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call still has the other half; a caller in a hurry is no reason to leave the storage alone."""
    # Three times as long as it is, so that a busy machine has time.
    monkeypatch.setattr("connpool_runtime.middleware.shared_rate_limit.PATIENCE", 0.15)
    face, storage = TaskFace("a"), Slow(60.0)
    face.pool.register_middleware(SharedRateLimit("9/minute", storage, timeout=1.44))
    with caplog.at_level(logging.CRITICAL):
        for _ in range(2):
            with deadline(0.27):
                assert await face.call() == "a"
                assert remaining() > 0
        assert storage.asked == 2
        with deadline(2.4):
            assert await face.call() == "a"
            assert await face.call() == "a"
            assert remaining() > 0
    assert storage.asked == 3


async def test_nothing_is_asked_when_the_time_is_over(face: Face) -> None:
    """The call would come too late whatever the answer."""
    face.pool.register_middleware(SharedRateLimit("9/minute", memory(face)))
    with deadline(0), pytest.raises(DeadlineExceeded, match="before get began"):
        await face.call()


@pytest.mark.servers
@pytest.mark.parametrize("kind", [ThreadFace, TaskFace], ids=lambda face: face.kind)
async def test_a_storage_that_swallows_everything_costs_a_moment(
    kind: type[Face], fault_proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind a black hole one call waits for `timeout`, not for the limits of the storage's library."""
    face = kind("a")
    uri = f"{scheme(face)}://{fault_proxy.address}"
    face.pool.register_middleware(SharedRateLimit("1000/second", uri, timeout=0.05))
    assert await face.call() == "a"
    fault_proxy.black_hole()
    with caplog.at_level(logging.CRITICAL), deadline(1.0):
        assert await face.calls(3) == ["a"] * 3
        assert remaining() > 0.3


def test_the_kind_of_the_storage_must_fit() -> None:
    """A blocking storage would stop the event loop."""
    pool = Pool[Client]("test")
    pool.register_middleware(SharedRateLimit("1/minute", AsyncMemoryStorage()))
    with pytest.raises(TypeError, match="synchronous"):
        pool.execute(lambda client: client.get())


async def test_the_kind_of_the_storage_must_fit_tasks_too() -> None:
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
    with pytest.raises(ValueError, match="timeout must be"):
        SharedRateLimit("1/second", "memory://", timeout=0)
