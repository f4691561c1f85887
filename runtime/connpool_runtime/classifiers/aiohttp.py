"""Errors of aiohttp."""

from __future__ import annotations

from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_ERROR,
    CONNECTION_LOST,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
    never_connected,
)
from connpool_runtime.classifiers.verdict import Verdict, answer, neutral, unreached

__all__ = ["aiohttp"]

_MISUSE = neutral("misuse of the client")


def _reply(error: BaseException) -> Verdict | None:
    """Judge by the status; aiohttp reports 400 for an answer that was not HTTP at all."""
    made_up = type(error.__cause__).__module__ == "aiohttp.http_exceptions"
    return PROTOCOL_ERROR if made_up else status(error)


aiohttp = ErrorTable(
    "aiohttp",
    ("aiohttp",),
    {
        "ClientConnectionError": CONNECTION_ERROR,
        "ClientConnectionResetError": CONNECTION_LOST,
        "ClientConnectorCertificateError": unreached("certificate rejected"),
        "ClientConnectorDNSError": unreached("host not found"),
        "ClientConnectorError": never_connected(CONNECT_FAILED),
        "ClientOSError": lost(CONNECTION_ERROR),
        "ClientPayloadError": CONNECTION_LOST,
        "ClientProxyConnectionError": unreached("proxy error"),
        "ClientResponseError": _reply,
        "ClientSSLError": unreached("TLS error"),
        "ConnectionTimeoutError": CONNECT_TIMED_OUT,
        "InvalidURL": _MISUSE,
        "NonHttpUrlClientError": _MISUSE,
        "ServerConnectionError": CONNECTION_LOST,
        "ServerDisconnectedError": CONNECTION_LOST,
        "ServerFingerprintMismatch": unreached("certificate rejected"),
        "ServerTimeoutError": TIMED_OUT,
        "TooManyRedirects": answer("too many redirects"),
        "WSMessageTypeError": _MISUSE,
    },
)
"""A status is judged only where the caller asks for errors, by `raise_for_status`."""
