"""Errors of etcd3aio, which say little themselves: the errors that led to them are judged."""

from __future__ import annotations

from connpool_runtime.classifiers.grpc import grpc
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import CONNECTION_ERROR, lost
from connpool_runtime.classifiers.verdict import answer, failure

__all__ = ["etcd3aio"]

etcd3aio = ErrorTable(
    "etcd3aio",
    ("etcd3aio",),
    {
        "EtcdConnectionError": lost(CONNECTION_ERROR, grpc),
        "EtcdPermissionDeniedError": answer("gRPC PERMISSION_DENIED"),
        "EtcdTransientError": lost(failure("gRPC UNAVAILABLE"), grpc),
        "EtcdUnauthenticatedError": answer("gRPC UNAUTHENTICATED"),
    },
)
"""Judges by the code of the gRPC error that led to one of these."""
