"""Errors of cassandra-driver."""

from typing import Any

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    each,
    library,
    retry_of,
)

cassandra = library("cassandra")
cluster = library("cassandra.cluster")
connection = library("cassandra.connection")
pool = library("cassandra.pool")
protocol = library("cassandra.protocol")


def message(kind: str) -> Any:
    """Return a message of the protocol, which is an error too."""
    return getattr(protocol, kind)(0, "failed", {})


ANSWERS = [
    cassandra.InvalidRequest("x"),
    cassandra.Unauthorized("x"),
    cassandra.AlreadyExists("keyspace", "table"),
    cassandra.FunctionFailure("x", "keyspace", "function", []),
    cassandra.ConfigurationException("x"),
    message("SyntaxException"),
    message("InvalidRequestException"),
    message("UnauthorizedErrorMessage"),
    message("ConfigurationException"),
    message("PreparedQueryNotFound"),
]
NOT_SENT = [
    cassandra.Unavailable("x"),
    cassandra.AuthenticationFailed("x"),
    cassandra.UnresolvableContactPoints({}),
    message("IsBootstrappingErrorMessage"),
    cluster.NoHostAvailable("x", {"a": ConnectionRefusedError(), "b": ConnectionRefusedError()}),
]
PERHAPS_SENT = [
    cassandra.ReadTimeout("x"),
    cassandra.WriteTimeout("x", write_type=0),
    cassandra.ReadFailure("x"),
    cassandra.WriteFailure("x"),
    cassandra.OperationTimedOut(),
    message("ServerError"),
    message("TruncateError"),
    connection.ConnectionShutdown("gone"),
    cluster.NoHostAvailable(
        "x", {"a": ConnectionRefusedError(), "b": cassandra.OperationTimedOut()}
    ),
    cluster.NoHostAvailable("x", {}),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """A request that is invalid or not allowed is an answer."""
    assert_answer(error)


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """Too few replicas, and what the network does, is a failure; if no host was reached nothing was sent."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@each(
    [
        message("OverloadedErrorMessage"),
        cluster.NoHostAvailable("x", {"a": message("OverloadedErrorMessage")}),
    ]
)
def test_push_back(error: Any) -> None:
    """A coordinator that is overloaded has too much to do."""
    assert retry_of(error) is MayRetry.PUSHED_BACK


@each(
    [
        pool.NoConnectionsAvailable("full"),
        connection.ConnectionBusy("busy"),
        cassandra.UnsupportedOperation("x"),
    ]
)
def test_neutral(error: Any) -> None:
    """Limits of ours, and misuse, say nothing about the server."""
    assert_neutral(error)
