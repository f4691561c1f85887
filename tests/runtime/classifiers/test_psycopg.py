"""Errors of psycopg; the test with a real server holds more."""

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

psycopg = library("psycopg")
errors = library("psycopg.errors")

ANSWERS = [
    "UniqueViolation", "ForeignKeyViolation", "NotNullViolation", "CheckViolation", "UndefinedTable",
    "UndefinedColumn", "SyntaxError", "InsufficientPrivilege", "DivisionByZero", "InvalidTextRepresentation",
    "DeadlockDetected", "SerializationFailure", "LockNotAvailable", "InFailedSqlTransaction", "RaiseException",
    "FeatureNotSupported", "NumericValueOutOfRange", "DuplicateTable",
]  # fmt: skip
FAILURES = [
    "AdminShutdown", "CrashShutdown", "CannotConnectNow", "ConnectionFailure", "ConnectionDoesNotExist",
    "SqlclientUnableToEstablishSqlconnection", "InvalidPassword", "DiskFull", "IoError", "DataCorrupted",
    "IdleSessionTimeout",
]  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """A state about the statement is an answer."""
    assert_answer(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    """A state about the server is a failure."""
    assert_failure(getattr(errors, name)("failed"))


NOT_SENT = [
    psycopg.OperationalError(
        'connection failed: connection to server at "a" failed: Connection refused'
    ),
    psycopg.OperationalError("the connection is closed"),
    psycopg.OperationalError("failed to resolve host 'a': Name or service not known"),
    psycopg.errors.ConnectionTimeout("connection timeout expired"),
]
PERHAPS_SENT = [
    psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly"),
    psycopg.OperationalError("the connection is lost"),
]


@each(NOT_SENT + PERHAPS_SENT)
def test_failures_of_the_connection(error: Any) -> None:
    """An error without a state is about the connection."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@pytest.mark.parametrize(
    "name", ["TooManyConnections", "OutOfMemory", "ConfigurationLimitExceeded"]
)
def test_push_back(name: str) -> None:
    """A server without resources has too much to do."""
    assert retry_of(getattr(errors, name)("failed")) is MayRetry.PUSHED_BACK


@each(
    [
        errors.QueryCanceled("statement timeout"),
        psycopg.ProgrammingError("no results"),
        psycopg.InterfaceError("x"),
    ]
)
def test_neutral(error: Any) -> None:
    """The caller's own limit, and what the client refuses to send, say nothing about the server."""
    assert_neutral(error)


@pytest.mark.parametrize("name", ["ReadOnlySqlTransaction", "InternalError_"])
def test_states_that_say_nothing(name: str) -> None:
    """A standby and a transaction that is read-only by wish look alike: comparison decides."""
    assert judge(getattr(errors, name)("failed")) is None
