"""Errors of asyncpg; the test with a real server holds more."""

from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
)

errors = library("asyncpg.exceptions")

ANSWERS = [
    "UniqueViolationError", "ForeignKeyViolationError", "NotNullViolationError", "CheckViolationError",
    "UndefinedTableError", "UndefinedColumnError", "PostgresSyntaxError", "InsufficientPrivilegeError",
    "DivisionByZeroError", "InvalidTextRepresentationError", "DeadlockDetectedError", "SerializationError",
    "LockNotAvailableError", "InFailedSQLTransactionError", "RaiseError",
]  # fmt: skip
FAILURES = [
    "AdminShutdownError", "CrashShutdownError", "CannotConnectNowError", "ConnectionDoesNotExistError",
    "PostgresConnectionError", "InvalidPasswordError", "DiskFullError", "PostgresIOError", "DataCorruptedError",
    "InternalClientError",
]  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """A state about the statement is an answer."""
    assert_answer(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    """A state about the server is a failure."""
    assert_failure(getattr(errors, name)("failed"))


def test_a_closed_connection_was_not_sent() -> None:
    """Only the text tells a closed connection from a slip of the caller."""
    closed: Any = errors.InterfaceError("connection is closed")
    assert_failure(closed)
    assert retry_of(closed) is MayRetry.NOT_SENT
    assert_neutral(
        errors.InterfaceError("cannot perform operation: another operation is in progress")
    )


def test_the_rest() -> None:
    """Too many connections is push-back; the caller's own limit says nothing."""
    assert retry_of(errors.TooManyConnectionsError("full")) is MayRetry.PUSHED_BACK
    assert_neutral(errors.QueryCanceledError("statement timeout"))
