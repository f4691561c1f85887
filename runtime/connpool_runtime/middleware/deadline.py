"""Limits how long a whole call may take, with all its attempts and waits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Phase, Proceed
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
    phases = (Phase.ADMIT,)

    def __init__(self, limit: float | None = None) -> None:
        if limit is not None:
            seconds("limit", limit)
        self._limit = limit

    def admit(self, pool: str, method: AnyMethod, _args: tuple[Any, ...]) -> bool:
        """Refuse a call that is too late; return whether it gets a time limit of its own."""
        if remaining() <= 0.0:
            require_time(pool, f"{method.name} began")
        return self._limit is not None

    def admit_async(self, pool: str, method: AnyMethod, _args: tuple[Any, ...]) -> bool:
        """Do the same for an `AsyncPool`, which cancels calls that have a deadline."""
        left = remaining()
        if left <= 0.0:
            require_time(pool, f"{method.name} began")
        return left != math.inf or self._limit is not None

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        if self._limit is None:
            return proceed(call)
        block = DeadlineBlock(self._limit)
        try:
            with block:
                return proceed(call)
        finally:
            block.leave()  # done already, unless an interrupt struck in between

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        run, name = partial(proceed, call), call.method.name
        if self._limit is None:
            return await until_deadline(remaining(), call.pool, name, run, call)
        with DeadlineBlock(self._limit):
            return await until_deadline(remaining(), call.pool, name, run, call)


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
        call: whose attempts are inside, and are judged as what ran out of time.

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
        raise DeadlineExceeded(
            f"{pool}.{method} did not end before the deadline of its caller,"
            f" {left:.3g} s after it began",
            pool=pool,
            cause=error,
        ) from error
    finally:
        if call is not None:
            call.judge_by(scope, None)
