"""Errors of neo4j."""

from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    each,
    library,
    retry_of,
)

errors = library("neo4j.exceptions")


def reply(code: str) -> Any:
    """Return what the client makes of a code."""
    return errors.Neo4jError._hydrate_neo4j(code=f"Neo.{code}", message="failed")


@pytest.mark.parametrize(
    "code",
    [
        "ClientError.Statement.SyntaxError",
        "ClientError.Statement.TypeError",
        "ClientError.Statement.ParameterMissing",
        "ClientError.Schema.ConstraintValidationFailed",
        "ClientError.Schema.IndexNotFound",
        "ClientError.Procedure.ProcedureNotFound",
        "ClientError.Security.Forbidden",
        "ClientError.Transaction.InvalidBookmark",
        "ClientError.Request.Invalid",
        "TransientError.Transaction.DeadlockDetected",
        "TransientError.Transaction.LockClientStopped",
    ],
)
def test_answers(code: str) -> None:
    """A code about the query, and two transactions that met, are answers."""
    assert_answer(reply(code))


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("DatabaseError.General.UnknownError", MayRetry.YES),
        ("DatabaseError.Statement.ExecutionFailed", MayRetry.YES),
        ("TransientError.General.DatabaseUnavailable", MayRetry.NOT_SENT),
        ("ClientError.Cluster.NotALeader", MayRetry.NOT_SENT),
        ("ClientError.General.ForbiddenOnReadOnlyDatabase", MayRetry.NOT_SENT),
        ("ClientError.Security.Unauthorized", MayRetry.NOT_SENT),
    ],
)
def test_failures_by_code(code: str, retry: MayRetry) -> None:
    """A code about the database or its role in the cluster is a failure."""
    assert_failure(reply(code))
    assert retry_of(reply(code)) is retry


@each([
    errors.ServiceUnavailable("gone"),
    errors.SessionExpired("gone"),
    errors.RoutingServiceUnavailable("no router"),
    errors.WriteServiceUnavailable("no leader"),
    errors.IncompleteCommit("perhaps"),
])  # fmt: skip
def test_failures(error: Any) -> None:
    """A server that is not reached, or a commit that nobody knows of, is a failure."""
    assert_failure(error)


def test_a_refused_connection_was_not_sent() -> None:
    """The system's refusal below the client's error tells that nothing was sent."""
    error = errors.ServiceUnavailable("Couldn't connect to a:7687")
    error.__cause__ = ConnectionRefusedError()
    assert retry_of(error) is MayRetry.NOT_SENT


def test_push_back() -> None:
    """Memory and transactions that are used up mean too much to do."""
    assert (
        retry_of(reply("TransientError.General.MemoryPoolOutOfMemoryError")) is MayRetry.PUSHED_BACK
    )


@each([
    errors.ConnectionAcquisitionTimeoutError("full"),
    errors.ConfigurationError("x"),
    errors.TransactionNestingError("x"),
    reply("ClientError.Transaction.TransactionTimedOut"),
])  # fmt: skip
def test_neutral(error: Any) -> None:
    """Limits of ours, and misuse, say nothing about the server."""
    assert_neutral(error)


def test_a_record_that_cannot_be_read_is_unknown() -> None:
    """Rubbish in an answer may be this server's, or everybody's: comparison decides."""
    assert judge(errors.BrokenRecordError("junk")) is None
