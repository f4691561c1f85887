"""Answers failed calls with a value or a user's function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.errors import DeadlineExceeded, Rejected
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import error_classes
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Fallback"]

Instead: TypeAlias = Callable[[Call, Exception], Any]


class Fallback:
    """Answers a failed call with something else: an empty list, a cached value.

    The call then counts as a success for its caller; the attempts stay failures of their members.
    Register it outside all middleware whose errors it should answer. For methods that open a stream or a
    context manager the answer takes its place.

    Arguments:
        answer: the value to return, or a function of the call and of the error that returns it, or
            raises; a coroutine function too in an `AsyncPool`. To return a function, return it from
            one.
        errors: which errors are answered. By default those that another attempt might have avoided: failures
            of members, refusals by the pool and passed deadlines, but neither mistakes of the caller nor
            errors that the method expects.

    Raises:
        ValueError: `errors` is not a tuple of exception classes.
    """

    role = Role.FALLBACK
    phases = (Phase.FAILED,)

    def __init__(
        self, answer: object | Instead, *, errors: tuple[type[Exception], ...] | None = None
    ) -> None:
        if errors is not None:
            error_classes("errors", errors)
        self._answer = answer
        self._errors = errors
        self._tally = MiddlewareCounters(fallbacks="Calls answered by a fallback.")

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        try:
            return proceed(call)
        except Exception as error:
            if not self._covers(call, error):
                raise
            return self._instead(call, error)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        try:
            return await proceed(call)
        except Exception as error:
            if not self._covers(call, error):
                raise
            answer = self._instead(call, error)
            return await answer if inspect.isawaitable(answer) else answer

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()

    def _covers(self, call: Call, error: Exception) -> bool:
        if self._errors is not None:
            return isinstance(error, self._errors)
        return isinstance(error, (Rejected, DeadlineExceeded)) or call.judge(error).is_trouble

    def _instead(self, call: Call, error: Exception) -> Any:
        self._tally.add("fallbacks")
        return self._answer(call, error) if callable(self._answer) else self._answer
