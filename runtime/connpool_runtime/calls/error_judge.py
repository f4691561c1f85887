"""Judges the error of a call: by what the method declares, else by what is known about the error.

The order: results that the method's `judge` calls no success; what is declared for the method (`judge`,
`failures`, `expected`, `ignored`); the pool's own classifier; what is known of the library, of statuses and
of the network (`classifiers/`); and any other error is an unknown error.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

from connpool_runtime.breaker.classifier import ResultCountedAsFailure, ask
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.classifiers.verdict import (
    UNKNOWN,
    Classifier,
    Verdict,
    answer,
    failure,
    neutral,
    worst,
)
from connpool_runtime.errors import PoolError

__all__ = ["ErrorJudge", "UnknownErrors", "declared", "judged_as"]

UnknownErrors: TypeAlias = Literal["relative", "failure", "neutral"]

_EXPECTED = answer("expected")
_IGNORED = neutral("ignored")
_DECLARED = failure("declared a failure")
_JUDGED = {
    Outcome.SUCCESS: answer("judged a success"),
    Outcome.FAILURE: failure("judged a failure"),
    Outcome.NEUTRAL: neutral("judged neutral"),
}
_BY_CALLER = neutral("a mistake of the caller")
_MISUSE = (AttributeError, LookupError, TypeError, ValueError)
_NO_ERROR = neutral("no error of a client")
_UNKNOWN_FAILURE = failure("unknown error")
_UNKNOWN_NEUTRAL = neutral("unknown error")
LIMIT = 32  # causes that are looked at; no known client chains more


class ErrorJudge:
    """Judges the errors of a pool's calls. Safe for threads.

    Arguments:
        classifier: asked before what is known of libraries; the name of a classifier, or a function.
        unknown: how an unknown error counts: "relative" to how often the other members give
            it, a "failure", or "neutral".
    """

    __slots__ = ("_known", "_named", "_unknown")

    def __init__(
        self, classifier: str | Classifier | None = None, unknown: UnknownErrors = "relative"
    ) -> None:
        self._named = classifier
        self._known: Classifier | None = (
            None  # created for the first error: many programs never have one
        )
        self._unknown = {
            "relative": UNKNOWN,
            "failure": _UNKNOWN_FAILURE,
            "neutral": _UNKNOWN_NEUTRAL,
        }[unknown]

    def __call__(self, method: AnyMethod, error: BaseException) -> Verdict:
        """Return what an error says about the member that gave it, and whether to retry."""
        if isinstance(error, ResultCountedAsFailure):
            return _JUDGED[error.outcome]
        verdict = declared(method, error) if method.declares else None
        if verdict is None:
            verdict = (self._known or self._learn())(error)
        if verdict is not None:
            return verdict
        if isinstance(error, _MISUSE) and _never_entered(method, error):
            return _BY_CALLER
        # Errors that are no Exception end threads and tasks, such as gevent's Timeout: not about a server.
        return self._unknown if isinstance(error, Exception) else _NO_ERROR

    def _learn(self) -> Classifier:
        from connpool_runtime.classifiers import registry

        named = self._named
        if named is None:
            known: Classifier = registry.judge
        elif callable(named):
            known = registry.Judge(named)
        else:
            known = registry.Judge(registry.classifier(named))
        self._known = known
        return known


def judged_as(outcome: Outcome) -> Verdict:
    """Return the verdict for the outcome that a user's function gave."""
    return _JUDGED[outcome]


def declared(method: AnyMethod, error: BaseException) -> Verdict | None:
    """Return the verdict that a method declares for an error, along the chain of its explicit causes."""
    if (
        method.judge is not None
        and isinstance(error, Exception)
        and not isinstance(error, PoolError)
    ):
        outcome = ask(method.judge, error)
        if outcome is not None:
            return _JUDGED[outcome]
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return worst([declared(method, one) for one in group.exceptions])
    link: BaseException | None = error
    for _ in range(LIMIT):
        if link is None:
            break
        if isinstance(link, method.failures):
            return _DECLARED
        if isinstance(link, method.expected):
            return _EXPECTED
        if isinstance(link, method.ignored):
            return _IGNORED
        link = link.__cause__
    return None


def _never_entered(method: AnyMethod, error: BaseException) -> bool:
    """Return whether an error was raised by the call itself: wrong arguments, before the client's code ran."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code is getattr(method.raw, "__code__", None)
