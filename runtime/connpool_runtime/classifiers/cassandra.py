"""Errors of cassandra-driver and its relatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.table import ErrorTable, Rules
from connpool_runtime.classifiers.transport import (
    CONNECTION_ERROR,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
    network,
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
    worst,
)

__all__ = ["cassandra"]

_MISUSE = neutral("misuse of the client")
_NO_HOST = failure("no host available")
_NO_HOST_REACHED = unreached("no host available")
_OWN_LIMIT = own_limit("client's own connection limit")
_TOO_FEW = unreached("too few replicas")
_OVERLOADED = pushed_back("overloaded")


def _no_host(error: BaseException) -> Verdict:
    """Judge by the error of each host: the call was not sent only if none was reached."""
    found = attribute(error, "errors")
    if not isinstance(found, Mapping):
        return _NO_HOST
    errors = cast("Mapping[Any, object]", found).values()
    said = [_host(one) for one in errors if isinstance(one, BaseException)]
    unsent = said and all(verdict and verdict.retry is MayRetry.NOT_SENT for verdict in said)
    overall = worst(said)
    if overall is not None and overall.retry is MayRetry.PUSHED_BACK:
        return _OVERLOADED
    return _NO_HOST_REACHED if unsent else _NO_HOST


def _host(error: BaseException) -> Verdict | None:
    return _of_a_host(error) or network(error)


_HOST_RULES: Rules = {
    "AuthenticationFailed": unreached("authentication failed"),
    "ConnectionBusy": _OWN_LIMIT,
    "ConnectionException": lost(CONNECTION_ERROR),
    "IsBootstrappingErrorMessage": unreached("bootstrapping"),
    "NoConnectionsAvailable": _OWN_LIMIT,
    "OperationTimedOut": TIMED_OUT,
    "OverloadedErrorMessage": _OVERLOADED,
    "UnavailableErrorMessage": _TOO_FEW,
}
_of_a_host = ErrorTable("cassandra", ("cassandra",), _HOST_RULES)

cassandra = ErrorTable(
    "cassandra",
    ("cassandra",),
    {
        **_HOST_RULES,
        "CDCWriteFailure": failure("write failed"),
        "ConfigurationException": answer("error reply"),
        "CoordinationFailure": failure("replica failed"),
        "DependencyException": _MISUSE,
        "FunctionFailure": answer("function failed"),
        "NoHostAvailable": _no_host,
        "ProtocolException": PROTOCOL_ERROR,
        "RequestExecutionException": failure("server error"),
        "RequestValidationException": answer("error reply"),
        "ServerError": failure("server error"),
        "Timeout": TIMED_OUT,
        "TraceUnavailable": answer("no trace"),
        "Unavailable": _TOO_FEW,
        "UnresolvableContactPoints": unreached("host not found"),
        "UnsupportedOperation": _MISUSE,
    },
)
"""A request that is invalid, or not allowed, is an answer; a coordinator that finds too few replicas fails."""
