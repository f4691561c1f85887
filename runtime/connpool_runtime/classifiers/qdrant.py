"""Errors of qdrant-client; those of its gRPC side are grpcio's own."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.httpx import httpx
from connpool_runtime.classifiers.status import retry_after_seconds, status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import lost
from connpool_runtime.classifiers.verdict import Verdict, pushed_back

__all__ = ["qdrant"]


def _limited(error: BaseException) -> Verdict:
    return pushed_back("HTTP 429", retry_after_seconds(attribute(error, "retry_after_s")))


qdrant = ErrorTable(
    "qdrant",
    ("qdrant_client",),
    {
        "ResourceExhaustedResponse": _limited,
        # Wraps what httpx raised, or an answer that could not be parsed.
        "ResponseHandlingException": lost(None, httpx),
        "UnexpectedResponse": status,
    },
)
"""Judges by the HTTP status."""
