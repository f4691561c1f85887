"""The waits between tries."""

import pytest

from connpool_runtime.backoff import full_jitter, growing, jittered


def test_the_bound_doubles_up_to_the_cap() -> None:
    """Each try doubles it; the draw says how much of it is waited."""
    assert [full_jitter(tries, 0.1, 1.0, 0.5) for tries in (1, 2, 3, 4, 5, 9999)] == pytest.approx(
        [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
    )
    assert full_jitter(3, 0.1, 1.0, 0.0) == 0.0


def test_waits_between_attempts_to_connect_grow() -> None:
    """Each is 1.6 times the one before up to the cap, and never so large that it overflows."""
    waits = [growing(tries, 1.0, 10.0, 0.5) for tries in (1, 2, 3, 6, 99_999)]
    assert waits == pytest.approx([1.0, 1.6, 2.56, 10.0, 10.0])


def test_an_interval_is_jittered_by_a_fifth() -> None:
    """The draw decides between four fifths and six fifths of the interval, which is the mean."""
    assert [jittered(10.0, draw) for draw in (0.0, 0.5, 1.0)] == pytest.approx([8.0, 10.0, 12.0])
    assert growing(1, 10.0, 99.0, 0.0) == pytest.approx(8.0)
