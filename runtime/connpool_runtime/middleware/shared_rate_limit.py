"""Bounds how many calls begin per second in several processes together; needs limits (extra `limits`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import Storage as AsyncStorage
from limits.aio.strategies import MovingWindowRateLimiter as AsyncLimiter
from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from connpool_runtime._concurrency.threads import sleep
from connpool_runtime._log import log_failure
from connpool_runtime._validation import seconds
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Proceed
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import RateLimited
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["SharedRateLimit"]

LEAST_WAIT = 0.01  # seconds before asking again: others want the same place


class SharedRateLimit:
    """Lets through so many calls per time span, counted in a storage that processes share.

    A moving window: no span of that length sees more calls, wherever it begins. A call that finds
    no room asks again when there may be some, or is refused by `RateLimited`. Each call costs a
    round trip to the storage. When the storage does not answer, calls are let through and counted
    in `rate_limit_faults`: a limiter that is down must not take the service with it.

    Arguments:
        limit: as `limits` writes it: "100/second", "5000 per 10 minute".
        storage: a URI, "redis://host:6379", "async+redis://host:6379" for an `AsyncPool`,
            "memory://" for one process; or a storage object of `limits`.
        key: what is counted together; the pool's name if not given.
        max_wait: seconds that a call waits for room at most, and never past the caller's deadline;
            0, as for a `RateLimit`.
        clock: wall time in seconds, as the storage has it; for tests.
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: the limit, the URI or the number is not allowed.
    """

    def __init__(
        self,
        limit: str,
        storage: str | Storage | AsyncStorage,
        *,
        key: str | None = None,
        max_wait: float = 0.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        seconds("max_wait", max_wait)
        self._item = _parsed(limit)
        opened = _opened(storage)
        self._limiter: Any
        if isinstance(opened, AsyncStorage):
            self._limiter, self._wrong = AsyncLimiter(opened), "around"
        else:
            self._limiter, self._wrong = MovingWindowRateLimiter(opened), "around_async"
        self._key = key
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._tally = MiddlewareCounters(
            rejections="Calls that reached no member.",
            rate_limit_faults="Calls let through because the shared rate limit did not answer.",
        )

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        self._check("around")
        longest = self._longest()
        waited = 0.0
        while (wait := self._ask(call)) > 0:
            if waited + wait > longest:
                raise self._refusal(call, wait)
            (self._sleep or sleep)(wait)
            waited += wait
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        self._check("around_async")
        longest = self._longest()
        waited = 0.0
        while (wait := await self._ask_async(call)) > 0:
            if waited + wait > longest:
                raise self._refusal(call, wait)
            await (self._sleep or async_sleep)(wait)
            waited += wait
        return await proceed(call)

    def numbers(self) -> list[MiddlewareStats]:
        """Return what this middleware counted, for the stats of its pool."""
        return self._tally.numbers()

    def _ask(self, call: Call) -> float:
        """Return in how many seconds there may be room, 0 if there was."""
        key = self._key or call.pool
        try:
            if self._limiter.hit(self._item, key):
                return 0.0
            return self._until(self._limiter.get_window_stats(self._item, key).reset_time)
        except Exception:
            return self._fault()

    async def _ask_async(self, call: Call) -> float:
        key = self._key or call.pool
        try:
            if await self._limiter.hit(self._item, key):
                return 0.0
            window = await self._limiter.get_window_stats(self._item, key)
            return self._until(window.reset_time)
        except Exception:
            return self._fault()

    def _until(self, reset_time: float) -> float:
        return max(LEAST_WAIT, reset_time - self._clock())

    def _fault(self) -> float:
        self._tally.add("rate_limit_faults")
        log_failure("the storage of a shared rate limit did not answer; the call is let through")
        return 0.0

    def _longest(self) -> float:
        return min(self._max_wait, remaining())

    def _refusal(self, call: Call, wait: float) -> RateLimited:
        self._tally.add("rejections", reason=RateLimited.__name__)
        return RateLimited(
            f"{call.pool}.{call.method.name} is over the shared rate limit for {wait:.3g} s",
            pool=call.pool,
            retry_after=wait,
        )

    def _check(self, way: str) -> None:
        if way == self._wrong:
            raise TypeError(
                "an AsyncPool needs an asynchronous storage of `limits` (async+redis://...), a Pool"
                " a synchronous one"
            )


def _parsed(limit: str) -> RateLimitItem:
    try:
        return parse(limit)
    except ValueError:
        raise ValueError(
            f"limit must be like '100/second' or '5000 per 10 minute', not {limit!r}"
        ) from None


def _opened(storage: str | Storage | AsyncStorage) -> Storage | AsyncStorage:
    if not isinstance(storage, str):
        return storage
    # redis-py in both colours, because that is what the rest of the runtime uses.
    options = {"implementation": "redispy"} if storage.startswith("async+redis") else {}
    try:
        return storage_from_string(storage, **options)
    except ConfigurationError as error:
        scheme = storage.partition("://")[0]  # the rest may hold a password
        raise ValueError(f"storage must be a URI that limits knows, not {scheme}://...") from error
