"""A retry budget: limits the extra load of retries and hedges."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.calls.phases import CallCount, CountCalls
from connpool_runtime.options.validation import amount

__all__ = ["BudgetWindow", "RetryBudget"]

SLICES = 10
WINDOW = 10.0  # seconds, as in Finagle


class _Slice(CallCount):
    __slots__ = ("number", "spent")

    def __init__(self, number: int) -> None:
        super().__init__((number + 1) * (WINDOW / SLICES))
        self.number = number
        self.spent = 0


class BudgetWindow:
    """Counts calls and extra attempts as Finagle's RetryBudget does: a call deposits `share`, an attempt takes 1.

    What was paid in is worth something for ten seconds only, so a quiet night buys no storm in the
    morning. `minimum` per second comes on top, so that a pool with few calls may retry at all.
    """

    def __init__(self, share: float, minimum: float) -> None:
        self._share = share
        self._reserve = minimum * WINDOW
        self._slices: deque[_Slice] = deque()

    def deposit(self, now: float) -> None:
        """Deposit the share of one call."""
        self.count_at(now).calls += 1

    def withdraw(self, now: float) -> bool:
        """Take an extra attempt, if one is left; return whether it was."""
        current = self.count_at(now)
        if self._left() < 1.0:
            return False
        current.spent += 1
        return True

    def balance(self, now: float) -> float:
        """Return how many extra attempts are left now."""
        self.count_at(now)  # drops what is out of the window
        return max(0.0, self._left())

    def _left(self) -> float:
        left, share = self._reserve, self._share
        for one in self._slices:
            left += share * one.calls - one.spent
        return left

    def count_at(self, now: float) -> _Slice:
        """Return the count of the current slice, after dropping slices that are out of the window."""
        slices = self._slices
        number = int(now / (WINDOW / SLICES))
        if slices and slices[-1].number >= number:
            return slices[-1]
        while slices and slices[0].number <= number - SLICES:
            slices.popleft()
        slices.append(_Slice(number))
        return slices[-1]


class RetryBudget:
    """Allows extra attempts up to a share of the calls, so that retries cannot become a storm.

    When all servers fail, retries without a bound multiply the load on them just then. Give one
    budget to the `Retry` and the `Hedging` of a pool, so that both together stay within it. Safe
    for threads. The algorithm is that of Finagle's RetryBudget.

    Arguments:
        share: extra attempts per call, over the last ten seconds; 0.2 because Envoy, Finagle and
            failsafe-go agree on it: a fifth more load is borne by most servers.
        minimum: extra attempts per second that are allowed whatever the number of calls; 3,
            so that a pool that is hardly used may retry at all.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: a number is not allowed.
    """

    def __init__(
        self,
        share: float = 0.2,
        minimum: float = 3.0,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        amount("share", share)
        amount("minimum", minimum)
        self._budget = BudgetWindow(share, minimum)
        self._clock = clock
        self._lock = new_lock()

    def deposit(self) -> None:
        """Deposit the share of one call."""
        with self._lock:
            self._budget.deposit(self._clock())

    def count_calls(self, clock: Callable[[], float]) -> CountCalls | None:
        """Return the function by which a pool of the same clock counts calls itself.

        Counting a call costs the pool one addition, while `deposit` takes a lock.
        """
        return self._current if clock == self._clock else None

    def _current(self, now: float) -> CallCount:
        with self._lock:
            return self._budget.count_at(now)

    def withdraw(self) -> bool:
        """Take an extra attempt, if one is left; return whether it was."""
        with self._lock:
            return self._budget.withdraw(self._clock())

    @property
    def balance(self) -> float:
        """How many extra attempts are left now."""
        with self._lock:
            return self._budget.balance(self._clock())
