"""What counts as success, failure or neutral."""

import asyncio

import pytest

from connpool_runtime import NoMembers, Outcome
from connpool_runtime.breaker.outcome import classify

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


class NotFound(Exception):
    pass


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error", [ConnectionError(), TimeoutError(), OSError(), RuntimeError(), NotFound()]
)
def test_any_other_exception_is_a_failure(error: Exception) -> None:
    """Errors a server can cause count against its member, whatever library they come from."""
    assert classify(error) is FAILURE


@pytest.mark.parametrize(
    "error",
    [
        TypeError(),
        ValueError(),
        KeyError(),
        IndexError(),
        AttributeError(),
        AssertionError(),
        NotImplementedError(),
    ],
)
def test_a_callers_mistake_is_neutral(error: Exception) -> None:
    """A wrong argument says nothing about the server (B5)."""
    assert classify(error) is NEUTRAL


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), SystemExit()]
)
def test_an_interruption_is_neutral(error: BaseException) -> None:
    """Who is interrupted has learned nothing about the server (B5)."""
    assert classify(error) is NEUTRAL


def test_declared_answers_are_successes() -> None:
    """An expected error proves that the server works, also when it is a caller's mistake by type."""
    assert classify(NotFound(), expected=(NotFound,)) is SUCCESS
    assert classify(KeyError(), expected=(LookupError,)) is SUCCESS


def test_ignored_errors_are_neutral() -> None:
    """An ignored error is evidence of nothing."""
    assert classify(NotFound(), ignored=(NotFound,)) is NEUTRAL


def test_expected_wins_over_ignored() -> None:
    """An error that is declared as both is an answer."""
    assert classify(NotFound(), expected=(NotFound,), ignored=(Exception,)) is SUCCESS


def test_declared_errors_are_found_behind_a_wrapper() -> None:
    """Classification follows the chain of causes, not the outermost type (B6)."""
    wrapped = caused(RuntimeError("outer"), caused(OSError("middle"), NotFound()))
    assert classify(wrapped, expected=(NotFound,)) is SUCCESS
    assert classify(wrapped, ignored=(NotFound,)) is NEUTRAL


def test_a_wrapped_refusal_of_a_pool_is_neutral() -> None:
    """A local rejection stays one when a client wraps it (B6)."""
    assert classify(caused(RuntimeError(), NoMembers(pool="inner"))) is NEUTRAL


@pytest.mark.parametrize("cause", [ValueError(), KeyError(), asyncio.CancelledError()])
def test_a_failure_with_a_harmless_cause_stays_a_failure(cause: BaseException) -> None:
    """A client that raises a connection error because of a bad answer or its own timeout failed."""
    assert classify(caused(ConnectionError(), cause)) is FAILURE


def test_the_context_of_an_error_is_no_cause() -> None:
    """An error raised while another was handled is judged by itself."""
    error = ConnectionError()
    error.__context__ = NotFound()
    assert classify(error, expected=(NotFound,)) is FAILURE


def test_a_circle_of_causes_ends() -> None:
    """Errors that name each other as their cause are classified all the same."""
    first, second = OSError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert classify(first) is FAILURE


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([ConnectionError(), ValueError()], FAILURE),
        ([NotFound(), ValueError()], NEUTRAL),
        ([NotFound(), NotFound()], SUCCESS),
    ],
)
def test_a_group_counts_as_its_worst_error(errors: list[Exception], outcome: Outcome) -> None:
    """One failure in a group is a failure; a group of answers is a success."""
    group = ExceptionGroup("several", [ExceptionGroup("inner", errors)])
    assert classify(group, expected=(NotFound,)) is outcome
