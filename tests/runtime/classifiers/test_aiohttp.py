"""Errors of aiohttp."""

from types import SimpleNamespace
from typing import Any

import pytest

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

aiohttp = library("aiohttp")
KEY = SimpleNamespace(host="a", port=1, ssl=True, is_ssl=True)


def status_error(status: int, **headers: str) -> Any:
    """Return what `raise_for_status` raises."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return aiohttp.ClientResponseError(None, (), status=status, headers=spelled)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 412, 422, 501])
def test_answers(status: int) -> None:
    """A status about the request is an answer."""
    assert_answer(status_error(status))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_by_status(status: int) -> None:
    """A status about the server is a failure."""
    assert_failure(status_error(status))


NOT_SENT = [
    aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")),
    aiohttp.ClientConnectorError(KEY, OSError(113, "No route to host")),
    aiohttp.ClientConnectorDNSError(KEY, OSError("no name")),
    aiohttp.ClientConnectorSSLError(KEY, OSError("handshake")),
    aiohttp.ClientProxyConnectionError(KEY, OSError("refused")),
    aiohttp.ConnectionTimeoutError("slow"),
]
PERHAPS_SENT = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientOSError(104, "Connection reset by peer"),
    aiohttp.ClientConnectionResetError("closing"),
    aiohttp.ClientPayloadError("cut off"),
    aiohttp.SocketTimeoutError("slow"),
    aiohttp.ServerTimeoutError("slow"),
]


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """What the network does is a failure; only before the connection stands nothing was sent."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


def test_push_back() -> None:
    """Retry-After is read from the answer."""
    assert verdict_of(status_error(429, Retry_After="3")).retry_after == 3.0


def test_misuse() -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(aiohttp.InvalidURL("x"))
    assert_neutral(aiohttp.NonHttpUrlClientError("x"))
