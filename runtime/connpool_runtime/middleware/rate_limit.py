"""Limits how many calls begin per second, in this process."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.threads import sleep
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import RateLimited
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import amount, seconds, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["RateLimit", "TokenBucket"]


class TokenBucket:
    """A token bucket that holds up to `burst` tokens and gains `rate` of them per second.

    Kept as the time at which the bucket will be full again, after the "generic cell rate
    algorithm" of ATM networks: no timer fills it. A call that must wait gets a turn, the time at which
    a token of the future comes; turns are given in the order of asking.

    A turn that is given up goes to the next who asks. The turns behind it are promised already and
    stay where they are: moved forward, they would let through more than the rate.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / rate
        self._depth = burst * self._interval
        self._full_at = 0.0
        # turns given back by calls that did not wait for them; ascending
        self._free_turns: list[float] = []

    def take(self, now: float, longest: float) -> tuple[bool, float]:
        """Take a token unless it would come too late; return whether it was taken, and in how many seconds it comes.

        Arguments:
            now: monotonic seconds.
            longest: how many seconds the token is worth waiting for.
        """
        while self._free_turns and self._free_turns[0] < now:
            self._free_turns.pop(0)  # not taken by any call in time
        free = bool(self._free_turns)
        full_at = max(self._full_at, now) + self._interval
        wait = self._free_turns[0] - now if free else max(0.0, full_at - self._depth - now)
        # A rounding error must not refuse a token that is there.
        if wait > longest + 1e-9:
            return False, wait
        if free:
            self._free_turns.pop(0)
        else:
            self._full_at = full_at
        return True, wait

    def give_back(self, turn: float | None = None) -> None:
        """Give back a turn that was not used, for later calls.

        Arguments:
            turn: when it comes, in monotonic seconds; the latest turn if not given.
        """
        if turn is not None and not self._is_latest(turn):
            insort(self._free_turns, turn)
            return
        self._full_at -= self._interval
        while self._free_turns and self._is_latest(self._free_turns[-1]):
            self._free_turns.pop()
            self._full_at -= self._interval

    def _is_latest(self, turn: float) -> bool:
        """Return whether this is the latest turn; turns are one interval apart, or more."""
        return turn > self._full_at - self._depth - self._interval / 2


class RateLimit:
    """Lets a limited number of calls per second through, each taking a token of a bucket.

    A call that finds no token waits for one, in the order of asking, or is refused by
    `RateLimited` before any member is picked. The turn of a call that gives up waiting goes to the
    next one that asks. Safe for threads. One process only; for a limit that
    several processes share there is `SharedRateLimit`.

    Arguments:
        rate: calls per second, in the long run.
        burst: calls that may begin at once after a quiet time; `rate`, but at least 1, if not
            given: what a second allows may come at its beginning.
        max_wait: seconds that a call waits for its turn at most, and never past the caller's
            deadline; 0 by default, because a queue hides an overload that a refusal shows.
        clock: monotonic seconds; for tests.
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.RATE_LIMIT

    def __init__(
        self,
        rate: float,
        burst: int | None = None,
        *,
        max_wait: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        amount("rate", rate, least=0.001)
        if burst is None:
            burst = max(1, int(rate))
        whole_number("burst", burst, least=1)
        seconds("max_wait", max_wait)
        self._bucket = TokenBucket(rate, burst)
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = new_lock()
        self._tally = MiddlewareCounters(rejections="Calls that reached no member.")

    @property
    def phases(self) -> tuple[Phase, ...] | None:
        """Only `admit`, if calls do not wait for a token."""
        return None if self._max_wait else (Phase.ADMIT,)

    def admit(self, pool: str, method: AnyMethod, _args: tuple[Any, ...]) -> None:
        """Take a token for a call that does not wait."""
        self._take(pool, method)

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        if self.phases is not None:
            return proceed(call)
        wait, turn = self._take(call.pool, call.method)
        if wait > 0:
            try:
                (self._sleep or sleep)(wait)
            except BaseException:
                self._give_back(turn)
                raise
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        if self.phases is not None:
            return await proceed(call)
        wait, turn = self._take(call.pool, call.method)
        if wait > 0:
            try:
                await (self._sleep or async_sleep)(wait)
            except BaseException:
                self._give_back(turn)
                raise
        return await proceed(call)

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()

    def _take(self, pool: str, method: AnyMethod) -> tuple[float, float]:
        """Take a token for a call; return in how many seconds it comes, and when."""
        longest = min(self._max_wait, remaining()) if self._max_wait else 0.0
        clock = self._clock
        with self._lock:
            now = clock()
            taken, wait = self._bucket.take(now, longest)
        if not taken:
            self._tally.add("rejections", reason=RateLimited.__name__)
            raise RateLimited(
                f"{pool}.{method.name} is over the rate limit for {wait:.3g} s",
                pool=pool,
                retry_after=wait,
            )
        return wait, now + wait

    def _give_back(self, turn: float) -> None:
        with self._lock:
            self._bucket.give_back(turn)
