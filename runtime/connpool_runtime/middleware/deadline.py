"""Limits how long a whole call may take, with all its attempts and waits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Invoke, Phase, Proceed
from connpool_runtime.classifiers.verdict import OUT_OF_TIME
from connpool_runtime.deadlines import DeadlineBlock, remaining, require_time
from connpool_runtime.errors import DeadlineExceeded
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import seconds

__all__ = ["Deadline", "until_deadline"]


class Deadline:
    """Refuses calls that begin after the caller's deadline, and sets a time limit for each call.

    Everything inside this middleware sees the limit as its deadline: no retry begins that cannot end in time,
    and no wait outlasts it. In an `AsyncPool` the call is cancelled when the time is over; a blocking call
    cannot be interrupted safely, so in a `Pool` an attempt that has begun is waited for.

    `DeadlineExceeded` is neutral, because a caller's patience says nothing about a member, unless one member
    exceeds its callers' deadlines more often than the other members do. For streams and context managers only
    the opening is bounded.

    Arguments:
        limit: seconds for each call; None, the default, for the deadline of the caller only,
            because no number is right for every service. A shorter deadline of the caller holds.

    Raises:
        ValueError: the limit is not allowed.
    """

    role = Role.DEADLINE
    phases_async = (Phase.ADMIT, Phase.ATTEMPT)

    def __init__(self, limit: float | None = None) -> None:
        if limit is not None:
            seconds("limit", limit)
        self._limit = limit

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What a call of a `Pool` needs: without a limit, nothing but to begin in time."""
        return (Phase.ADMIT,) if self._limit is None else (Phase.ADMIT, Phase.ATTEMPT)

    def admit(self, pool: str, method: AnyMethod, _args: tuple[Any, ...]) -> None:
        """Refuse a call that is too late."""
        if remaining() <= 0.0:
            require_time(pool, f"{method.name} began")

    def attempt(self, _pool: str, _method: AnyMethod, invoke: Invoke) -> Invoke:
        """Return a function that runs a method of a `Pool` within the limit of its call."""
        limit = cast("float", self._limit)  # by `phases`
        return lambda client, args: _within(limit, partial(invoke, client, args))

    def attempt_async(self, pool: str, method: AnyMethod, invoke: Invoke) -> Invoke:
        """Return a function that runs a method of an `AsyncPool`, and cancels it when the time is over."""
        name, limit = method.name, self._limit

        def cancelled_at_deadline(client: Any, args: Any) -> Awaitable[Any]:
            left = remaining()
            if left == math.inf:  # the usual case, without a coroutine more
                return cast("Awaitable[Any]", invoke(client, args))
            return until_deadline(left, pool, name, partial(invoke, client, args))

        if limit is None:
            return cancelled_at_deadline

        async def within_limit(client: Any, args: Any) -> Any:
            with DeadlineBlock(limit):
                return await cancelled_at_deadline(client, args)

        return within_limit

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        if self._limit is None:
            return proceed(call)
        return _within(_left_of(self._limit, call), partial(proceed, call))

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        run, name = partial(proceed, call), call.method.name
        if self._limit is None:
            return await until_deadline(remaining(), call.pool, name, run, call)
        with DeadlineBlock(_left_of(self._limit, call)):
            return await until_deadline(remaining(), call.pool, name, run, call)


def _within(limit: float, run: Callable[[], Any]) -> Any:
    """Run a part of a call of a `Pool` with a deadline so many seconds from now."""
    block = DeadlineBlock(limit)
    try:
        with block:
            return run()
    finally:
        block.leave()  # done already, unless an interrupt struck in between


def _left_of(limit: float, call: Call) -> float:
    """Return the seconds of a limit that a call has left after a first attempt that was made outside."""
    return limit if call.first_error is None else max(0.0, limit - call.spent)


async def until_deadline(
    left: float,
    pool: str,
    method: str,
    run: Callable[[], Awaitable[Any]],
    call: Call | None = None,
) -> Any:
    """Run a part of an `AsyncPool`'s call, and cancel it when the caller's time is over.

    Arguments:
        left: seconds.
        pool: its name, for the error.
        method: its name.
        run: runs it.
        call: whose attempts are inside, and are judged as what ran out of time; None inside an attempt.

    Raises:
        DeadlineExceeded: it was cancelled.
    """
    if left == math.inf:
        return await run()
    import asyncio

    scope = asyncio.timeout(left)
    if call is not None:
        call.judge_by(scope, lambda _error: OUT_OF_TIME if scope.expired() else None)
    try:
        async with scope:
            return await run()
    except TimeoutError as error:
        if not scope.expired():
            raise  # raised by the client itself
        late = DeadlineExceeded(
            f"{pool}.{method} did not end before the deadline of its caller,"
            f" {left:.3g} s after it began",
            pool=pool,
            cause=error,
        )
        late.cut_off = call is None
        raise late from error
    finally:
        if call is not None:
            call.judge_by(scope, None)
