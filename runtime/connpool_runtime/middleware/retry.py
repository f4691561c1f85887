"""Retries a failed call on another member."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime._concurrency.threads import sleep
from connpool_runtime._log import log_failure
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.backoff import full_jitter
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.calls.phases import CountCalls
from connpool_runtime.calls.retry_policy import RetryPolicy
from connpool_runtime.classifiers.verdict import UNKNOWN, MayRetry, is_wait
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import AllMembersOpen, PoolError
from connpool_runtime.middleware import testing_mode
from connpool_runtime.middleware.retry_budget import RetryBudget
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import seconds, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Retry", "pushed_back"]

RetryAfter = Callable[[BaseException], float | None]


def pushed_back(error: BaseException) -> float | None:
    """Return the seconds that an error asks to wait, from its attribute `retry_after`, if it has one."""
    after = getattr(error, "retry_after", None)
    return after if isinstance(after, (int, float)) and after >= 0 else None


class Retry:
    """Retries a failed call, preferably on a member that it has not tried yet.

    Only calls of idempotent methods are retried, and only after errors that another attempt may avoid:
    failures, overload, and once after an unknown error. An answer, a refusal by the pool, a cancellation or a
    caller's mistake is final. The only refusal that is not final is an `AllMembersOpen` that says when the
    first member may be called again. A stream is opened again as long as it has given no item.

    The waits are the "full jitter" back-off of Brooker, "Exponential Backoff And Jitter"; they begin only
    after the time that the error asks for, in its attribute `retry_after` or by its classifier. That time is
    ignored after a failure of one server (HTTP 503 with `Retry-After`) while another member may be called.
    There is no retry if the error asks for a wait longer than `cap` or beyond the caller's deadline, or if
    the budget does not allow one.

    A method's own `RetryPolicy`, and `calling(retry=...)` for the calls of a block, override these rules.

    The last error is raised unchanged. The first error becomes its context, unless the last one already has a
    context.

    Arguments:
        attempts: how often a call is tried in all; 3, because a call that failed on three members will most
            likely fail on a fourth.
        base: seconds that the first wait lasts at most; each later one may last twice as long.
            0.05 is longer than most calls, so that the cause has a chance to pass.
        cap: seconds that any wait lasts at most; 2.0, about as long as a user waits.
        budget: what bounds the retries of all calls together; its own with the defaults of
            `RetryBudget` if not given.
        unsent: whether a call that was certainly not sent, as when the connection was refused, may be
            tried again though its method is not idempotent. False: a client that reconnects by itself in the
            middle of a call reports the last refusal, and hides that it had already sent the call.
        retry_after: returns the seconds that an error asks to wait, or None; if it returns None or fails,
            the error's classifier decides.
        random: floats in [0, 1).
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.RETRY
    phases = (Phase.ADMIT, Phase.FAILED)

    def __init__(
        self,
        attempts: int = 3,
        *,
        base: float = 0.05,
        cap: float = 2.0,
        budget: RetryBudget | None = None,
        unsent: bool = False,
        retry_after: RetryAfter = pushed_back,
        random: Callable[[], float] = draw,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        whole_number("attempts", attempts, least=1)
        seconds("base", base)
        seconds("cap", cap)
        self.budget = RetryBudget() if budget is None else budget
        self._attempts = attempts
        self._base = base
        self._cap = cap
        self._unsent = unsent
        self._retry_after = retry_after
        self._random = random
        self._sleep = sleep
        self._tally = MiddlewareCounters(
            retries="Attempts made again after one failed.",
            retries_over_budget="Retries that the budget did not allow.",
        )

    def admit(self, _pool: str, _method: AnyMethod, _args: tuple[Any, ...]) -> None:
        """Pay the call into the budget."""
        self.budget.deposit()

    def count_calls(self, clock: Callable[[], float]) -> CountCalls | None:
        """Return the count into which a pool may pay calls itself, in place of `admit`."""
        return self.budget.count_calls(clock)

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        failures = _Failures()
        result = self._persist(call, proceed, failures)
        if call.held:
            call.reopen = partial(self._reopen, call, proceed, failures)
        return result

    def _persist(self, call: Call, proceed: Proceed, failures: _Failures) -> Any:
        pause = self._sleep or sleep
        while True:
            try:
                result = proceed(call)
            except Exception as error:
                wait = self._wait(call, failures, error)
                if wait is None:
                    raise  # here: raised outside the handler, it could get another context
            else:
                failures.overcome(goes_on=call.held)
                return result
            if wait:
                # Outside the handler, or this error would become the context of the next one.
                pause(wait)

    def _reopen(
        self, call: Call, proceed: Proceed, failures: _Failures, error: BaseException
    ) -> Any:
        wait = self._wait(call, failures, error)
        if wait is None:
            raise error
        (self._sleep or sleep)(wait)
        return self._persist(call, proceed, failures)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        failures = _Failures()
        result = await self._persist_async(call, proceed, failures)
        if call.held:
            call.reopen = partial(self._reopen_async, call, proceed, failures)
        return result

    async def _persist_async(self, call: Call, proceed: Proceed, failures: _Failures) -> Any:
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        pause = self._sleep or async_sleep
        while True:
            try:
                result = await proceed(call)
            except Exception as error:
                wait = self._wait(call, failures, error)
                if wait is None:
                    raise  # here: raised outside the handler, it could get another context
            else:
                failures.overcome(goes_on=call.held)
                return result
            if wait:
                await pause(wait)  # outside the handler, as in a `Pool`

    async def _reopen_async(
        self, call: Call, proceed: Proceed, failures: _Failures, error: BaseException
    ) -> Any:
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        wait = self._wait(call, failures, error)
        if wait is None:
            raise error
        await (self._sleep or async_sleep)(wait)
        return await self._persist_async(call, proceed, failures)

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        balance = MiddlewareStats(
            name="retry_budget",
            value=self.budget.balance,
            kind="gauge",
            text="Extra attempts that could be made now.",
        )
        return [*self._tally.numbers(), balance]

    def _wait(self, call: Call, failures: _Failures, error: BaseException) -> float | None:
        """Return the seconds before the next attempt; None if the error is final."""
        failures.add(error)
        wait = self._allowed(call, failures, error)
        if wait is None:
            failures.end(error)
        return wait

    def _allowed(self, call: Call, failures: _Failures, error: BaseException) -> float | None:
        """Return the seconds before one more attempt; None if it is not allowed."""
        policy = call.method.retry if call.options is None else call.retry
        attempts, base = self._attempts, self._base
        if policy is not None:
            attempts = attempts if policy.attempts is None else policy.attempts
            base = base if policy.base is None else policy.base
        in_tests, count = testing_mode.is_on(), failures.count
        if in_tests:
            attempts = testing_mode.attempts(attempts)
        if count >= attempts or not self._may_pass(call, failures, error, policy):
            return None
        pause = self._asked_for(call, error)
        wait = pause + full_jitter(count, base, self._cap, self._random())
        if pause > self._cap or wait >= remaining():
            return None
        if in_tests:
            wait = 0.0
        if not self.budget.withdraw():
            self._tally.add("retries_over_budget")
            return None
        self._tally.add("retries")
        return wait

    def _may_pass(
        self, call: Call, failures: _Failures, error: BaseException, policy: RetryPolicy | None
    ) -> bool:
        """Return whether another attempt is safe, and could have another result."""
        idempotent = call.method.idempotent if call.options is None else call.idempotent
        if isinstance(error, AllMembersOpen):
            return idempotent
        verdict = call.judge(error)
        if policy is not None and policy.errors is not None and not isinstance(error, PoolError):
            return idempotent and isinstance(error, policy.errors)
        if verdict.retry is MayRetry.NOT_SENT:
            own = None if policy is None else policy.unsent
            return idempotent or (self._unsent if own is None else own)
        if verdict is UNKNOWN and failures.has_met_elsewhere(error):
            return False  # two members gave the same answer: it is about the call
        return idempotent and verdict.retry is not MayRetry.NO

    def _asked_for(self, call: Call, error: BaseException) -> float:
        try:
            asked = self._retry_after(error)
            if asked is not None and not is_wait(asked):
                raise TypeError(f"returned a {type(asked).__name__} that is no time to wait")
        except Exception:
            log_failure(
                "%r failed on %r",
                *(self._retry_after, type(error)),
                event_name="retry_after_failed",
                pool=call.pool,
                method=call.method.name,
                attempt=call.attempt,
            )
            asked = None
        if asked:
            return asked
        verdict = call.judge(error)
        if verdict.outcome is Outcome.FAILURE and call.may_go_elsewhere:
            return 0.0  # a failed server's `Retry-After` is meant for calls to that server
        return verdict.retry_after or 0.0


class _Failures:
    """The errors that one call has met so far."""

    def __init__(self) -> None:
        self._met: list[BaseException] = []

    @property
    def count(self) -> int:
        """How many attempts have failed."""
        return len(self._met)

    def add(self, error: BaseException) -> None:
        """Add the error of an attempt."""
        self._met.append(error)

    def has_met_elsewhere(self, error: BaseException) -> bool:
        """Return whether an earlier attempt, on another member, met an error of this type."""
        return any(type(one) is type(error) for one in self._met[:-1])

    def overcome(self, *, goes_on: bool) -> None:
        """Drop the frames of the errors, which refer to this object and would keep all of it alive in a cycle.

        Arguments:
            goes_on: whether more errors may come, as those of a stream that was opened.
        """
        self._met = [without_traceback(error) for error in self._met] if goes_on else []

    def end(self, last: BaseException) -> None:
        """Make the first error the context of the last one, if that has none.

        A client may keep an error and raise it in each call, as asyncio's streams do. So an error that
        already has a cause or context is left as it is, or its chain would grow with each call; and so is an
        error that is in the chain of the first one, or the chain would become a circle.
        """
        first = self._met[0]
        if last.__context__ is None and not _leads_to(first, last):
            last.__context__ = first


def _leads_to(start: BaseException, goal: BaseException) -> bool:
    """Return whether one error is another, or has it among its causes, contexts and parts."""
    seen: set[int] = set()
    ahead: list[BaseException] = [start]
    while ahead:
        error = ahead.pop()
        if error is goal:
            return True
        if id(error) in seen:
            continue
        seen.add(id(error))
        ahead += [one for one in (error.__cause__, error.__context__) if one is not None]
        if isinstance(error, BaseExceptionGroup):
            ahead += cast("BaseExceptionGroup[BaseException]", error).exceptions
    return False
