"""Errors of SQLAlchemy, with SQLite and with drivers that stand in for others."""

import sqlite3
from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    each,
    library,
    retry_of,
)

sqlalchemy = library("sqlalchemy")
errors = library("sqlalchemy.exc")


class DriverError(Exception):
    """An error of a driver that is not known by its name."""

    sqlstate: str | None = None


def wrapped(kind: str, orig: Exception, **more: Any) -> Any:
    """Return what SQLAlchemy makes of an error of a driver."""
    return getattr(errors, kind)("SELECT 1", {}, orig, **more)


def state(code: str) -> DriverError:
    """Return an error of a driver with a SQLSTATE."""
    error = DriverError("failed")
    error.sqlstate = code
    return error


def provoked(*statements: str) -> Any:
    """Return what a real SQLite says to the last statement."""
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            *first, last = map(sqlalchemy.text, statements)
            for statement in first:
                connection.execute(statement)
            with pytest.raises(errors.SQLAlchemyError) as caught:
                connection.execute(last)
    finally:
        engine.dispose()
    return caught.value


TABLE = "CREATE TABLE t (a INTEGER PRIMARY KEY CHECK (a > 0), b TEXT NOT NULL UNIQUE)"


@pytest.mark.parametrize(
    "statements",
    [
        ("SELECT * FROM missing",),
        ("SELEC 1",),
        (TABLE, "SELECT c FROM t"),
        (TABLE, "INSERT INTO t VALUES (1, NULL)"),
        (TABLE, "INSERT INTO t VALUES (0, 'x')"),
        (TABLE, "INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (1, 'y')"),
        (TABLE, "INSERT INTO t VALUES (1, 'x')", "INSERT INTO t VALUES (2, 'x')"),
        (TABLE, TABLE),
        (TABLE, "INSERT INTO t VALUES ('no number', 'x')"),
        ("SELECT nothing()",),
    ],
)
def test_answers_of_a_real_database(statements: tuple[str, ...]) -> None:
    """Constraints, missing tables and syntax are answers."""
    assert_answer(provoked(*statements))


@pytest.mark.parametrize(
    "code", ["23505", "42P01", "22012", "40001", "40P01", "55P03", "0A000", "25P02"]
)
def test_answers_by_state(code: str) -> None:
    """A state about the statement is an answer, whatever class the driver gave it."""
    assert_answer(wrapped("OperationalError", state(code)))


@each([errors.NoResultFound("x"), errors.MultipleResultsFound("x"), errors.NoSuchTableError("x")])
def test_answers_by_class(error: Any) -> None:
    """Too few and too many rows are answers."""
    assert_answer(error)


FAILURES = [
    wrapped("OperationalError", state("08006")),
    wrapped("OperationalError", state("57P01")),
    wrapped("InternalError", state("XX001")),
    wrapped("OperationalError", ConnectionRefusedError()),
    wrapped("OperationalError", DriverError(2013, "Lost connection to MySQL server")),
    wrapped("InterfaceError", DriverError("closed"), connection_invalidated=True),
    errors.DisconnectionError("stale"),
]


@each(FAILURES)
def test_failures(error: Any) -> None:
    """A connection that was lost, or a server that goes down, is a failure."""
    assert_failure(error)


def test_push_back() -> None:
    """Too many connections, and a database that somebody else has locked, are push-back."""
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorname = "SQLITE_BUSY"
    for orig in (state("53300"), DriverError(1040, "Too many connections"), locked):
        assert retry_of(wrapped("OperationalError", orig)) is MayRetry.PUSHED_BACK


def test_the_clients_own_limit() -> None:
    """SQLAlchemy's full pool has not asked the server."""
    error = errors.TimeoutError("QueuePool limit of size 5 overflow 10 reached")
    assert_neutral(error)
    assert retry_of(error) is MayRetry.NOT_SENT


@each(
    [errors.ArgumentError("x"), errors.InvalidRequestError("x"), errors.PendingRollbackError("x")]
)
def test_misuse(error: Any) -> None:
    """What SQLAlchemy refuses to send says nothing about the server."""
    assert_neutral(error)
