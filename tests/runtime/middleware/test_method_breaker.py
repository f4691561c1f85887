"""MethodBreaker: a method that fails on a member is cut off there, and no other method."""

import gc
import threading
from typing import Any

import pytest

from connpool_runtime import AllMembersOpen, Method, Pool
from connpool_runtime.middleware import MethodBreaker, Retry
from tests.runtime.faces import PATIENCE, Client, Face


@pytest.fixture
def report(face: Face) -> Any:
    """A method that fails on member a while that is in trouble, and nowhere else."""
    broken = face.clients["a"]
    broken.in_trouble = True
    get = face.method()

    def run(client: Any, args: tuple[Any, ...]) -> Any:
        if client is broken and broken.in_trouble:
            raise ConnectionError("no report on a")
        return get.invoke(client, args)

    return Method("report", run, idempotent=True)


@pytest.fixture
def middleware(face: Face) -> MethodBreaker:
    return MethodBreaker(2, 10.0, random=lambda: 0.0, clock=face.clock)


@pytest.fixture
def guarded(face: Face, middleware: MethodBreaker) -> Face:
    face.pool.register_middleware(middleware)
    return face


async def served(face: Face, method: Any, count: int) -> list[str]:
    return [str(await face.outcome(face.call(method))) for _ in range(count)]


async def test_a_method_is_cut_off_where_it_fails(guarded: Face, report: Any) -> None:
    """Its calls go elsewhere from then on; other methods are served there as before."""
    assert (await served(guarded, report, 6)).count("no report on a") == 2
    assert set(await served(guarded, report, 6)) == {"b", "c"}
    assert sorted(await served(guarded, guarded.method(), 6)) == [*"aabbcc"]
    assert guarded.member("a").breaker.state.value == "closed"


async def test_it_is_probed_by_one_call_after_the_cooldown(guarded: Face, report: Any) -> None:
    """A probe that fails keeps it away, for longer; one that succeeds brings it back."""
    await served(guarded, report, 6)
    guarded.clock.sleep(10)
    assert (await served(guarded, report, 6)).count("no report on a") == 1
    guarded.clients["a"].in_trouble = False
    guarded.clock.sleep(10)
    assert set(await served(guarded, report, 6)) == {"b", "c"}
    guarded.clock.sleep(10)
    assert sorted(await served(guarded, report, 6)) == [*"aabbcc"]


async def test_cut_off_from_all_it_is_refused(guarded: Face, report: Any) -> None:
    """With the last cause and a time; the others are not, and no member is asked."""
    for name in "bc":
        guarded.pool.eject(name)
    await served(guarded, report, 2)
    before = guarded.clients["a"].calls
    with pytest.raises(
        AllMembersOpen, match=r"all members of pool 'test' are ejected for report for 10 s"
    ) as caught:
        await guarded.call(report)
    assert (str(caught.value.cause), caught.value.retry_after) == ("no report on a", 10.0)
    assert guarded.clients["a"].calls == before
    assert await guarded.call() == "a"
    counts = {
        (one.name, dict(one.labels).get("method")): one.value for one in guarded.stats().middleware
    }
    assert counts["method_ejections", "report"] == 1
    assert counts["method_rejections", "report"] == 1


async def test_rather_tried_already_than_cut_off(
    face: Face, middleware: MethodBreaker, report: Any
) -> None:
    """A retry goes to a member that it was on before if the method is cut off from all others."""
    face.pool.register_middleware(Retry(base=0.0))
    face.pool.register_middleware(middleware)
    await served(face, report, 6)
    face.pool.eject("c")
    face.fail("b", 1)
    assert await face.call(report) == "b"


async def test_a_success_between_failures_forgives_them(guarded: Face, report: Any) -> None:
    """Only failures in a row count, as for members."""
    for trouble in (True, False) * 4:
        guarded.clients["a"].in_trouble = trouble
        await served(guarded, report, 3)
    assert "a" in await served(guarded, report, 3)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_fails": -1}, "max_fails"),
        ({"cooldown": -1.0}, "cooldown"),
        ({"cooldown": "1"}, "cooldown"),
    ],
)
def test_numbers_are_checked(options: dict[str, Any], name: str) -> None:
    """By name, as those of a pool are."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        MethodBreaker(**options)


async def test_a_stream_counts_at_its_end(face: Face) -> None:
    """One that breaks after it gave items is a failure of its method there."""
    face.pool.register_middleware(MethodBreaker(1, 10.0, clock=face.clock))
    for name in "bc":
        face.pool.eject(name)
    face.clients["a"].script.extend([1, ConnectionError("broken")])
    items = await face.stream(2)
    assert await items.next() == 1
    with pytest.raises(ConnectionError):
        await items.next()
    with pytest.raises(AllMembersOpen, match="ejected for items"):
        await face.stream(1)
    assert face.in_flight() == 0
    assert await face.call() == "a"


async def test_a_probe_that_is_cancelled_leaves_room_for_the_next(
    guarded: Face, report: Any
) -> None:
    """What says nothing about the member neither closes the pair nor keeps it busy."""
    await served(guarded, report, 6)
    guarded.clock.sleep(10)
    refused = Method("report", report.invoke, ignored=(ConnectionError,))
    assert (await served(guarded, refused, 6)).count("no report on a") >= 1
    guarded.clients["a"].in_trouble = False
    assert "a" in await served(guarded, report, 6)


async def test_a_member_that_left_is_forgotten(guarded: Face, report: Any) -> None:
    """One that joins later under the same name begins anew."""
    await served(guarded, report, 6)
    broken = guarded.clients["a"]
    guarded.pool.add_client(Client("a"), "d")
    await guarded.remove("a")
    broken.in_trouble = False
    guarded.pool.add_client(broken, "a")
    assert "a" in await served(guarded, report, 9)


def test_a_finalizer_waits_for_no_lock() -> None:
    """A stream may be collected on a thread that holds any lock of the middleware."""
    pool, middleware = Pool[Client]("test"), MethodBreaker()
    pool.add_client(Client("a"))
    pool.register_middleware(middleware)
    streams = [pool.stream(Method("items", lambda client, args: client.items(2)))]
    next(streams[0])

    def drop() -> None:
        with middleware._lock, middleware._tally._lock:
            streams.clear()
            gc.collect()

    dropping = threading.Thread(target=drop, daemon=True)
    dropping.start()
    dropping.join(PATIENCE)
    assert not dropping.is_alive()
    assert pool.stats().in_flight == 0
