"""Errors of httpx, and of httpcore below it."""

from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
    verdict_of,
)

httpx = library("httpx")
REQUEST = httpx.Request("GET", "http://a")


def status_error(status: int, **headers: str) -> Any:
    """Return what `raise_for_status` raises."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, request=REQUEST, headers=spelled)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    return caught.value


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 410, 412, 415, 422, 501])
def test_answers(status: int) -> None:
    """A status about the request is an answer."""
    assert_answer(status_error(status))


def test_too_many_redirects_are_an_answer() -> None:
    """A server that sends us in circles has answered."""
    assert_answer(httpx.TooManyRedirects("20", request=REQUEST))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 522])
def test_failures_by_status(status: int) -> None:
    """A status about the server is a failure."""
    assert_failure(status_error(status))


@pytest.mark.parametrize(
    ("name", "retry"),
    [
        ("ConnectError", MayRetry.NOT_SENT),
        ("ConnectTimeout", MayRetry.NOT_SENT),
        ("ProxyError", MayRetry.NOT_SENT),
        ("ReadTimeout", MayRetry.YES),
        ("WriteTimeout", MayRetry.YES),
        ("ReadError", MayRetry.YES),
        ("WriteError", MayRetry.YES),
        ("CloseError", MayRetry.YES),
        ("RemoteProtocolError", MayRetry.YES),
    ],
)
def test_failures(name: str, retry: MayRetry) -> None:
    """What the network does is a failure; only before the connection stands nothing was sent."""
    error = getattr(httpx, name)("failed")
    assert_failure(error)
    assert retry_of(error) is retry


def test_push_back() -> None:
    """Retry-After is read from the answer."""
    assert verdict_of(status_error(429, retry_after="3")).retry_after == 3.0
    assert verdict_of(status_error(503, retry_after="3")).retry is MayRetry.PUSHED_BACK


def test_the_clients_own_limit() -> None:
    """A client without a free connection has not asked the server."""
    error = httpx.PoolTimeout("full")
    assert_neutral(error)
    assert retry_of(error) is MayRetry.NOT_SENT


@pytest.mark.parametrize(
    "name", ["UnsupportedProtocol", "InvalidURL", "LocalProtocolError", "CookieConflict"]
)
def test_misuse(name: str) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(getattr(httpx, name)("wrong"))


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(httpx.DecodingError("not gzip", request=REQUEST)) is None
