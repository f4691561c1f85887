"""Errors of SQLAlchemy: disconnects, and the errors of the driver below."""

from __future__ import annotations

from connpool_runtime.classifiers.asyncpg import asyncpg
from connpool_runtime.classifiers.error_chain import attribute, first_known
from connpool_runtime.classifiers.psycopg import psycopg
from connpool_runtime.classifiers.sqlstate import sqlstate_verdict
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import CONNECT_FAILED, CONNECTION_LOST, network
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
)

__all__ = ["sqlalchemy"]

_MISUSE = neutral("misuse of the client")
_BROKEN_FILE = failure("database file broken")

# The names of SQLite's error codes.
_SQLITE: dict[object, Verdict] = {
    "SQLITE_BUSY": pushed_back("SQLITE_BUSY"),
    "SQLITE_LOCKED": pushed_back("SQLITE_LOCKED"),
    "SQLITE_CANTOPEN": _BROKEN_FILE,
    "SQLITE_CORRUPT": _BROKEN_FILE,
    "SQLITE_FULL": failure("disk full"),
    "SQLITE_IOERR": _BROKEN_FILE,
    "SQLITE_NOTADB": _BROKEN_FILE,
}
# MySQL and MariaDB number their errors; every driver has the number as first argument.
_MYSQL: dict[object, Verdict] = {
    1040: pushed_back("server's connection limit"),
    1053: failure("server is shutting down"),
    1205: answer("lock wait timed out"),
    1213: answer("deadlock"),
    2002: CONNECT_FAILED,
    2003: CONNECT_FAILED,
    2006: CONNECTION_LOST,
    2013: CONNECTION_LOST,
    2055: CONNECTION_LOST,
}

_sqlite = ErrorTable(
    "sqlite3",
    ("sqlite3",),
    {
        "OperationalError": ByCode(
            "the name of SQLite's error",
            lambda error: attribute(error, "sqlite_errorname"),
            _SQLITE,
            answer("error reply"),
        ),
        "DatabaseError": ByCode(
            "the name of SQLite's error",
            lambda error: attribute(error, "sqlite_errorname"),
            _SQLITE,
        ),
    },
)


def _driver(error: BaseException) -> Verdict | None:
    """Judge an error of any driver."""
    for known in (psycopg, asyncpg, _sqlite, network):
        verdict = known(error)
        if verdict is not None:
            return verdict
    state = attribute(error, "sqlstate") or attribute(error, "pgcode")
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return sqlstate_verdict(state) or _MYSQL.get(number)


def _from_driver(error: BaseException) -> Verdict | None:
    found = attribute(error, "orig")
    verdict = first_known(found, _driver) if isinstance(found, BaseException) else None
    if verdict is None and attribute(error, "connection_invalidated") is True:
        return CONNECTION_LOST
    return verdict


sqlalchemy = ErrorTable(
    "sqlalchemy",
    ("sqlalchemy",),
    {
        "DBAPIError": _from_driver,
        "DataError": answer("data error"),
        "DisconnectionError": CONNECTION_LOST,
        "IntegrityError": answer("integrity error"),
        "MultipleResultsFound": answer("several rows"),
        "NoResultFound": answer("no row"),
        "NoSuchTableError": answer("no such table"),
        "ProgrammingError": answer("programming error"),
        "SQLAlchemyError": _MISUSE,
        "TimeoutError": own_limit("client's own connection limit"),
    },
)
"""Constraint, data and programming errors are answers; other errors of the database by the driver's own error."""
