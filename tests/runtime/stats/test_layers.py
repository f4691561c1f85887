"""The numbers of layers in the stats of their pool."""

import logging
from typing import Any

import pytest

from connpool_runtime import LayerStats
from connpool_runtime.stats.layers import Tally
from tests.runtime.faces import Face


class Counting:
    """A layer of a user's that has numbers."""

    def __init__(self, *numbers: LayerStats) -> None:
        self._numbers = numbers

    def around(self, call: Any, proceed: Any) -> Any:
        return proceed(call)

    around_async = around

    def numbers(self) -> tuple[LayerStats, ...]:
        if not self._numbers:
            raise ValueError("no numbers")
        return self._numbers


def test_a_pool_tells_the_numbers_of_its_layers(face: Face) -> None:
    """In the order of the layers; plain functions have none."""

    async def plain(call: Any, proceed: Any) -> Any:
        return await proceed(call)

    assert face.stats().layers == ()
    one, two = LayerStats(name="one", value=1), LayerStats(name="two", value=2, kind="gauge")
    face.register(plain)
    face.pool.register_middleware(Counting(one))
    face.pool.register_middleware(Counting(two))
    assert face.stats().layers == (one, two)


def test_a_layer_that_fails_to_tell_hurts_nobody(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the other numbers are there."""
    face.pool.register_middleware(Counting())
    face.pool.register_middleware(Counting(number := LayerStats(name="n", value=1)))
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        assert face.stats().layers == (number,)
    assert "did not tell its numbers" in caplog.text


def test_a_tally_starts_at_zero_and_knows_labels() -> None:
    """A counter exists before it first counts, unless its labels are not known yet."""
    tally = Tally(tries="Tries.", refusals="Refusals.")
    assert [(number.name, number.value) for number in tally.numbers()] == [
        ("refusals", 0),
        ("tries", 0),
    ]
    tally.add("tries")
    tally.add("refusals", reason="full")
    assert tally.numbers() == [
        LayerStats(name="refusals", value=1, text="Refusals.", labels=(("reason", "full"),)),
        LayerStats(name="tries", value=1, text="Tries."),
    ]
