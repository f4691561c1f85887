"""Bounds how long one attempt may take."""

from __future__ import annotations

from typing import Any

from connpool_runtime._validation import seconds
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Proceed
from connpool_runtime.deadlines import require_time
from connpool_runtime.errors import AttemptTimeout
from connpool_runtime.middleware.deadline import until_deadline
from connpool_runtime.middleware.role import Role

__all__ = ["Timeout"]


class Timeout:
    """Cancels an attempt that takes too long, and raises `AttemptTimeout` in its place.

    That is a failure of the member, while a cancellation by the caller says nothing about it; the
    two are told apart by who cancelled. Register it inside a `Retry`, so that each attempt has a
    time of its own. For streams and context managers it is the opening that is bounded.

    An attempt that has less time until the caller's deadline (see `deadline`) is cancelled there,
    by `DeadlineExceeded`, which is neutral: the member had no chance to use up its time.

    Only for an `AsyncPool`: a blocking call cannot be interrupted safely from outside.

    Arguments:
        limit: seconds for methods that state no timeout of their own; None for no limit.

    Raises:
        ValueError: the limit is not allowed.
    """

    role = Role.TIMEOUT

    def __init__(self, limit: float | None = None) -> None:
        if limit is not None:
            seconds("limit", limit)
        self._limit = limit

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        limit = self._limit if call.method.timeout is None else call.method.timeout
        left = require_time(call.pool, f"an attempt of {call.method.name} began")
        if limit is not None and limit <= left:
            return await self._attempt(limit, call, proceed)
        return await until_deadline(left, call, proceed)

    async def _attempt(self, limit: float, call: Call, proceed: Proceed) -> Any:
        import asyncio

        scope = asyncio.timeout(limit)
        # Who cancelled an attempt decides: the caller says nothing about the member, this limit does.
        call.judge_by(self, lambda _error: Outcome.FAILURE if scope.expired() else None)
        try:
            async with scope:
                return await proceed(call)
        except TimeoutError as error:
            if not scope.expired():
                raise  # the client's own
            raise AttemptTimeout(
                f"{call.pool}.{call.method.name} took longer than {limit:g} s",
                pool=call.pool,
                cause=error,
            ) from error
        finally:
            call.judge_by(self, None)
