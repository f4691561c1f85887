"""Errors of opensearch-py."""

from __future__ import annotations

from connpool_runtime.classifiers.aiohttp import aiohttp
from connpool_runtime.classifiers.requests import requests
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECTION_ERROR,
    TIMED_OUT,
    TLS_ERROR,
    lost,
)
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import neutral

__all__ = ["opensearch"]

_MISUSE = neutral("misuse of the client")
_NODES = (urllib3, aiohttp, requests)

opensearch = ErrorTable(
    "opensearch",
    ("opensearchpy",),
    {
        "ConnectionError": lost(CONNECTION_ERROR, *_NODES),
        "ConnectionTimeout": lost(TIMED_OUT, *_NODES),
        "ImproperlyConfigured": _MISUSE,
        "OpenSearchDslException": _MISUSE,
        "SSLError": lost(TLS_ERROR, *_NODES),
        "SerializationError": None,
        "TransportError": status,
    },
)
"""Judges by the HTTP status."""
