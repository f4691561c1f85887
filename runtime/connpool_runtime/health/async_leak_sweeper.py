"""Looks for leaked clients of a pool for tasks, in a task of its own."""

from __future__ import annotations

import math
from typing import Any
from weakref import ref

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.tasks import PeriodicWorker
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.loan import Loan
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.health.leak_sweep import sweep

__all__ = ["AsyncLeakSweeper"]


class AsyncLeakSweeper:
    """Reports clients of an `AsyncPool` that are held for `leak_threshold`, until the pool is closed or collected.

    Arguments:
        checkout: of the pool; held weakly.
    """

    def __init__(self, checkout: Checkout[Any]) -> None:
        self._suspected: dict[Lease[Any], Loan] = {}
        name = f"leaks of pool {checkout.state.name!r}"
        self._worker = worker = PeriodicWorker(name, self._sweep, checkout.state.clock)
        self._checkout = ref(checkout, lambda _: worker.stop())
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget all suspects in a child process, to which no lease of the parent belongs."""
        self._suspected = {}

    def start(self) -> bool:
        """Start, unless it runs already; return whether it runs, for which an event loop is needed."""
        self._worker.start()
        return self._worker.running

    def stop(self) -> None:
        """Stop for good."""
        self._worker.stop()

    async def _sweep(self) -> float:
        """Report what has been held for too long; return when to look again."""
        checkout = self._checkout()
        if checkout is None or checkout.state.membership.closed:
            self._worker.stop()
            return math.inf
        return sweep(checkout, self._suspected)
