"""What bounds the extra load of retries and hedges."""

from __future__ import annotations

import time
from collections.abc import Callable

from connpool_runtime._sync import Lock
from connpool_runtime.core.budget import Budget
from connpool_runtime.settings import amount

__all__ = ["RetryBudget"]


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        amount("share", share)
        amount("minimum", minimum)
        self._budget = Budget(share, minimum)
        self._clock = clock
        self._lock = Lock()

    def deposit(self) -> None:
        """Note a call."""
        with self._lock:
            self._budget.deposit(self._clock())

    def withdraw(self) -> bool:
        """Take out one extra attempt; tell whether there was one."""
        with self._lock:
            return self._budget.withdraw(self._clock())

    @property
    def balance(self) -> float:
        """How many extra attempts could be made now."""
        with self._lock:
            return self._budget.balance(self._clock())
