"""Errors of requests."""

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

requests = library("requests")
errors = library("requests.exceptions")
urllib3 = library("urllib3.exceptions")


def status_error(status: int, **headers: str) -> Any:
    """Return what `raise_for_status` raises."""
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    with pytest.raises(errors.HTTPError) as caught:
        response.raise_for_status()
    return caught.value


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 412, 422, 501])
def test_answers(status: int) -> None:
    """A status about the request is an answer."""
    assert_answer(status_error(status))


def test_too_many_redirects_are_an_answer() -> None:
    """A server that sends us in circles has answered."""
    assert_answer(errors.TooManyRedirects("30", response=requests.Response()))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_by_status(status: int) -> None:
    """A status about the server is a failure."""
    assert_failure(status_error(status))


REFUSED = urllib3.MaxRetryError(None, "/", urllib3.NewConnectionError(None, "refused"))
NOT_SENT = [
    errors.ConnectionError(REFUSED),
    errors.ConnectTimeout("slow"),
    errors.ProxyError("no proxy"),
]
PERHAPS_SENT = [
    errors.ConnectionError(urllib3.ProtocolError("aborted", ConnectionResetError())),
    errors.ConnectionError("gone"),
    errors.ReadTimeout("slow"),
    errors.SSLError("handshake"),
    errors.ChunkedEncodingError("cut off"),
    errors.RetryError(urllib3.MaxRetryError(None, "/", urllib3.ResponseError("too many 503 error responses"))),
]  # fmt: skip


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """What the network does is a failure; only before the connection stands nothing was sent."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


def test_push_back() -> None:
    """Retry-After is read from the answer, and a 429 that urllib3 retried in vain is still push-back."""
    assert verdict_of(status_error(429, Retry_After="3")).retry_after == 3.0
    reason = urllib3.ResponseError("too many 429 error responses")
    assert (
        retry_of(errors.RetryError(urllib3.MaxRetryError(None, "/", reason)))
        is MayRetry.PUSHED_BACK
    )


def test_the_clients_own_limit() -> None:
    """urllib3's full pool below an error of requests is a limit of ours."""
    assert_neutral(errors.ConnectionError(urllib3.EmptyPoolError(None, "full")))


@each(
    [
        errors.InvalidURL("x"),
        errors.MissingSchema("x"),
        errors.InvalidSchema("x"),
        errors.InvalidHeader("x"),
    ]
)
def test_misuse(error: Any) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(error)


@each([errors.JSONDecodeError("Expecting value", "", 0), errors.ContentDecodingError("not gzip")])
def test_an_answer_that_cannot_be_read_is_unknown(error: Any) -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(error) is None
