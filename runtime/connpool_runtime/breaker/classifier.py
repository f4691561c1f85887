"""Counts results as failures where a method's `judge` function says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, cast

from connpool_runtime._log import warn
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.errors import PoolError

__all__ = ["ResultClassifier", "ResultCountedAsFailure", "ask", "judged"]

R = TypeVar("R")

ResultClassifier: TypeAlias = Callable[[Any], Outcome | None]
"""Says what a result or an error means for the member that gave it; None is the usual."""


class ResultCountedAsFailure(PoolError):
    """A result that its method's `judge` counts as no success; raised through the middleware.

    Middleware see it as an error, so that a retry tries again; the caller gets the result instead.
    """

    __module__ = "connpool_runtime"  # as tracebacks show it

    result: Any
    outcome: Outcome

    def __init__(
        self,
        message: str = "",
        *,
        pool: str = "",
        cause: BaseException | None = None,
        result: Any = None,
        outcome: Outcome = Outcome.FAILURE,
    ) -> None:
        super().__init__(message, pool=pool, cause=cause)
        self.result = result
        self.outcome = outcome


def judged(invoke: Callable[[Any, Any], R], judge: ResultClassifier) -> Callable[[Any, Any], R]:
    """Return a client call that raises the results which `judge` counts as no success."""

    def run(client: Any, args: Any) -> R:
        result = invoke(client, args)
        if isinstance(result, Awaitable):
            return cast("R", _awaited(cast("Awaitable[Any]", result), judge))
        return _passed(result, judge)

    return run


async def _awaited(result: Awaitable[R], judge: ResultClassifier) -> R:
    return _passed(await result, judge)


def _passed(result: R, judge: ResultClassifier) -> R:
    outcome = ask(judge, result)
    if outcome is None or outcome is Outcome.SUCCESS:
        return result
    # Without the value, which may be secret or long.
    raise ResultCountedAsFailure(
        f"a result of type {type(result).__name__} is judged as {outcome.value}",
        result=result,
        outcome=outcome,
    )


def ask(judge: ResultClassifier, value: object) -> Outcome | None:
    """Return the judge's opinion of a result or an error; None if the judge itself fails, or answers something else."""
    try:
        outcome = cast("object", judge(value))
    except Exception as error:
        # The client's answer matters more than a judge that fails.
        warn(f"{judge!r} failed: {error!r}")
        return None
    if outcome is None or isinstance(outcome, Outcome):
        return outcome
    warn(f"{judge!r} has to return an Outcome or None, not a {type(outcome).__name__}")
    return None
