"""Errors of neo4j, by the class that their code leads to."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import CONNECTION_ERROR, CONNECTION_LOST, lost
from connpool_runtime.classifiers.verdict import (
    MayRetry,
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["neo4j"]

_MISUSE = neutral("misuse of the client")
_NOT_LEADER = unreached("not the leader")
_NO_SERVER = unreached("no server found")

# Most errors that Neo4j calls transient are conflicts of two transactions.
_TRANSIENT: dict[object, Verdict] = {
    "Neo.TransientError.General.DatabaseUnavailable": unreached("database unavailable"),
    "Neo.TransientError.General.MemoryPoolOutOfMemoryError": pushed_back("out of memory"),
    "Neo.TransientError.General.OutOfMemoryError": pushed_back("out of memory"),
    "Neo.TransientError.General.StackOverFlowError": pushed_back("out of memory"),
    "Neo.TransientError.General.TransactionMemoryLimit": pushed_back("out of memory"),
    "Neo.TransientError.Request.NoThreadsAvailable": pushed_back("no threads available"),
    "Neo.TransientError.Transaction.MaximumTransactionLimitReached": pushed_back("too many transactions"),
}  # fmt: skip
_CALLERS_LIMIT = neutral("caller's time limit", MayRetry.YES)
_CLIENT: dict[object, Verdict] = {
    "Neo.ClientError.Transaction.TransactionTimedOut": _CALLERS_LIMIT,
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration": _CALLERS_LIMIT,
}


def _code(error: BaseException) -> str:
    return str(attribute(error, "code"))


neo4j = ErrorTable(
    "neo4j",
    ("neo4j",),
    {
        "AuthError": unreached("authentication failed"),
        "BrokenRecordError": None,
        "ClientError": ByCode("the code of Neo4j", _code, _CLIENT, answer("error reply")),
        "ConfigurationError": _MISUSE,
        "ConnectionPoolError": own_limit("client's own connection limit"),
        "DatabaseError": failure("database error"),
        "DatabaseUnavailable": unreached("database unavailable"),
        "ForbiddenOnReadOnlyDatabase": _NOT_LEADER,
        "IncompleteCommit": failure("incomplete commit"),
        "NotALeader": _NOT_LEADER,
        "ReadServiceUnavailable": _NO_SERVER,
        "ResultError": _MISUSE,
        "ResultNotSingleError": answer("not one record"),
        "RoutingServiceUnavailable": _NO_SERVER,
        "ServiceUnavailable": lost(CONNECTION_ERROR),
        "SessionError": _MISUSE,
        "SessionExpired": lost(CONNECTION_LOST),
        "TransactionError": _MISUSE,
        "TransientError": ByCode("the code of Neo4j", _code, _TRANSIENT, answer("transient error")),
        "WriteServiceUnavailable": _NO_SERVER,
    },
)
"""Syntax, constraint and deadlock are answers; a database that is not there, or not the leader, fails."""
