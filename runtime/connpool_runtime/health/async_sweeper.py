"""Examines a pool for tasks periodically, in a task of its own: for outliers, or for leaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import ref

from connpool_runtime._concurrency.tasks import PeriodicWorker
from connpool_runtime.checkout.checkout import AnyCheckout

__all__ = ["AsyncSweeper"]


class AsyncSweeper:
    """Runs a sweep over an `AsyncPool` whenever it is due, until the pool is closed or collected.

    Arguments:
        checkout: of the pool; held weakly.
        name: what is looked for, in the name of the task.
        sweep: examines the pool, and returns when to do that again, in seconds of the pool's clock.
    """

    def __init__(
        self, checkout: AnyCheckout, name: str, sweep: Callable[[AnyCheckout], float]
    ) -> None:
        self._sweep = sweep
        name = f"{name} of pool {checkout.state.name!r}"
        self._worker = worker = PeriodicWorker(name, self._run, checkout.state.clock)
        self._checkout = ref(checkout, lambda _: worker.stop())

    def start(self) -> bool:
        """Start, unless it runs already; return False if it cannot run yet."""
        return self._worker.try_start()

    def stop(self) -> None:
        """Stop for good."""
        self._worker.stop()

    async def _run(self) -> float:
        checkout = self._checkout()
        if checkout is None or checkout.state.membership.closed:
            self._worker.stop()
            return math.inf
        return self._sweep(checkout)
