"""What the end of a call says about the member that ran it."""

from __future__ import annotations

from enum import Enum
from typing import cast

from connpool_runtime.errors import DeadlineExceeded, Rejected

__all__ = ["Outcome", "classify"]

ErrorTypes = tuple[type[BaseException], ...]

# The pool's own refusals, and the impatience of a caller.
OUR_OWN: ErrorTypes = (DeadlineExceeded, Rejected)

# Raised by a wrong argument far more often than by a sick server.
CALLER_MISTAKES: ErrorTypes = (
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)


class Outcome(Enum):
    """Success and failure are evidence for the breaker; neutral is none."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


def classify(error: BaseException, expected: ErrorTypes = (), ignored: ErrorTypes = ()) -> Outcome:
    """ResultClassifier an error that ended a call.

    Declared types and what the pool itself raises are looked for along the chain of explicit causes,
    because clients wrap errors. A caller's mistake counts only as the outermost error: a client
    that raises a connection error from a ValueError met a bad answer, not a bad argument.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return _worst([classify(one, expected, ignored) for one in group.exceptions])
    chain = _causes(error)
    if any(isinstance(one, expected) for one in chain):
        return Outcome.SUCCESS
    if any(isinstance(one, (*OUR_OWN, *ignored)) for one in chain):
        return Outcome.NEUTRAL
    # Cancellation, GeneratorExit, KeyboardInterrupt, SystemExit: not about the member.
    if not isinstance(error, Exception) or isinstance(error, CALLER_MISTAKES):
        return Outcome.NEUTRAL
    return Outcome.FAILURE


def _causes(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__
    return chain


def _worst(outcomes: list[Outcome]) -> Outcome:
    for outcome in (Outcome.FAILURE, Outcome.NEUTRAL):
        if outcome in outcomes:
            return outcome
    return Outcome.SUCCESS
