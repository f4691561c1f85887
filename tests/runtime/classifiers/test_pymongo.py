"""Errors of pymongo."""

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

errors = library("pymongo.errors")


def reply(code: int, *labels: str) -> Any:
    """Return what the client makes of an answer that says no."""
    return errors.OperationFailure(
        "failed", code, {"ok": 0, "code": code, "errorLabels": list(labels)}
    )


# BadValue, FailedToParse, Unauthorized, NamespaceNotFound, WriteConflict, CommandNotFound, DuplicateKey and so on.
@pytest.mark.parametrize("code", [2, 9, 13, 14, 26, 27, 48, 59, 72, 85, 112, 121, 251, 11000])
def test_answers(code: int) -> None:
    """A number about the request is an answer."""
    assert_answer(reply(code))


ANSWERS = [
    errors.DuplicateKeyError("E11000 duplicate key", 11000),
    errors.WriteError("Document failed validation", 121),
    errors.BulkWriteError({"writeErrors": [{"code": 11000}]}),
    errors.CursorNotFound("cursor id 1 not found", 43),
    errors.CollectionInvalid("collection a already exists"),
]


@each(ANSWERS)
def test_answers_by_class(error: Any) -> None:
    """What a healthy server refuses is an answer, whatever class it has."""
    assert_answer(error)


# InternalError, HostUnreachable, NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, SocketException, NotPrimary...
@pytest.mark.parametrize(
    "code", [1, 6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]
)
def test_failures(code: int) -> None:
    """A number about the server is a failure."""
    assert_failure(reply(code))


NOT_SENT = [errors.ServerSelectionTimeoutError("no servers found yet"), reply(10107), reply(18)]
PERHAPS_SENT = [
    errors.AutoReconnect("connection closed"),
    errors.NetworkTimeout("timed out"),
    errors.NotPrimaryError("not primary"),
    errors.ConnectionFailure("failed"),
    errors.ProtocolError("junk"),
]


@each(NOT_SENT + PERHAPS_SENT)
def test_failures_by_class(error: Any) -> None:
    """What the network does is a failure; without a server nothing was sent."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


def test_a_refused_connection_was_not_sent() -> None:
    """The system's refusal below the client's error tells that nothing was sent."""
    error = errors.AutoReconnect("127.0.0.1:1: [Errno 111] Connection refused")
    error.__cause__ = ConnectionRefusedError()
    assert retry_of(error) is MayRetry.NOT_SENT


def test_push_back() -> None:
    """A rate limit, and whatever the server labels as overload, is push-back."""
    assert retry_of(reply(462)) is MayRetry.PUSHED_BACK
    assert retry_of(reply(2, "SystemOverloadedError")) is MayRetry.PUSHED_BACK


NEUTRAL = [
    errors.WaitQueueTimeoutError("pool is full"),
    errors.ExecutionTimeout("operation exceeded time limit", 50),
    errors.WTimeoutError("waiting for replication timed out", 64),
    errors.InvalidOperation("closed"),
    errors.ConfigurationError("wrong option"),
    errors.InvalidName("empty"),
]


@each(NEUTRAL)
def test_neutral(error: Any) -> None:
    """The caller's own limits, and what the client refuses to send, say nothing about the server."""
    assert_neutral(error)


def test_an_unknown_error_is_unknown() -> None:
    """MongoDB's UnknownError is everything that has no number: comparison decides."""
    assert judge(reply(8)) is None
