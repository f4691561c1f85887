"""Errors of grpcio, sync and aio, by their status code."""

from __future__ import annotations

from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import TIMED_OUT
from connpool_runtime.classifiers.verdict import neutral

__all__ = ["grpc"]

grpc = ErrorTable(
    "grpc",
    ("grpc",),
    {
        "RpcError": status,
        "FutureTimeoutError": TIMED_OUT,
        "FutureCancelledError": neutral("cancelled"),
    },
)
"""Judges by the code; `grpc-retry-pushback-ms` in the trailing metadata is read."""
