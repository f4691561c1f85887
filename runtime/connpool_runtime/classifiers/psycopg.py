"""Errors of psycopg and psycopg_pool, and of psycopg2."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.sqlstate import sqlstate_verdict
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_LOST,
    lost,
)
from connpool_runtime.classifiers.verdict import (
    Verdict,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["psycopg"]

_MISUSE = neutral("misuse of the client")
_OWN_LIMIT = own_limit("client's own connection limit")

# What libpq reports when there is no SQLSTATE: the first of these texts that is found.
_WORDS = {
    "too many clients": pushed_back("server's connection limit"),
    "remaining connection slots": pushed_back("server's connection limit"),
    "password authentication failed": unreached("authentication failed"),
    "timeout expired": CONNECT_TIMED_OUT,
    "Connection refused": unreached("connection refused"),
    "the connection is closed": unreached("connection is closed"),
    "connection already closed": unreached("connection is closed"),
    "connection failed": CONNECT_FAILED,
    "could not connect": CONNECT_FAILED,
    "could not translate host name": unreached("host not found"),
    "failed to resolve host": unreached("host not found"),
}
_lost = lost(CONNECTION_LOST)


def _by_state(error: BaseException) -> Verdict | None:
    return sqlstate_verdict(attribute(error, "sqlstate") or attribute(error, "pgcode"))


def _operational(error: BaseException) -> Verdict | None:
    """Judge by the SQLSTATE; an error without one is the client's own report about the connection."""
    if attribute(error, "sqlstate") or attribute(error, "pgcode"):
        return _by_state(error)
    text = str(error)
    found = next((verdict for words, verdict in _WORDS.items() if words in text), None)
    return found or _lost(error)


def _interface(error: BaseException) -> Verdict | None:
    return _WORDS["connection already closed"] if "connection" in str(error) else _MISUSE


def _statement(error: BaseException) -> Verdict | None:
    """Judge by the SQLSTATE; an error without one was raised by the client before it sent anything."""
    state = attribute(error, "sqlstate") or attribute(error, "pgcode")
    return _by_state(error) if state else _MISUSE


psycopg = ErrorTable(
    "psycopg",
    ("psycopg", "psycopg_pool", "psycopg2"),
    {
        "ConnectionTimeout": CONNECT_TIMED_OUT,
        "Error": _by_state,
        "DataError": _statement,
        "IntegrityError": _statement,
        "InterfaceError": _interface,
        "NotSupportedError": _statement,
        "OperationalError": _operational,
        "PoolClosed": neutral("client is closed"),
        "PoolTimeout": _OWN_LIMIT,
        "ProgrammingError": _statement,
        "TooManyRequests": _OWN_LIMIT,
    },
)
"""Judges by SQLSTATE; a constraint, a missing table or a deadlock is an answer."""
