"""RateLimit: so many calls per second, and the others are refused or wait."""

import asyncio
import math
from typing import Any

import pytest

from connpool_runtime import MiddlewareStats, Outcome, RateLimited, deadline
from connpool_runtime.middleware import RateLimit
from tests.runtime.faces import Face, counted
from tests.runtime.middleware.naps import Naps


async def test_beyond_the_rate_calls_are_refused(face: Face) -> None:
    """Before any member is picked; the error says when to come back; the member is not blamed."""
    face.pool.register_middleware(RateLimit(2.0, clock=face.clock))
    results = await face.calls(4)
    assert results[:2] == ["a", "b"]
    assert isinstance(results[2], RateLimited)
    assert results[2].retry_after == pytest.approx(0.5)
    assert str(results[2]) == "test.get is over the rate limit for 0.5 s"
    assert counted(face.stats())[Outcome.NEUTRAL] == 2
    assert face.stats().middleware == (
        MiddlewareStats(
            name="rejections",
            value=2,
            text="Calls that reached no member.",
            labels=(("reason", "RateLimited"),),
        ),
    )
    face.clock.sleep(0.5)
    assert await face.call() == "c"


async def test_calls_wait_for_their_turn(face: Face) -> None:
    """Each gets the next token, as long as it comes soon enough."""
    naps = Naps(face, moves_clock=False)
    face.pool.register_middleware(RateLimit(10.0, 1, max_wait=0.25, clock=face.clock, sleep=naps))
    results = await face.calls(4)
    assert results[:3] == ["a", "b", "c"]
    assert isinstance(results[3], RateLimited)
    assert naps.taken == pytest.approx([0.1, 0.2])


async def test_nobody_waits_past_the_deadline(face: Face) -> None:
    """A turn that comes too late for the caller is a refusal now."""
    naps = Naps(face)
    face.pool.register_middleware(RateLimit(1.0, max_wait=60.0, clock=face.clock, sleep=naps))
    await face.call()
    with deadline(0.5, clock=face.clock), pytest.raises(RateLimited):
        await face.call()
    assert naps.taken == []


async def test_who_gives_up_waiting_takes_no_token_away(face: Face) -> None:
    """A cancelled or interrupted call leaves its turn to the next."""

    def cancelled(_seconds: float) -> Any:
        raise asyncio.CancelledError

    face.pool.register_middleware(RateLimit(1.0, max_wait=1.0, clock=face.clock, sleep=cancelled))
    await face.call()
    for _ in range(3):
        with pytest.raises(asyncio.CancelledError):
            await face.call()
    face.clock.sleep(1.0)
    assert await face.call() == "b"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": math.inf}, "rate"),
        ({"rate": 1, "burst": 0}, "burst"),
        ({"rate": 1, "burst": 1.5}, "burst"),
        ({"rate": 1, "max_wait": -1}, "max_wait"),
    ],
)
def test_its_numbers_are_validated(options: dict[str, Any], name: str) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        RateLimit(**options)
