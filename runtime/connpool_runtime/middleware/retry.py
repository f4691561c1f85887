"""Tries again on another member."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime._concurrency.threads import sleep
from connpool_runtime._log import log_failure
from connpool_runtime._validation import seconds, whole_number
from connpool_runtime.backoff import full_jitter
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Proceed
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import AllMembersOpen
from connpool_runtime.middleware.retry_budget import RetryBudget
from connpool_runtime.results.async_stream import AsyncStream
from connpool_runtime.results.stream import Stream
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Retry", "pushed_back"]

RetryAfter = Callable[[BaseException], float | None]


def pushed_back(error: BaseException) -> float | None:
    """Return the seconds that an error asks to wait, by an attribute `retry_after`, if it does."""
    after = getattr(error, "retry_after", None)
    return after if isinstance(after, (int, float)) and after >= 0 else None


class Retry:
    """Runs a failed call again, on a member that it has not tried yet if there is one.

    Only for idempotent methods, and only after failures: a refusal of the pool, a cancellation or
    a caller's mistake is final. The one refusal that is not is `AllMembersOpen` that says when it
    will be over. A stream is opened again as long as it has given no item.

    The waits are the "full jitter" back-off of Brooker, "Exponential Backoff And Jitter"; they
    begin only after the time that an error asked for, in an attribute `retry_after`. A retry that
    would wait longer than `cap` for that, or to the caller's deadline, is not made, nor is one that
    the budget does not allow.

    The last error is raised; the first is in its chain of contexts.

    Arguments:
        attempts: how often a call is tried in all; 3, because what two other members could not do
            a fourth one cannot either.
        base: seconds that the first wait lasts at most; each later one may last twice as long.
            0.05 is longer than most calls, so that the cause has a chance to pass.
        cap: seconds that any wait lasts at most; 2.0, about as long as a user waits.
        budget: what bounds the retries of all calls together; its own with the defaults of
            `RetryBudget` if not given.
        retry_after: returns the seconds that an error asks to wait, or None.
        random: floats in [0, 1).
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: a number is not allowed.
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        base: float = 0.05,
        cap: float = 2.0,
        budget: RetryBudget | None = None,
        retry_after: RetryAfter = pushed_back,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        whole_number("attempts", attempts, least=1)
        seconds("base", base)
        seconds("cap", cap)
        self.budget = RetryBudget() if budget is None else budget
        self._attempts = attempts
        self._base = base
        self._cap = cap
        self._retry_after = retry_after
        self._random = random
        self._sleep = sleep
        self._tally = MiddlewareCounters(
            retries="Attempts made again after one failed.",
            retries_over_budget="Retries that the budget did not allow.",
        )

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        self.budget.deposit()
        met: list[BaseException] = []
        result = self._persist(call, proceed, met)
        opened: object = result
        if isinstance(opened, Stream):
            opened.reopen = partial(self._reopen, call, proceed, met)
        return result

    def _persist(self, call: Call, proceed: Proceed, met: list[BaseException]) -> Any:
        pause = self._sleep or sleep
        retrying = bool(met)
        while True:
            if retrying:
                pause(self._wait(call, met))
            try:
                result = proceed(call)
            except Exception as error:
                met.append(error)
                retrying = True
            else:
                _forget_frames(met)
                return result

    def _reopen(
        self, call: Call, proceed: Proceed, met: list[BaseException], error: BaseException
    ) -> Any:
        met.append(error)
        return self._persist(call, proceed, met)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        self.budget.deposit()
        met: list[BaseException] = []
        result = await self._persist_async(call, proceed, met)
        opened: object = result
        if isinstance(opened, AsyncStream):
            opened.reopen = partial(self._reopen_async, call, proceed, met)
        return result

    async def _persist_async(self, call: Call, proceed: Proceed, met: list[BaseException]) -> Any:
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        pause = self._sleep or async_sleep
        retrying = bool(met)
        while True:
            if retrying:
                await pause(self._wait(call, met))
            try:
                result = await proceed(call)
            except Exception as error:
                met.append(error)
                retrying = True
            else:
                _forget_frames(met)
                return result

    async def _reopen_async(
        self, call: Call, proceed: Proceed, met: list[BaseException], error: BaseException
    ) -> Any:
        met.append(error)
        return await self._persist_async(call, proceed, met)

    def numbers(self) -> list[MiddlewareStats]:
        """Return what this middleware counted, for the stats of its pool."""
        balance = MiddlewareStats(
            name="retry_budget",
            value=self.budget.balance,
            kind="gauge",
            text="Extra attempts that could be made now.",
        )
        return [*self._tally.numbers(), balance]

    def _wait(self, call: Call, met: list[BaseException]) -> float:
        """Return the seconds before the next attempt, or raise the last error if there is none."""
        error, tries = met[-1], len(met)
        if not call.method.idempotent or tries >= self._attempts or not _may_pass(call, error):
            raise _with_first(error, met[0])
        pause = self._asked_for(error)
        wait = pause + full_jitter(tries, self._base, self._cap, self._random())
        if pause > self._cap or wait >= remaining():
            raise _with_first(error, met[0])
        if not self.budget.withdraw():
            self._tally.add("retries_over_budget")
            raise _with_first(error, met[0])
        self._tally.add("retries")
        return wait

    def _asked_for(self, error: BaseException) -> float:
        try:
            return self._retry_after(error) or 0.0
        except Exception:
            log_failure("%r failed on %r", self._retry_after, type(error))
            return 0.0


def _may_pass(call: Call, error: BaseException) -> bool:
    """Tell whether another attempt may end otherwise."""
    return isinstance(error, AllMembersOpen) or call.judge(error) is Outcome.FAILURE


def _with_first(error: BaseException, first: BaseException) -> BaseException:
    """Hang the first error at the end of the last one's contexts, unless it is in there."""
    link = error
    while link is not first and link.__context__ is not None:
        link = link.__context__
    if link is not first:
        link.__context__ = first
    return error


def _forget_frames(met: list[BaseException]) -> None:
    """Let go of what the tracebacks of errors hold that nobody will see.

    A breaker keeps the last error; its frames would keep a stream alive that the caller dropped.
    """
    for error in met:
        error.__traceback__ = None
