"""The verdict on one error: what it says about the server, and whether to retry."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, TypeAlias, cast

from connpool_runtime.breaker.outcome import Outcome

__all__ = [
    "OUT_OF_TIME",
    "STALLED",
    "SUCCESS",
    "UNKNOWN",
    "Classifier",
    "MayRetry",
    "Verdict",
    "answer",
    "failure",
    "is_wait",
    "neutral",
    "own_limit",
    "pushed_back",
    "unreached",
    "worst",
    "wrong_field",
]


class MayRetry(Enum):
    """Whether the call that met an error may be retried.

    Attributes:
        NO: another attempt would end the same way, or is not wanted.
        YES: it failed, perhaps after the server had carried it out: only idempotent calls.
        NOT_SENT: the server certainly did not carry it out: it may be tried elsewhere, whatever it does.
        PUSHED_BACK: the server has too much to do: as YES, after a wait, and never at once.
    """

    NO = "no"
    YES = "yes"
    NOT_SENT = "not sent"
    PUSHED_BACK = "pushed back"


# Looking up a member of an enumeration costs as much as a call.
_SUCCESS, _FAILURE, _PUSHED_BACK = Outcome.SUCCESS, Outcome.FAILURE, MayRetry.PUSHED_BACK


class Verdict(NamedTuple):
    """The answers to two questions about one error: is the member to blame, and may the call be retried.

    Attributes:
        outcome: what it says about the member. Success: the server is healthy, the error is its answer.
        retry: whether the call may be tried again.
        reason: a short word for logs and stats, such as "HTTP 503"; never holds what a client or server wrote.
        retry_after: seconds that the server asks to wait, None if it does not say.
    """

    outcome: Outcome
    retry: MayRetry
    reason: str
    retry_after: float | None = None

    @property
    def counted_as(self) -> str:
        """The word under which stats count such a call."""
        if self is SUCCESS:
            return "success"
        if self is UNKNOWN:
            return "unknown"
        outcome = self.outcome
        if outcome is _FAILURE:
            return "failure"
        if outcome is _SUCCESS:
            return "answer"
        return "overload" if self.retry is _PUSHED_BACK else "neutral"

    @property
    def is_trouble(self) -> bool:
        """Whether the call failed because of the server: neither an answer nor our own doing."""
        return self.outcome is Outcome.FAILURE or self.retry is not MayRetry.NO


SUCCESS = Verdict(Outcome.SUCCESS, MayRetry.NO, "success")
"""The call gave a result."""

UNKNOWN = Verdict(Outcome.NEUTRAL, MayRetry.YES, "unknown error")
"""Nobody knows the error; whether it counts against the member is told by comparison, see `breaker/relative.py`."""

OUT_OF_TIME = Verdict(Outcome.NEUTRAL, MayRetry.NO, "deadline exceeded")
"""The caller's deadline passed while the member was at work; compared as `UNKNOWN` is: a member that hangs meets the
deadlines of its callers more often than the others do, while a caller without patience meets it everywhere."""

STALLED = Verdict(Outcome.NEUTRAL, MayRetry.YES, "the event loop stood still")
"""A timeout of an attempt came far too late, so that an answer may have come in time; compared likewise: a process that
stands still meets it on all members."""

Classifier: TypeAlias = Callable[[BaseException], Verdict | None]
"""Judges an error, None if it does not know it; must be pure and never raise."""


def answer(reason: str) -> Verdict:
    """Return the verdict for the answer of a healthy server."""
    return Verdict(Outcome.SUCCESS, MayRetry.NO, reason)


def failure(reason: str, retry: MayRetry = MayRetry.YES) -> Verdict:
    """Return the verdict for a server that failed, perhaps after it had carried out the call."""
    return Verdict(Outcome.FAILURE, retry, reason)


def unreached(reason: str) -> Verdict:
    """Return the verdict for a server that failed and certainly did not carry out the call."""
    return Verdict(Outcome.FAILURE, MayRetry.NOT_SENT, reason)


def pushed_back(reason: str, retry_after: float | None = None) -> Verdict:
    """Return the verdict for an overloaded server."""
    return Verdict(Outcome.NEUTRAL, MayRetry.PUSHED_BACK, reason, retry_after)


def own_limit(reason: str) -> Verdict:
    """Return the verdict for a limit of our own process, met before the call was sent."""
    return Verdict(Outcome.NEUTRAL, MayRetry.NOT_SENT, reason)


def neutral(reason: str, retry: MayRetry = MayRetry.NO) -> Verdict:
    """Return the verdict for an error that says nothing about the server."""
    return Verdict(Outcome.NEUTRAL, retry, reason)


def wrong_field(verdict: Verdict) -> str | None:
    """Return the name of a field of a user's verdict that holds what it may not; None if there is none.

    A verdict is trusted by whoever counts, waits or tries again, long after the function that gave it.
    """
    outcome, retry, reason, after = cast("tuple[object, ...]", verdict)
    if not isinstance(outcome, Outcome):
        return "outcome"
    if not isinstance(retry, MayRetry):
        return "retry"
    if not isinstance(reason, str):
        return "reason"
    return None if after is None or is_wait(after) else "retry_after"


def is_wait(value: object) -> bool:
    """Return whether a value is a time to wait in seconds: infinity is one, but NaN and an int beyond all floats are none."""
    if isinstance(value, float):
        return value >= 0
    return isinstance(value, int) and 0 <= value <= sys.float_info.max


_RETRIES = (MayRetry.YES, MayRetry.NO, MayRetry.PUSHED_BACK, MayRetry.NOT_SENT)
_OUTCOMES = (Outcome.FAILURE, Outcome.NEUTRAL, Outcome.SUCCESS)


def worst(verdicts: list[Verdict | None]) -> Verdict | None:
    """Return the verdict on several errors together: one failure is enough, an answer needs all of them.

    A call that one of them may have carried out was not "not sent".
    """
    known = [verdict for verdict in verdicts if verdict is not None]
    if not known:
        return None
    found = min(known, key=_badness)
    if found.outcome is Outcome.SUCCESS and len(known) < len(verdicts):
        return None
    return found


def _badness(verdict: Verdict) -> tuple[int, int]:
    return _OUTCOMES.index(verdict.outcome), _RETRIES.index(verdict.retry)
