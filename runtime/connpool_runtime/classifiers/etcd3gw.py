"""Errors of etcd3gw, the client of etcd's JSON gateway."""

from __future__ import annotations

import json
from typing import Any, cast

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.requests import requests
from connpool_runtime.classifiers.status import GRPC_CODES
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import CONNECTION_ERROR, TIMED_OUT, lost
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import Verdict, answer, failure, neutral

__all__ = ["etcd3gw"]

# gRPC status codes, which the gateway puts in the body of its answer.
_NUMBERED = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_CODES: dict[object, Verdict] = {
    number: GRPC_CODES[name] for number, name in enumerate(_NUMBERED, start=1)
}


def _code(error: BaseException) -> int | None:
    """Return the gRPC status code in the answer; None if there is none."""
    try:
        body: Any = json.loads(str(attribute(error, "detail_text")))
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    code = cast("dict[str, object]", body).get("code")
    return code if isinstance(code, int) else None


_WHAT = "the code in the answer"

etcd3gw = ErrorTable(
    "etcd3gw",
    ("etcd3gw",),
    {
        "ApiVersionDiscoveryFailedError": failure("API version not found"),
        "ConnectionFailedError": ByCode(
            _WHAT, _code, _CODES, lost(CONNECTION_ERROR, requests, urllib3)
        ),
        "ConnectionTimeoutError": ByCode(_WHAT, _code, _CODES, lost(TIMED_OUT, requests, urllib3)),
        "Etcd3Exception": ByCode(_WHAT, _code, _CODES, answer("error reply")),
        "InternalServerError": ByCode(_WHAT, _code, _CODES, failure("HTTP 500")),
        "PreconditionFailedError": answer("HTTP 412"),
        "WatchTimedOut": neutral("nothing seen in time"),
    },
)
"""Judges by the code of gRPC that etcd writes into its answer; without one by the class."""
