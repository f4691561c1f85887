"""Errors of redis and valkey."""

from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
    verdict_of,
)

PACKAGES = ["redis", "valkey"]


@pytest.fixture(params=PACKAGES)
def errors(request: pytest.FixtureRequest) -> Any:
    """The module of errors of one of the two."""
    return library(f"{request.param}.exceptions")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ResponseError", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("ResponseError", "value is not an integer or out of range"),
        ("ResponseError", "ERR Error running script: @user_script:1: boom"),
        ("ResponseError", "unknown command 'NOPE', with args beginning with: "),
        ("ResponseError", "CROSSSLOT Keys in request don't hash to the same slot"),
        ("ResponseError", "MOVED 3999 127.0.0.1:6381"),
        ("ResponseError", "Command # 1 (INCR k) of pipeline caused error: WRONGTYPE Operation"),
        ("NoScriptError", "No matching script"),
        ("NoPermissionError", "this user has no permissions to run the 'set' command"),
        ("ExecAbortError", "Transaction discarded because of previous errors."),
        ("WatchError", "Watched variable changed."),
        ("LockError", "Cannot release an unlocked lock"),
        ("LockNotOwnedError", "Cannot release a lock that's no longer owned"),
        ("ModuleError", "Error loading the extension."),
    ],
)
def test_answers(errors: Any, name: str, text: str) -> None:
    """What a healthy server says to a call is a success, and asking again is of no use."""
    assert_answer(getattr(errors, name)(text))


@pytest.mark.parametrize(
    ("name", "text", "retry"),
    [
        ("ConnectionError", "Connection closed by server.", MayRetry.YES),
        ("TimeoutError", "Timeout reading from socket", MayRetry.YES),
        ("TimeoutError", "Timeout connecting to server", MayRetry.NOT_SENT),
        ("BusyLoadingError", "Redis is loading the dataset in memory", MayRetry.PUSHED_BACK),
        ("ReadOnlyError", "You can't write against a read only replica.", MayRetry.NOT_SENT),
        ("ClusterDownError", "The cluster is down", MayRetry.NOT_SENT),
        ("MasterDownError", "Link with MASTER is down", MayRetry.NOT_SENT),
        ("AuthenticationError", "invalid username-password pair", MayRetry.NOT_SENT),
        ("InvalidResponse", "Protocol Error: b'junk'", MayRetry.YES),
        ("ResponseError", "MISCONF Redis is configured to save RDB snapshots", MayRetry.NOT_SENT),
        ("ResponseError", "NOREPLICAS Not enough good replicas to write.", MayRetry.NOT_SENT),
        ("ResponseError", "Command # 1 (SET k) of pipeline caused error: READONLY You", MayRetry.NOT_SENT),
    ],
)  # fmt: skip
def test_failures(errors: Any, name: str, text: str, retry: MayRetry) -> None:
    """A server that cannot be reached, or cannot do its work, has failed; what it refused was not carried out."""
    error = getattr(errors, name)(text)
    assert_failure(error)
    assert retry_of(error) is retry


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ResponseError", "BUSY Redis is busy running a script."),
        ("OutOfMemoryError", "command not allowed when used memory > 'maxmemory'."),
        ("TryAgainError", "Multiple keys request during rehashing of slot"),
        ("ConnectionError", "max number of clients reached"),
    ],
)
def test_push_back(errors: Any, name: str, text: str) -> None:
    """A server with too much to do is not cut off, and is asked again later."""
    verdict = verdict_of(getattr(errors, name)(text))
    assert (verdict.outcome, verdict.retry) == (Outcome.NEUTRAL, MayRetry.PUSHED_BACK)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MaxConnectionsError", "Too many connections"),
        ("ConnectionError", "Too many connections"),
        ("ConnectionError", "No connection available."),
    ],
)
def test_the_clients_own_limit(errors: Any, name: str, text: str) -> None:
    """A client without a free connection has not asked the server."""
    error = getattr(errors, name)(text)
    assert_neutral(error)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_misuse(errors: Any) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(errors.DataError("Invalid input of type: 'dict'"))
    assert_neutral(errors.PubSubError("not subscribed"))


def test_a_refused_connection_was_not_sent(errors: Any) -> None:
    """The system's refusal below the client's error tells that nothing was sent."""
    error = errors.ConnectionError("Error 111 connecting to 127.0.0.1:1. Connection refused.")
    error.__context__ = ConnectionRefusedError(111, "Connection refused")
    assert verdict_of(error).reason == "connection refused"
    assert retry_of(error) is MayRetry.NOT_SENT
