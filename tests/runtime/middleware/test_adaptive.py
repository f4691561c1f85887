"""AdaptiveLimit: the limit follows the latencies."""

from typing import Any

import pytest

from connpool_runtime import Outcome, TooManyCalls
from connpool_runtime.middleware import AdaptiveLimit
from tests.runtime.faces import Face, counted, until


async def calls_at_once(face: Face, count: int, seconds: float) -> None:
    """Run so many calls at once, each of which takes so many seconds of the fake clock."""
    for client in face.clients.values():
        client.hold()
    calls = [face.start() for _ in range(count)]
    await until(lambda: face.in_flight() == count)
    face.clock.sleep(seconds)
    for client in face.clients.values():
        client.release()
    for call in calls:
        await call


async def test_beyond_the_limit_calls_are_refused(face: Face) -> None:
    """Before any member is picked."""
    face.pool.register_middleware(middleware := AdaptiveLimit(1, least=1, clock=face.clock))
    face.clients["a"].hold()
    call = face.start()
    await until(lambda: face.in_flight() == 1)
    with pytest.raises(TooManyCalls, match="1 calls are running"):
        await face.call()
    face.clients["a"].release()
    await call
    assert middleware.limit == 1
    assert counted(face.stats())[Outcome.NEUTRAL] == 1


async def test_the_limit_falls_when_calls_take_longer(face: Face) -> None:
    """Usual latencies let it grow; ten times as long ones make it shrink."""
    middleware = AdaptiveLimit(4, least=2, most=50, clock=face.clock)
    face.pool.register_middleware(middleware)
    for _ in range(30):
        await calls_at_once(face, middleware.limit, 1.0)
    grown = middleware.limit
    assert grown > 10
    for _ in range(10):
        await calls_at_once(face, middleware.limit, 20.0)
    assert middleware.limit < grown
    names = {number.name: number.value for number in face.stats().middleware}
    assert names["concurrency_limit"] == middleware.limit


async def test_failures_teach_nothing(face: Face) -> None:
    """A quick refusal of a server is no sign of room."""
    middleware = AdaptiveLimit(20, clock=face.clock)
    face.pool.register_middleware(middleware)
    for client in face.clients.values():
        client.always = ConnectionError("down")
    for _ in range(50):
        face.clock.sleep(1.0)
        await face.calls(1)
    assert middleware.limit == 20


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"initial": 5}, "initial"),
        ({"least": 0}, "least"),
        ({"most": 19}, "most"),
        ({"smoothing": 0}, "smoothing"),
        ({"smoothing": 1.1}, "smoothing"),
        ({"tolerance": 0.9}, "tolerance"),
        ({"max_wait": -1}, "max_wait"),
    ],
)
def test_its_numbers_are_validated(options: dict[str, Any], name: str) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        AdaptiveLimit(**options)
