"""Errors of urllib3."""

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
    verdict_of,
)

errors = library("urllib3.exceptions")


def after_retries(reason: Exception) -> Any:
    """Return what urllib3 raises when it has given up."""
    return errors.MaxRetryError(None, "/", reason)


NOT_SENT = [
    errors.NewConnectionError(None, "refused"),
    errors.NameResolutionError("host", None, OSError()),
    errors.ConnectTimeoutError("slow"),
    errors.ProxyError("no proxy", OSError()),
]
PERHAPS_SENT = [
    errors.ReadTimeoutError(None, "/", "slow"),
    errors.ProtocolError("Connection aborted.", ConnectionResetError()),
    errors.IncompleteRead(1, 2),
    errors.SSLError("handshake"),
    errors.ResponseError("too many 500 error responses"),
]


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """What the network does is a failure, by itself and as the reason for giving up."""
    for one in (error, after_retries(error)):
        assert_failure(one)
        assert retry_of(one) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 413, 422, 451, 501])
def test_answers(status: int) -> None:
    """A status that was retried in vain is judged as that status."""
    assert_answer(after_retries(errors.ResponseError(f"too many {status} error responses")))


def test_push_back_and_redirects() -> None:
    """429 stays push-back, and a redirect too many an answer."""
    limited = after_retries(errors.ResponseError("too many 429 error responses"))
    assert verdict_of(limited).retry is MayRetry.PUSHED_BACK
    assert_answer(after_retries(errors.ResponseError("too many redirects")))


@each([errors.EmptyPoolError(None, "full"), errors.FullPoolError(None, "full")])
def test_the_clients_own_limit(error: Any) -> None:
    """A client without a free connection has not asked the server."""
    assert_neutral(error)
    assert retry_of(error) is MayRetry.NOT_SENT


@each(
    [
        errors.LocationParseError("x"),
        errors.URLSchemeUnknown("x"),
        errors.ClosedPoolError(None, "closed"),
    ]
)
def test_misuse(error: Any) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(error)


@each([errors.DecodeError("not gzip")])
def test_an_answer_that_cannot_be_read_is_unknown(error: Any) -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(error) is None
