"""Errors of elasticsearch and of elastic_transport below it."""

from __future__ import annotations

from connpool_runtime.classifiers.aiohttp import aiohttp
from connpool_runtime.classifiers.httpx import httpx
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
from connpool_runtime.classifiers.verdict import answer, failure

__all__ = ["elasticsearch"]

_NODES = (urllib3, aiohttp, requests, httpx)  # what a node may be made of

elasticsearch = ErrorTable(
    "elasticsearch",
    ("elasticsearch", "elastic_transport"),
    {
        "ApiError": status,
        "ConnectionError": lost(CONNECTION_ERROR, *_NODES),
        "ConnectionTimeout": lost(TIMED_OUT, *_NODES),
        "SerializationError": None,
        "SniffingError": failure("sniffing failed"),
        "TlsError": lost(TLS_ERROR, *_NODES),
        "UnsupportedProductError": answer("unsupported product"),
    },
)
"""Judges by the HTTP status."""
