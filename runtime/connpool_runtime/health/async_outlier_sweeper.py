"""Compares the members of a pool for tasks periodically, in a task of its own."""

from __future__ import annotations

import math
from typing import Any
from weakref import ref

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.tasks import PeriodicWorker
from connpool_runtime.breaker.outliers import OutlierDetector
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.health.outlier_sweep import sweep
from connpool_runtime.members.member import Member

__all__ = ["AsyncOutlierSweeper"]


class AsyncOutlierSweeper:
    """Looks for outliers in an `AsyncPool` every `outlier_interval`, until it is closed or collected.

    Arguments:
        checkout: of the pool; held weakly.
    """

    def __init__(self, checkout: Checkout[Any]) -> None:
        state = checkout.state
        self._rules = state.settings.outlier_rules()
        self._clock = state.clock
        self._detector: OutlierDetector[Member[Any]] = OutlierDetector(self._rules)
        name = f"outliers of pool {state.name!r}"
        self._worker = worker = PeriodicWorker(name, self._sweep, state.clock)
        self._checkout = ref(checkout, lambda _: worker.stop())
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start comparing anew in a child process; the worker resets itself."""
        self._detector = OutlierDetector(self._rules)

    def start(self) -> bool:
        """Start, unless it runs already; return whether it runs, for which an event loop is needed."""
        self._worker.start()
        return self._worker.running

    def stop(self) -> None:
        """Stop for good."""
        self._worker.stop()

    async def _sweep(self) -> float:
        """Compare the members; return when to do it again."""
        checkout = self._checkout()
        if checkout is None or checkout.state.membership.closed:
            self._worker.stop()
            return math.inf
        sweep(checkout, self._detector)
        return self._clock() + self._rules.interval
