"""Errors of pymongo, by MongoDB's error code."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECTION_ERROR,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
)
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

__all__ = ["pymongo"]

_MISUSE = neutral("misuse of the client")
_SHUTDOWN = failure("server is shutting down")
_NOT_PRIMARY = failure("not primary")
_NETWORK = failure("network of the server")
_ERROR_REPLY = answer("error reply")

_CODES: dict[object, Verdict] = {
    1: failure("internal error"),
    6: _NETWORK,
    7: _NETWORK,
    13: answer("not allowed"),
    18: unreached("authentication failed"),
    50: neutral("caller's time limit", MayRetry.YES),
    64: neutral("write concern timed out", MayRetry.YES),
    89: _NETWORK,
    91: _SHUTDOWN,
    134: failure("read concern not available yet"),
    189: _NOT_PRIMARY,
    202: pushed_back("network interface limit"),
    262: failure("server's time limit"),
    462: pushed_back("rate limit"),
    9001: _NETWORK,
    10058: _NOT_PRIMARY,
    10107: unreached("not primary"),
    11000: answer("duplicate key"),
    11600: _SHUTDOWN,
    11602: _NOT_PRIMARY,
    13435: unreached("not primary"),
    13436: _NOT_PRIMARY,
    # Codes known to say nothing: the server itself does not know what went wrong.
}
_OVERLOADED = pushed_back("server overloaded")
_UNKNOWN_ERROR = 8


def _reply(error: BaseException) -> Verdict | None:
    labels = attribute(error, "has_error_label")
    if callable(labels) and labels("SystemOverloadedError") is True:
        return _OVERLOADED
    return None if attribute(error, "code") == _UNKNOWN_ERROR else _ERROR_REPLY


_lost = lost(CONNECTION_ERROR)


def _connection(error: BaseException) -> Verdict | None:
    return _OVERLOADED if _reply(error) is _OVERLOADED else _lost(error)


pymongo = ErrorTable(
    "pymongo",
    ("pymongo", "bson"),
    {
        "AutoReconnect": _connection,
        "BSONError": _MISUSE,
        "CollectionInvalid": _ERROR_REPLY,
        "ConfigurationError": _MISUSE,
        "ConnectionFailure": _connection,
        "CursorNotFound": answer("cursor not found"),
        "ExecutionTimeout": neutral("caller's time limit", MayRetry.YES),
        "InvalidName": _MISUSE,
        "InvalidOperation": _MISUSE,
        "NetworkTimeout": TIMED_OUT,
        "NotPrimaryError": _NOT_PRIMARY,
        "OperationFailure": ByCode(
            "the number of MongoDB", lambda error: _number(error), _CODES, _reply
        ),
        "ProtocolError": PROTOCOL_ERROR,
        "ServerSelectionTimeoutError": unreached("no server found"),
        "WaitQueueTimeoutError": own_limit("client's own connection limit"),
        "_OperationCancelled": neutral("cancelled"),
    },
)
"""A duplicate key or a failed validation is an answer; a server that is not primary, or goes down, fails."""


def _number(error: BaseException) -> int | None:
    code = attribute(error, "code")
    return code if isinstance(code, int) else None
