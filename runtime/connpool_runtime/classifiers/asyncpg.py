"""Errors of asyncpg."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.sqlstate import sqlstate_verdict
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import PROTOCOL_ERROR
from connpool_runtime.classifiers.verdict import Verdict, answer, neutral, unreached

__all__ = ["asyncpg"]

_MISUSE = neutral("misuse of the client")
_CLOSED = unreached("connection is closed")


def _interface(error: BaseException) -> Verdict:
    return _CLOSED if "connection is closed" in str(error) else _MISUSE


asyncpg = ErrorTable(
    "asyncpg",
    ("asyncpg",),
    {
        "ClientConfigurationError": _MISUSE,
        "InterfaceError": _interface,
        "InternalClientError": PROTOCOL_ERROR,
        "OutdatedSchemaCacheError": answer("schema changed"),
        "PostgresError": lambda error: sqlstate_verdict(attribute(error, "sqlstate")),
        "ProtocolError": PROTOCOL_ERROR,
        "TargetServerAttributeNotMatched": unreached("not the wanted kind of server"),
    },
)
"""Judges by SQLSTATE; a constraint, a missing table or a deadlock is an answer."""
