"""Limits how long one attempt may take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from connpool_runtime._log import warn
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Invoke, Phase, Proceed
from connpool_runtime.classifiers.verdict import STALLED, Verdict
from connpool_runtime.deadlines import DeadlineBlock, remaining, require_time
from connpool_runtime.errors import AttemptTimeout, DeadlineExceeded
from connpool_runtime.middleware.deadline import until_deadline
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import seconds

if TYPE_CHECKING:
    import asyncio

__all__ = ["Timeout"]

# How late a timeout is, in seconds and as a share of its limit, from which on it is the process that was slow.
STALL = 0.05
STALL_SHARE = 0.25


class Timeout:
    """Cancels an attempt that takes too long, and raises `AttemptTimeout` in its place.

    That is a failure of the member, while a cancellation by the caller says nothing about it; the
    two are told apart by who cancelled. Register it inside a `Retry`, so that each attempt has a
    time of its own. For streams and context managers only the opening is bounded.

    An attempt that has less time until the caller's deadline (see `deadline`) is cancelled there,
    by `DeadlineExceeded`, which is neutral unless the other members exceed deadlines less often: the member
    had no chance to use up its time.

    A blocking call cannot be interrupted from outside. So in a `Pool` the timeout is passed to the client, by
    the parameter that the method states (`deadline_parameter`); a method without one has no limit, which is
    logged once.

    Arguments:
        limit: seconds for methods that state no timeout of their own; None for no limit.

    Raises:
        ValueError: the limit is not allowed.
    """

    role = Role.TIMEOUT
    phases = (Phase.ATTEMPT,)

    def __init__(self, limit: float | None = None) -> None:
        if limit is not None:
            seconds("limit", limit)
        self._limit = limit
        self._unlimited = set[str]()  # methods about which a warning was given

    def attempt(self, pool: str, method: AnyMethod, invoke: Invoke) -> Invoke:
        """Return a function that runs a method of a `Pool` with the timeout passed to the client."""

        def within(client: Any, args: Any) -> Any:
            return self._bounded(pool, method, method.timeout, partial(invoke, client, args))

        return within

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        if call.first_error is not None:
            return proceed(call)  # raised inside, whenever it comes
        limit = self._limit if call.timeout is None else call.timeout
        if limit is not None and limit <= remaining():
            call.judge_by(self, _as_its_own)
        try:
            return self._bounded(call.pool, call.method, call.timeout, partial(proceed, call))
        finally:
            call.judge_by(self, None)

    def _bounded(
        self, pool: str, method: AnyMethod, own: float | None, run: Callable[[], Any]
    ) -> Any:
        limit, left = self._limit if own is None else own, _left(pool, method)
        if limit is None or limit > left:
            return run()  # the caller's deadline, which the client is passed in any case
        if method.deadline_parameter is None:
            self._tell_of(pool, method)
            return run()
        block = DeadlineBlock(limit)
        try:
            with block:
                return run()
        except DeadlineExceeded as error:
            if remaining() <= 0.0:
                raise
            cause = error.cause or error
            raise AttemptTimeout(
                f"{pool}.{method.name} took longer than {limit:g} s", pool=pool, cause=cause
            ) from cause
        finally:
            block.leave()  # done already, unless an interrupt struck in between

    def _tell_of(self, pool: str, method: AnyMethod) -> None:
        if method.name not in self._unlimited:
            self._unlimited.add(method.name)
            warn(
                f"{pool}.{method.name} may take longer than its timeout: it has no parameter by which its client"
                " could be told, and a blocking call cannot be interrupted"
            )

    def attempt_async(self, pool: str, method: AnyMethod, invoke: Invoke) -> Invoke:
        """Return a coroutine function that runs a method within its time."""
        limit = self._limit_of(method)

        async def within(client: Any, args: Any) -> Any:
            left = _left(pool, method)
            if limit is None or limit > left:
                return await until_deadline(left, pool, method.name, partial(invoke, client, args))
            scope = timeout(limit)
            try:
                async with scope:
                    return await invoke(client, args)
            except TimeoutError as error:
                if not scope.expired():
                    raise  # raised by the client itself
                late = _too_long(pool, method, limit, error, scope)
                late.cut_off = True
                raise late from error

        from asyncio import timeout

        return within

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        if call.first_error is not None:
            return await proceed(call)  # raised inside, whenever it comes
        limit = self._limit if call.timeout is None else call.timeout
        left = _left(call.pool, call.method)
        if limit is not None and limit <= left:
            return await self._within(limit, call, proceed)
        run = partial(proceed, call)
        return await until_deadline(left, call.pool, call.method.name, run, call)

    def _limit_of(self, method: AnyMethod) -> float | None:
        return self._limit if method.timeout is None else method.timeout

    async def _within(self, limit: float, call: Call, proceed: Proceed) -> Any:
        from asyncio import timeout

        scope = timeout(limit)
        # Who cancelled the attempt decides: a caller's cancellation says nothing about the member, this timeout
        # does, unless it is itself far too late.
        call.judge_by(self, lambda _error: _judged(scope, limit) if scope.expired() else None)
        try:
            async with scope:
                return await proceed(call)
        except TimeoutError as error:
            if not scope.expired():
                raise  # raised by the client itself
            raise _too_long(call.pool, call.method, limit, error, scope) from error
        finally:
            call.judge_by(self, None)


def _as_its_own(error: BaseException) -> Outcome | None:
    """Judge an attempt that this limit ended: the member was slow, unless the call was never sent."""
    late = isinstance(error, DeadlineExceeded) and error.cause is not None
    return Outcome.FAILURE if late else None


def _left(pool: str, method: AnyMethod) -> float:
    """Return the seconds left for an attempt; raise if there are none."""
    left = remaining()
    return left if left > 0.0 else require_time(pool, f"an attempt of {method.name} began")


def _too_long(
    pool: str, method: AnyMethod, limit: float, error: TimeoutError, scope: asyncio.Timeout
) -> AttemptTimeout:
    late = AttemptTimeout(
        f"{pool}.{method.name} took longer than {limit:g} s", pool=pool, cause=error
    )
    late.stalled = _has_stalled(scope, limit)
    return late


def _judged(scope: asyncio.Timeout, limit: float) -> Outcome | Verdict:
    return STALLED if _has_stalled(scope, limit) else Outcome.FAILURE


def _has_stalled(scope: asyncio.Timeout, limit: float) -> bool:
    """Return whether the event loop stood still when the time was over: the answer may lie in a buffer unread."""
    from asyncio import get_running_loop

    due = scope.when()
    return due is not None and get_running_loop().time() - due >= max(STALL, limit * STALL_SHARE)
