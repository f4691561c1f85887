"""Errors of httpx and of httpcore below it, in all versions that may be installed side by side."""

from __future__ import annotations

from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_LOST,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
    never_connected,
)
from connpool_runtime.classifiers.verdict import answer, neutral, own_limit, unreached

__all__ = ["httpx"]

_MISUSE = neutral("misuse of the client")

httpx = ErrorTable(
    "httpx",
    ("httpx", "httpx2", "httpcore", "httpcore2"),
    {
        "ConnectError": never_connected(CONNECT_FAILED),
        "ConnectTimeout": CONNECT_TIMED_OUT,
        "CookieConflict": _MISUSE,
        "DecodingError": None,
        "HTTPStatusError": status,
        "InvalidURL": _MISUSE,
        "LocalProtocolError": _MISUSE,
        "NetworkError": lost(CONNECTION_LOST),
        "PoolTimeout": own_limit("client's own connection limit"),
        "ProtocolError": PROTOCOL_ERROR,
        "ProxyError": unreached("proxy error"),
        "RemoteProtocolError": PROTOCOL_ERROR,
        "StreamError": _MISUSE,
        "TimeoutException": TIMED_OUT,
        "TooManyRedirects": answer("too many redirects"),
        "UnsupportedProtocol": _MISUSE,
    },
)
"""A status is judged only where the caller asks for errors, by `raise_for_status`."""
