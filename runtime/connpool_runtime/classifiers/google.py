"""Errors of google-api-core, over HTTP and over gRPC, and of google-auth below it."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.requests import requests
from connpool_runtime.classifiers.status import http_verdict, retry_after_of, status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import CONNECTION_ERROR, TIMED_OUT, lost
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import Verdict, neutral

__all__ = ["google"]


def _reply(error: BaseException) -> Verdict | None:
    """Judge by the answer; the classes have a gRPC code even where HTTP was used."""
    found = attribute(error, "response", "status_code")
    if isinstance(found, int) and 400 <= found < 600:
        return http_verdict(found, retry_after_of(error))
    return status(error)


google = ErrorTable(
    "google",
    ("google.api_core", "google.auth"),
    {
        "GoogleAPICallError": _reply,
        "RetryError": lost(TIMED_OUT, _reply),
        "DefaultCredentialsError": neutral("no credentials"),
        "RefreshError": neutral("no credentials"),
        "TransportError": lost(CONNECTION_ERROR, requests, urllib3),
    },
)
"""Judges by the HTTP status or the code of gRPC."""
