"""Windows over the latest calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime.breaker.sliding_window import CountBasedWindow, TimeBasedWindow, Window

Call = tuple[float, bool, bool]
calls = st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.booleans()), max_size=60)


def sums(window: Window) -> tuple[int, int, int]:
    return window.calls, window.failures, window.slow


def expected(kept: list[Call]) -> tuple[int, int, int]:
    return len(kept), sum(failed for _, failed, _ in kept), sum(slow for *_, slow in kept)


@given(calls, st.integers(1, 20))
def test_a_window_of_calls_holds_the_last_so_many(recorded: list[Call], size: int) -> None:
    """Whenever they were."""
    window = CountBasedWindow(size)
    for call in recorded:
        window.record(*call)
    assert sums(window) == expected(recorded[-size:])


@given(calls)
def test_a_window_of_time_holds_the_last_seconds(recorded: list[Call]) -> None:
    """Give or take a tenth: what is older is forgotten, what is newer by a tenth is held."""
    recorded.sort()
    window = TimeBasedWindow(10.0)
    for index, call in enumerate(recorded, 1):
        window.record(*call)
        held = [one for one in recorded[:index] if int(one[0]) > int(call[0]) - 10]
        assert sums(window) == expected(held)


def test_a_clock_that_goes_backwards_forgets_nothing() -> None:
    """A call from the past is counted among the latest."""
    window = TimeBasedWindow(10.0)
    window.record(100.0, True, False)
    window.record(50.0, True, False)
    window.record(109.0, False, False)
    assert sums(window) == (3, 2, 0)


def test_a_window_of_time_is_empty_after_a_long_rest() -> None:
    """Only the new call is left."""
    window = TimeBasedWindow(10.0)
    for now in range(10):
        window.record(float(now), True, True)
    window.record(1000.0, False, False)
    assert sums(window) == (1, 0, 0)
    assert window.is_clean


@pytest.mark.parametrize(
    "window", [TimeBasedWindow(1.0), CountBasedWindow(5)], ids=["time", "calls"]
)
@pytest.mark.parametrize(("failed", "slow"), [(True, False), (False, True)])
def test_a_window_is_clean_without_bad_calls(window: Window, failed: bool, slow: bool) -> None:
    """Failures and slow calls are what it is there for."""
    assert window.is_clean or window.calls
    window.record(1000.0, failed, slow)
    assert not window.is_clean


def test_a_window_stays_small() -> None:
    """Memory does not grow with the calls."""
    window = TimeBasedWindow(10.0)
    for number in range(5000):
        window.record(number / 100, True, False)
    assert len(window._slices) <= 10
