"""The settings of a retry budget."""

import math
from typing import Any

import pytest

from connpool_runtime.middleware import RetryBudget
from tests.runtime.faces import FakeClock


def test_it_goes_by_its_clock() -> None:
    """The defaults allow 30 extra attempts at once, and 30 more ten seconds later."""
    clock = FakeClock()
    budget = RetryBudget(clock=clock)
    assert sum(budget.withdraw() for _ in range(99)) == 30
    clock.sleep(10)
    assert budget.balance == 30.0
    for _ in range(10):
        budget.deposit()
    assert budget.balance == 32.0


@pytest.mark.parametrize("name", ["share", "minimum"])
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, True, "1", None])
def test_its_numbers_are_validated(name: str, value: Any) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be a finite number of at least 0"):
        RetryBudget(**{name: value})
