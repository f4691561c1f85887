"""Verdicts, and what several of them say together."""

import pytest

from connpool_runtime.classifiers.verdict import (
    MayRetry,
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
    worst,
)

LOST, REFUSED, BUSY, FOUND = (
    failure("lost"),
    unreached("refused"),
    pushed_back("busy"),
    answer("found"),
)


def test_a_verdict_cannot_be_changed() -> None:
    """A verdict is shared by all errors of a kind, so nobody can change it."""
    with pytest.raises(AttributeError):
        LOST.reason = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([REFUSED, LOST], LOST),
        ([FOUND, REFUSED], REFUSED),
        ([FOUND, BUSY], BUSY),
        ([BUSY, own_limit("full")], BUSY),
        ([neutral("cancelled"), BUSY], neutral("cancelled")),
        ([FOUND, None], None),
        ([None, LOST], LOST),
        ([FOUND, FOUND], FOUND),
        ([None], None),
        ([], None),
    ],
)
def test_the_worst_counts(verdicts: list[Verdict | None], together: Verdict | None) -> None:
    """One failure is enough, one attempt that may have been carried out too; an answer needs all to be answers."""
    assert worst(verdicts) == together


def test_not_sent_is_never_said_of_what_may_have_been_sent() -> None:
    """Of a refused and a lost connection together the call may have been carried out."""
    found = worst([unreached("refused"), failure("lost")])
    assert found is not None
    assert found.retry is MayRetry.YES
