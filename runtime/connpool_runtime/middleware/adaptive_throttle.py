"""Refuses a share of the calls while the servers refuse many of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime.breaker.sliding_window import TimeBasedWindow
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.errors import Throttled
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import Rule, amount, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["AdaptiveThrottle"]

_SHARE = Rule.share()
_WINDOW = Rule.seconds_above_zero()


class AdaptiveThrottle:
    """Refuses calls with `Throttled`, with a probability that follows the share the servers refuse.

    An overloaded server still spends work on each call that it refuses. So the client refuses a part of the
    calls itself, as "Site Reliability Engineering" (Beyer and others, chapter 21, "Client-Side Throttling")
    describes it: of the attempts of the last two minutes, `requests` in all and `accepts` that the servers
    took, the next one is refused with a probability of

        max(0, (requests - ratio * accepts) / (requests + 1))

    Attempts refused here count as requests too. An attempt counts as refused by the server if its error
    reports an overload (HTTP 429, RESOURCE_EXHAUSTED and what is known of each library). Cancellations and
    refusals by the pool are not counted. It stands inside a `Retry`, so that each attempt is one request, and
    a refusal is not tried again. Safe for threads.

    Arguments:
        ratio: how many requests are let through for each that is accepted, at least 1; 2.0, as in the book:
            the servers get twice the requests that they accept, so the client soon sees when they are healthy
            again.
        max_share: the highest probability, so that some calls find out when the servers are healthy again; 0.8, as in
            Envoy's admission control: by the book's formula alone that may take many minutes.
        window: seconds over which requests are counted; 120.0, as in the book.
        minimum_calls: requests within the window below which nothing is refused; 20, because otherwise the
            very first refusal by a server would have every other call refused.
        failures: whether calls that failed count as refused too; False: that is what breakers are for.
        per_method: whether each method is looked at by itself; by default all of them together.
        clock: monotonic seconds; for tests.
        random: floats in [0, 1); for tests.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.ADAPTIVE_THROTTLE

    def __init__(
        self,
        ratio: float = 2.0,
        *,
        max_share: float = 0.8,
        window: float = 120.0,
        minimum_calls: int = 20,
        failures: bool = False,
        per_method: bool = False,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = draw,
    ) -> None:
        amount("ratio", ratio, least=1.0)
        if not _SHARE.accepts(max_share):
            raise _SHARE.refusal("max_share", max_share)
        if not _WINDOW.accepts(window):
            raise _WINDOW.refusal("window", window)
        whole_number("minimum_calls", minimum_calls, least=0)
        self._ratio = ratio
        self._max_share = max_share
        self._seconds = window
        self._minimum_calls = minimum_calls
        self._refused = {"overload", "failure"} if failures else {"overload"}
        self._per_method = per_method
        self._clock = clock
        self._random = random
        self._lock = new_lock()
        self._windows: dict[str, TimeBasedWindow] = {}
        self._tally = MiddlewareCounters(rejections="Calls that reached no member.")

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of an attempt of a `Pool`."""
        window = self._enter(call)
        try:
            result = proceed(call)
        except BaseException as error:
            self._learn(window, call.judge(error).counted_as)
            raise
        self._learn(window, "success")
        return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of an attempt of an `AsyncPool`."""
        window = self._enter(call)
        try:
            result = await proceed(call)
        except BaseException as error:
            self._learn(window, call.judge(error).counted_as)
            raise
        self._learn(window, "success")
        return result

    def refusal_share(self, method: str = "") -> float:
        """Return the probability with which the next attempt is refused.

        Arguments:
            method: its name, if each method is looked at by itself.
        """
        window = self._windows.get(method if self._per_method else "")
        return 0.0 if window is None else self._share(window)

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        share = max(map(self._share, tuple(self._windows.values())), default=0.0)
        return [
            *self._tally.numbers(),
            MiddlewareStats(
                name="throttle_share",
                value=share,
                kind="gauge",
                text="The probability with which an attempt is refused; of the worst method.",
            ),
        ]

    def _enter(self, call: Call) -> TimeBasedWindow:
        """Return the slice in which the attempt is counted, or refuse it."""
        name = call.method.name if self._per_method else ""
        with self._lock:
            window = self._windows.get(name)
            if window is None:
                window = self._windows[name] = TimeBasedWindow(self._seconds)
        share = self._share(window)
        if share <= 0.0 or self._random() >= share:
            return window
        with self._lock:
            window.record(self._clock(), True, False)
        self._tally.add("rejections", reason=Throttled.__name__)
        raise Throttled(
            f"{share:.0%} of the calls of {call.pool}.{call.method.name} are refused for the time being,"
            " since the servers refuse too many",
            pool=call.pool,
        )

    def _share(self, window: TimeBasedWindow) -> float:
        requests, refused = window.calls, window.failures
        if requests < self._minimum_calls:
            return 0.0
        share = (requests - self._ratio * (requests - refused)) / (requests + 1)
        return min(self._max_share, max(0.0, share))

    def _learn(self, window: TimeBasedWindow, counted_as: str) -> None:
        if counted_as != "neutral":
            with self._lock:
                window.record(self._clock(), counted_as in self._refused, False)
