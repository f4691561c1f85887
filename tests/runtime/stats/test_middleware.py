"""The numbers of middleware in the stats of their pool."""

import logging
from typing import Any

import pytest

from connpool_runtime import MiddlewareStats
from connpool_runtime.stats.middleware import MiddlewareCounters
from tests.runtime.faces import Face


class Counting:
    """A middleware of a user's that has numbers."""

    def __init__(self, *numbers: MiddlewareStats) -> None:
        self._numbers = numbers

    def around(self, call: Any, proceed: Any) -> Any:
        return proceed(call)

    around_async = around

    def numbers(self) -> tuple[MiddlewareStats, ...]:
        if not self._numbers:
            raise ValueError("no numbers")
        return self._numbers


def test_a_pool_tells_the_numbers_of_its_middleware(face: Face) -> None:
    """In the order of the middleware; plain functions have none."""

    async def plain(call: Any, proceed: Any) -> Any:
        return await proceed(call)

    assert face.stats().middleware == ()
    one, two = MiddlewareStats(name="one", value=1), MiddlewareStats(
        name="two", value=2, kind="gauge"
    )
    face.register(plain)
    face.pool.register_middleware(Counting(one))
    face.pool.register_middleware(Counting(two))
    assert face.stats().middleware == (one, two)


def test_a_layer_that_fails_to_tell_hurts_nobody(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the other numbers are there."""
    face.pool.register_middleware(Counting())
    face.pool.register_middleware(Counting(number := MiddlewareStats(name="n", value=1)))
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        assert face.stats().middleware == (number,)
    assert "failed to return its numbers" in caplog.text


def test_a_tally_starts_at_zero_and_knows_labels() -> None:
    """A counter exists before it first counts, unless its labels are not known yet."""
    tally = MiddlewareCounters(tries="Tries.", refusals="Refusals.")
    assert [(number.name, number.value) for number in tally.numbers()] == [
        ("refusals", 0),
        ("tries", 0),
    ]
    tally.add("tries")
    tally.add("refusals", reason="full")
    assert tally.numbers() == [
        MiddlewareStats(name="refusals", value=1, text="Refusals.", labels=(("reason", "full"),)),
        MiddlewareStats(name="tries", value=1, text="Tries."),
    ]
