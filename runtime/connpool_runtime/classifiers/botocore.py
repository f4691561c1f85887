"""Errors of botocore and boto3: the error code of the service, then the HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.status import http_verdict, retry_after_seconds
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
from connpool_runtime.classifiers.urllib3 import urllib3
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["botocore"]

_MISUSE = neutral("misuse of the client")

_THROTTLED = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
})  # fmt: skip
# Codes that some services send with a status that says less.
_FAILED = frozenset({
    "InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException",
})  # fmt: skip


def _reply(error: BaseException) -> Verdict:
    response = _mapping(attribute(error, "response"))
    code = str(_mapping(response.get("Error")).get("Code"))
    metadata = _mapping(response.get("ResponseMetadata"))
    headers = _mapping(metadata.get("HTTPHeaders"))
    wait = retry_after_seconds(headers["retry-after"]) if "retry-after" in headers else None
    if code in _THROTTLED:
        return pushed_back("throttled", wait)
    if code in _FAILED:
        return failure("service failed")
    status = metadata.get("HTTPStatusCode")
    if isinstance(status, int) and 400 <= status < 600:
        return http_verdict(status, wait)
    return answer("error reply")


def _mapping(thing: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", thing) if isinstance(thing, Mapping) else {}


botocore = ErrorTable(
    "botocore",
    ("botocore", "aiobotocore"),
    {
        "BotoCoreError": _MISUSE,
        "CapacityNotAvailableError": own_limit("client's own retry quota"),
        "ChecksumError": None,
        "ClientError": _reply,
        "ConnectTimeoutError": CONNECT_TIMED_OUT,
        "ConnectionClosedError": CONNECTION_LOST,
        "CredentialRetrievalError": neutral("no credentials"),
        "EndpointConnectionError": never_connected(CONNECT_FAILED, urllib3),
        "FlexibleChecksumError": None,
        "HTTPClientError": lost(CONNECTION_LOST, urllib3),
        "IncompleteReadError": CONNECTION_LOST,
        "NoCredentialsError": neutral("no credentials"),
        "ProxyConnectionError": unreached("proxy error"),
        "ReadTimeoutError": TIMED_OUT,
        "SSLError": lost(TLS_ERROR, urllib3),
        "TokenRetrievalError": neutral("no credentials"),
        "WaiterError": answer("waited in vain"),
    },
)
"""Throttling codes are push-back, whatever their status; the rest by the status."""
