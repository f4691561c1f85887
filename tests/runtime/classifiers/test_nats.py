"""Errors of nats-py; the test with a real server holds more."""

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

errors = library("nats.errors")
js = library("nats.js.errors")

ANSWERS = [
    errors.NoRespondersError(),
    errors.MaxPayloadError(),
    js.NotFoundError(code=404),
    js.BadRequestError(code=400),
    js.APIError(code=409),
    js.KeyNotFoundError(),
    js.KeyDeletedError(None, "DEL"),
    js.KeyWrongLastSequenceError("x"),
    js.BucketNotFoundError(),
    js.ObjectNotFoundError(),
    js.NoKeysError(),
    js.NoStreamResponseError(),
]
NOT_SENT = [
    errors.NoServersError(),
    errors.ConnectionClosedError(),
    errors.ConnectionReconnectingError(),
    errors.AuthorizationError(),
    errors.SecureConnFailedError(),
    js.ServiceUnavailableError(code=503),
]
PERHAPS_SENT = [
    errors.TimeoutError(),
    errors.FlushTimeoutError(),
    errors.StaleConnectionError(),
    errors.UnexpectedEOF(),
    errors.ProtocolError(),
    js.ServerError(code=500),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """No responder, no stream, no key, another sequence: answers."""
    assert_answer(error)


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """A server that is not reached, or not in time, is a failure."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@each(
    [
        errors.BadSubjectError(),
        errors.OutboundBufferLimitError(),
        errors.ConnectionDrainingError(),
        js.FetchTimeoutError(),
    ]
)
def test_neutral(error: Any) -> None:
    """Misuse, limits of ours and an empty stream say nothing about the server."""
    assert_neutral(error)


def test_push_back() -> None:
    """JetStream that refuses for its load has too much to do."""
    assert retry_of(js.APIError(code=429)) is MayRetry.PUSHED_BACK
