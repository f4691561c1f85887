"""Bounds how long one attempt may take."""

from __future__ import annotations

from typing import Any

from connpool_runtime.core.call import Call
from connpool_runtime.core.chain import Proceed
from connpool_runtime.errors import AttemptTimeout
from connpool_runtime.settings import seconds

__all__ = ["Timeout"]


class Timeout:
    """Cancels an attempt that takes too long, and raises `AttemptTimeout` in its place.

    That is a failure of the member, while a cancellation by the caller says nothing about it; the
    two are told apart by who cancelled. Register it inside a `Retry`, so that each attempt has a
    time of its own. For streams and context managers it is the opening that is bounded.

    Only for an `AsyncPool`: a blocking call cannot be interrupted safely from outside.

    Arguments:
        limit: seconds for methods that state no timeout of their own; None for no limit.

    Raises:
        ValueError: the limit is not allowed.
    """

    def __init__(self, limit: float | None = None) -> None:
        if limit is not None:
            seconds("limit", limit)
        self._limit = limit

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        import asyncio

        limit = self._limit if call.method.timeout is None else call.method.timeout
        if limit is None:
            return await proceed(call)
        outer = call.timed_out
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                call.timed_out = scope.expired
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
            call.timed_out = outer
