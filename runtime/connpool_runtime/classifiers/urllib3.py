"""Errors of urllib3, which requests, botocore, kubernetes and others build on."""

from __future__ import annotations

import re

from connpool_runtime.classifiers.status import http_verdict
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_LOST,
    TIMED_OUT,
    TLS_ERROR,
    lost,
    never_connected,
)
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    neutral,
    own_limit,
    unreached,
)

__all__ = ["urllib3"]

_MISUSE = neutral("misuse of the client")
_OWN_LIMIT = own_limit("client's own connection limit")
_TOO_MANY = re.compile(r"too many ([45]\d\d) error responses")


def _too_many(error: BaseException) -> Verdict:
    """Return the verdict on the status that urllib3 has retried in vain; it is only in the text."""
    found = _TOO_MANY.search(str(error))
    return http_verdict(int(found[1])) if found else answer("too many redirects")


urllib3 = ErrorTable(
    "urllib3",
    ("urllib3",),
    {
        "ClosedPoolError": neutral("client is closed"),
        "ConnectTimeoutError": CONNECT_TIMED_OUT,
        "DecodeError": None,
        "EmptyPoolError": _OWN_LIMIT,
        "FullPoolError": _OWN_LIMIT,
        "IncompleteRead": CONNECTION_LOST,
        "InvalidChunkLength": CONNECTION_LOST,
        "InvalidHeader": None,
        "LocationValueError": _MISUSE,
        "MaxRetryError": None,  # judged by its reason
        "NameResolutionError": unreached("host not found"),
        "NewConnectionError": never_connected(CONNECT_FAILED),
        "ProtocolError": lost(CONNECTION_LOST),
        "ProxyError": unreached("proxy error"),
        "ProxySchemeUnsupported": _MISUSE,
        "ReadTimeoutError": TIMED_OUT,
        "ResponseError": _too_many,
        "SSLError": lost(TLS_ERROR),
        "TimeoutError": TIMED_OUT,
        "TimeoutStateError": _MISUSE,
        "UnrewindableBodyError": _MISUSE,
    },
)
"""`MaxRetryError` is judged by its reason."""
