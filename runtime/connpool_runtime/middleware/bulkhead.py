"""Limits the concurrency of calls."""

from __future__ import annotations

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime.calls.call import Call
from connpool_runtime.errors import TooManyCalls
from connpool_runtime.middleware.concurrency import ConcurrencyLimit, ConcurrencyLimiter
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import seconds, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Bulkhead"]


class Bulkhead(ConcurrencyLimit):
    """Lets a limited number of calls run at once, so that one slow service cannot occupy all threads or tasks.

    The others wait in line for a while, or are refused by `TooManyCalls` before any member is
    picked. Streams, context managers and results that live on their connection stay inside until
    they end. Safe for threads.

    Arguments:
        limit: calls at once.
        max_wait: seconds that a call waits for its turn at most, and never past the caller's
            deadline; 0 by default, because a queue hides an overload that a refusal shows.
        max_waiting: calls that wait at once; 1024, as Envoy has it: a line without an end only
            makes all its callers too late.
        per_method: whether each method has a limit of its own, so that a slow report keeps no
            quick lookup waiting; by default the calls of all methods share one.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.BULKHEAD
    _holds_open = True

    def __init__(
        self,
        limit: int,
        *,
        max_wait: float = 0.0,
        max_waiting: int = 1024,
        per_method: bool = False,
    ) -> None:
        whole_number("limit", limit, least=1)
        seconds("max_wait", max_wait)
        whole_number("max_waiting", max_waiting, least=0)
        self._settings = (limit, max_waiting, max_wait)
        self._per_method = per_method
        self._window = None
        self._lock = new_lock()
        self._tally = MiddlewareCounters(rejections="Calls that reached no member.")
        # by method, where the limit is not shared
        self._limiters: dict[str, ConcurrencyLimiter] = {}
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Reset to no calls inside, as for a child process: calls that go on there leave the limiter they entered."""
        self._limiter = None if self._per_method else ConcurrencyLimiter(*self._settings)
        self._limiters = {}

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        with self._lock:
            limiters = (self._limiter,) if self._limiter else tuple(self._limiters.copy().values())
        slots = [limiter.slots for limiter in limiters]
        return [
            *self._tally.numbers(),
            MiddlewareStats(
                name="bulkhead_running",
                value=sum(one.inside for one in slots),
                kind="gauge",
                text="Calls inside a bulkhead.",
            ),
            MiddlewareStats(
                name="bulkhead_waiting",
                value=sum(one.waiting for one in slots),
                kind="gauge",
                text="Calls that wait for a bulkhead.",
            ),
        ]

    def _limiter_of(self, call: Call) -> ConcurrencyLimiter:
        """Return the limiter for the calls of a method."""
        method = call.method.name
        found = self._limiters.get(method)
        if found is None:
            with self._lock:
                found = self._limiters.setdefault(method, ConcurrencyLimiter(*self._settings))
        return found

    def _refusal(self, call: Call) -> TooManyCalls:
        """Count a refused call, and return its error."""
        self._tally.add("rejections", reason=TooManyCalls.__name__)
        limit, _, max_wait = self._settings
        return TooManyCalls(
            f"{call.pool}.{call.method.name}: {limit} calls are running, and none of them"
            f" ended within {max_wait:g} s",
            pool=call.pool,
        )
