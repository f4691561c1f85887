"""Errors of aiohttp."""

from __future__ import annotations

from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_ERROR,
    CONNECTION_LOST,
    TIMED_OUT,
    lost,
    never_connected,
)
from connpool_runtime.classifiers.verdict import answer, neutral, unreached

__all__ = ["aiohttp"]

_MISUSE = neutral("misuse of the client")

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
        "ClientResponseError": status,
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
