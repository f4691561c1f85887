"""Limits the concurrency of calls, adapting the limit to their latencies."""

from __future__ import annotations

import time
from collections.abc import Callable

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime.calls.call import Call
from connpool_runtime.errors import TooManyCalls
from connpool_runtime.middleware.concurrency import ConcurrencyLimit, ConcurrencyLimiter
from connpool_runtime.middleware.gradient import GradientLimit, Window
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import amount, seconds, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["AdaptiveLimit"]

MAX_WAITING = 1024  # as for a Bulkhead
WINDOW_SECONDS = 1.0  # the defaults of Netflix's WindowedLimit
WINDOW_SAMPLES = 10


class AdaptiveLimit(ConcurrencyLimit):
    """Limits the calls that run at once: fewer while they take longer than usual, more while they do not.

    Calls beyond the limit wait or are refused by `TooManyCalls` before any member is picked. The
    algorithm is Gradient2 of Netflix's concurrency-limits, over windows of a second. It works where this pool
    causes most of the load of the service; where other clients do, latencies say little about this pool's
    share of the load. Safe for threads. For streams and context managers only the opening is bounded and
    timed.

    Arguments:
        initial: calls at once until the first window ended; 20, the default of the original.
        least: calls at once that are always allowed; 20, because one slow minute must not shut the
            service off.
        most: calls at once that are never exceeded; 200.
        smoothing: how fast the limit follows, over 0 and up to 1; 0.2, so that one odd window
            changes little.
        tolerance: how many times longer than usual calls may take before the limit shrinks; 1.5,
            because latencies vary by themselves.
        max_wait: seconds that a call waits for its turn at most; 0, as for a `Bulkhead`.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.ADAPTIVE_LIMIT

    def __init__(
        self,
        initial: int = 20,
        *,
        least: int = 20,
        most: int = 200,
        smoothing: float = 0.2,
        tolerance: float = 1.5,
        max_wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        whole_number("least", least, least=1)
        whole_number("initial", initial, least=least)
        whole_number("most", most, least=initial)
        amount("smoothing", smoothing, least=0.001)
        if smoothing > 1:
            raise ValueError(f"smoothing must be at most 1, not {smoothing!r}")
        amount("tolerance", tolerance, least=1.0)
        seconds("max_wait", max_wait)
        self._gradient = GradientLimit(initial, least, most, smoothing, tolerance)
        self._max_wait = max_wait
        self._clock = clock
        self._lock = new_lock()
        self._tally = MiddlewareCounters(rejections="Calls that reached no member.")
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Reset to no calls inside, as for a child process: calls that go on there leave the limiter they entered."""
        self._window = Window(WINDOW_SECONDS, WINDOW_SAMPLES)
        self._limiter = ConcurrencyLimiter(self.limit, MAX_WAITING, self._max_wait)

    @property
    def limit(self) -> int:
        """The current limit."""
        return self._gradient.limit

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, with its current limit, for the stats of its pool."""
        limit = MiddlewareStats(
            name="concurrency_limit",
            value=self.limit,
            kind="gauge",
            text="Calls that may run at once, as found out from latencies.",
        )
        return [*self._tally.numbers(), limit]

    def _adapt(self, now: float, unnoted: float | None = None) -> None:
        """Adapt the limit to the latencies of a window; errors say nothing about the load."""
        window, limiter = self._window, self._limiter
        assert window is not None
        assert limiter is not None
        with self._lock:
            if unnoted is None:
                ended = window.end(now)
            else:
                ended = window.add(now, unnoted, limiter.slots.inside)
            if ended is None:
                return
            self._gradient.sample(*ended)
            limit = self._gradient.limit
        limiter.resize(limit)

    def _refusal(self, call: Call) -> TooManyCalls:
        """Count a refused call, and return its error."""
        self._tally.add("rejections", reason=TooManyCalls.__name__)
        return TooManyCalls(
            f"{call.pool}.{call.method.name}: {self.limit} calls are running, as many as the"
            " latencies allow",
            pool=call.pool,
        )
