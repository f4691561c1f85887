"""Errors of azure-core."""

from __future__ import annotations

from connpool_runtime.classifiers.aiohttp import aiohttp
from connpool_runtime.classifiers.requests import requests
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECT_TIMED_OUT,
    CONNECTION_LOST,
    TIMED_OUT,
    lost,
    never_connected,
)
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import answer, neutral

__all__ = ["azure"]

_MISUSE = neutral("misuse of the client")
_SENDERS = (requests, urllib3, aiohttp)

azure = ErrorTable(
    "azure",
    ("azure.core",),
    {
        "DecodeError": None,
        "DeserializationError": None,
        "HttpResponseError": status,
        "IncompleteReadError": CONNECTION_LOST,
        "ResourceNotModifiedError": answer("HTTP 304"),
        "ResponseNotReadError": _MISUSE,
        "SerializationError": _MISUSE,
        # The client guarantees that no request was sent.
        "ServiceRequestError": never_connected(CONNECT_FAILED, *_SENDERS),
        "ServiceRequestTimeoutError": CONNECT_TIMED_OUT,
        "ServiceResponseError": lost(CONNECTION_LOST, *_SENDERS),
        "ServiceResponseTimeoutError": TIMED_OUT,
        "StreamClosedError": _MISUSE,
        "StreamConsumedError": _MISUSE,
        "TooManyRedirectsError": answer("too many redirects"),
    },
)
"""Judges by the HTTP status."""
