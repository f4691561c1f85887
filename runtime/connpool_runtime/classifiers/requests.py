"""Errors of requests."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import inner
from connpool_runtime.classifiers.status import http_verdict, status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_TIMED_OUT,
    CONNECTION_ERROR,
    CONNECTION_LOST,
    TIMED_OUT,
    TLS_ERROR,
    lost,
)
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import Verdict, answer, neutral, unreached

__all__ = ["requests"]

_MISUSE = neutral("misuse of the client")


def _gave_up(error: BaseException) -> Verdict:
    """Return the verdict on the status that urllib3 has retried in vain."""
    return inner(error, urllib3) or http_verdict(500)


requests = ErrorTable(
    "requests",
    ("requests",),
    {
        "ChunkedEncodingError": CONNECTION_LOST,
        "ConnectTimeout": CONNECT_TIMED_OUT,
        "ConnectionError": lost(CONNECTION_ERROR, urllib3),
        "ContentDecodingError": None,
        "HTTPError": status,
        "InvalidHeader": _MISUSE,
        "InvalidJSONError": _MISUSE,
        "InvalidSchema": _MISUSE,
        "InvalidURL": _MISUSE,
        "JSONDecodeError": None,  # of the answer
        "MissingSchema": _MISUSE,
        "ProxyError": unreached("proxy error"),
        "ReadTimeout": TIMED_OUT,
        "RetryError": _gave_up,
        "SSLError": lost(TLS_ERROR, urllib3),
        "StreamConsumedError": _MISUSE,
        "Timeout": TIMED_OUT,
        "TooManyRedirects": answer("too many redirects"),
        "URLRequired": _MISUSE,
        "UnrewindableBodyError": _MISUSE,
    },
)
"""A status is judged only where the caller asks for errors, by `raise_for_status`."""
