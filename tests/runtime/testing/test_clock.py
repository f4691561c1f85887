"""The fake clock."""

import pytest

from connpool_runtime.testing import FakeClock


async def test_it_moves_only_when_told() -> None:
    """By either kind of sleep."""
    clock = FakeClock(5.0)
    assert clock() == clock() == 5.0
    clock.sleep(1.0)
    await clock.async_sleep(0.5)
    assert clock() == clock.now == 6.5
    assert repr(clock) == "<FakeClock 6.5>"


def test_it_never_goes_back() -> None:
    """A monotonic clock does not."""
    with pytest.raises(ValueError, match="seconds must be 0 or more, not -1"):
        FakeClock().sleep(-1)
