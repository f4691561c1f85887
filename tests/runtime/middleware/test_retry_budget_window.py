"""The budget of extra attempts."""

from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime.middleware.retry_budget import WINDOW, BudgetWindow


def test_a_share_of_the_calls_may_be_repeated() -> None:
    """Five calls pay for one."""
    budget = BudgetWindow(0.2, 0.0)
    assert not budget.withdraw(0.0)
    for _ in range(5):
        budget.deposit(0.0)
    assert budget.withdraw(0.0)
    assert not budget.withdraw(0.0)


def test_a_few_per_second_are_always_allowed() -> None:
    """The minimum of the whole window may be spent at once, and comes back with it."""
    budget = BudgetWindow(0.2, 0.3)
    assert [budget.withdraw(1.0) for _ in range(4)] == [True, True, True, False]
    assert not budget.withdraw(1.0 + WINDOW - 2)
    assert budget.withdraw(1.0 + WINDOW)


def test_what_was_paid_in_expires() -> None:
    """A quiet night buys no storm in the morning."""
    budget = BudgetWindow(0.5, 0.0)
    for _ in range(100):
        budget.deposit(0.0)
    assert budget.balance(WINDOW - 1) == 50.0
    assert budget.balance(WINDOW) == 0.0


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200))
def test_no_window_holds_more_retries_than_it_pays_for(steps: list[tuple[float, bool]]) -> None:
    """Whatever comes when: the retries of the last slices stay within share and minimum."""
    budget, now = BudgetWindow(0.2, 0.1), 0.0
    calls: list[int] = []
    spent: list[int] = []
    for pause, is_call in steps:
        now += pause
        if is_call:
            budget.deposit(now)
            calls.append(int(now))
        elif budget.withdraw(now):
            spent.append(int(now))
            recent_calls = sum(at > int(now) - WINDOW for at in calls)
            recent = sum(at > int(now) - WINDOW for at in spent)
            assert recent <= 0.1 * WINDOW + 0.2 * recent_calls + 1e-9
        assert budget.balance(now) >= 0.0
