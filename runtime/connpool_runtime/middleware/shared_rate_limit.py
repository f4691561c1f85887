"""Limits how many calls begin per second in several processes together; needs extra `limits`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from connpool_runtime._concurrency.threads import sleep
from connpool_runtime._extras import extra
from connpool_runtime._log import log_failure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.deadlines import remaining, require_time
from connpool_runtime.errors import RateLimited
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import amount, seconds
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

with extra("limits"):
    from limits import RateLimitItem, parse
    from limits.aio.storage import Storage as AsyncStorage
    from limits.aio.strategies import MovingWindowRateLimiter as AsyncLimiter
    from limits.errors import ConfigurationError
    from limits.storage import Storage, storage_from_string
    from limits.strategies import MovingWindowRateLimiter

__all__ = ["SharedRateLimit"]

LEAST_WAIT = 0.01  # seconds before asking again: other calls want the same turn
PATIENCE = (
    0.05  # seconds; a shorter wait says more about a caller in a hurry than about the storage
)
PAUSE = 5.0  # seconds without asking the storage after a fault; the cooldown of a breaker


class SharedRateLimit:
    """Lets a limited number of calls per time span through, counted in a storage that processes share.

    A moving window: no span of that length sees more calls, wherever it begins. A call over the
    limit asks again when its turn may have come, or is refused by `RateLimited`. Each call costs a
    round trip to the storage.

    A limiter that is down must not take the service with it. When the storage fails or does not
    answer in time, the call is let through and counted in `rate_limit_faults`, and so are all calls
    of the next five seconds, without asking; then one call asks whether the storage is back.

    Arguments:
        limit: as `limits` writes it: "100/second", "5000 per 10 minute".
        storage: a URI, "redis://host:6379", "async+redis://host:6379" for an `AsyncPool`,
            "memory://" for one process; or a storage object of `limits`.
        key: what is counted together; the pool's name if not given.
        max_wait: seconds that a call waits for its turn at most, and never past the caller's
            deadline; 0, as for a `RateLimit`.
        timeout: seconds that the storage may take to answer, and in an `AsyncPool` not more than
            half of those until the caller's deadline; 0.25, because a limiter that takes longer costs more than it saves.
            In a `Pool` it holds for storages given as a Redis or Valkey URI; a storage object has
            the time-outs that its maker gave it.
        clock: wall time in seconds, as the storage has it; for tests.
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: the limit, the URI or the number is not allowed.
    """

    role = Role.SHARED_RATE_LIMIT

    def __init__(
        self,
        limit: str,
        storage: str | Storage | AsyncStorage,
        *,
        key: str | None = None,
        max_wait: float = 0.0,
        timeout: float = 0.25,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        seconds("max_wait", max_wait)
        amount("timeout", timeout, least=0.001)
        self._item = _parsed(limit)
        opened = _opened(storage, timeout)
        self._limiter: Any
        if isinstance(opened, AsyncStorage):
            self._limiter, self._wrong = AsyncLimiter(opened), "around"
        else:
            self._limiter, self._wrong = MovingWindowRateLimiter(opened), "around_async"
        self._key = key
        self._max_wait = max_wait
        self._timeout = timeout
        self._silent_until = -math.inf  # monotonic seconds; after that, one call asks again
        self._in_doubt = False
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
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()

    def _ask(self, call: Call) -> float:
        """Return in how many seconds a call's turn may come; 0 if it has come."""
        if self._is_silent():
            return 0.0
        key = self._key or call.pool
        require_time(call.pool, f"{call.method.name} began")
        try:
            wait = 0.0
            if not self._limiter.hit(self._item, key):
                wait = self._until(self._limiter.get_window_stats(self._item, key).reset_time)
        except Exception:
            return self._fault(call)
        self._in_doubt = False
        return wait

    async def _ask_async(self, call: Call) -> float:
        import asyncio

        if self._is_silent():
            return 0.0
        key = self._key or call.pool
        left = require_time(call.pool, f"{call.method.name} began")
        limit = min(self._timeout, left / 2)  # the other half is for the call itself
        scope = asyncio.timeout(limit)
        try:
            wait = 0.0
            async with scope:
                if not await self._limiter.hit(self._item, key):
                    window = await self._limiter.get_window_stats(self._item, key)
                    wait = self._until(window.reset_time)
        except Exception:
            hurried = scope.expired() and limit < PATIENCE
            return self._fault(call, in_doubt=not hurried)
        self._in_doubt = False
        return wait

    def _until(self, reset_time: float) -> float:
        return max(LEAST_WAIT, reset_time - self._clock())

    def _is_silent(self) -> bool:
        """Return whether a call passes without asking, because the storage had a fault."""
        if not self._in_doubt:
            return False
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + PAUSE  # only this call asks
            return False
        self._tally.add("rate_limit_faults")
        return True

    def _fault(self, call: Call, *, in_doubt: bool = True) -> float:
        """Let a call through after a fault of the storage, unless that used up the call's time."""
        if in_doubt:
            self._in_doubt = True
            self._silent_until = time.monotonic() + PAUSE
        self._tally.add("rate_limit_faults")
        log_failure(
            "the storage of a shared rate limit did not answer; calls are let through",
            event_name="rate_limit_storage_failed",
            pool=call.pool,
            method=call.method.name,
        )
        require_time(call.pool, f"{call.method.name} began")
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


def _opened(storage: str | Storage | AsyncStorage, timeout: float) -> Storage | AsyncStorage:
    if not isinstance(storage, str):
        return storage
    scheme = storage.partition("://")[0]
    options: dict[str, Any] = {}
    if scheme.removeprefix("async+").startswith(("redis", "valkey")):
        options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    if scheme.startswith("async+redis"):
        # redis-py for sync and async, as in the rest of the runtime.
        options["implementation"] = "redispy"
    try:
        return storage_from_string(storage, **options)
    except ConfigurationError as error:
        # Without the rest, which may hold a password.
        raise ValueError(f"storage must be a URI that limits knows, not {scheme}://...") from error
