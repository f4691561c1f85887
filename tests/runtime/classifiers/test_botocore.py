"""Errors of botocore, which boto3 raises too."""

from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    each,
    library,
    retry_of,
    verdict_of,
)

errors = library("botocore.exceptions")


def reply(code: str, status: int, **headers: str) -> Any:
    """Return what the client makes of an answer that says no."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": spelled}
    return errors.ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "GetObject")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NoSuchKey", 404),
        ("NoSuchBucket", 404),
        ("404", 404),
        ("AccessDenied", 403),
        ("InvalidAccessKeyId", 403),
        ("SignatureDoesNotMatch", 403),
        ("BucketAlreadyExists", 409),
        ("ConditionalCheckFailedException", 400),
        ("ValidationException", 400),
        ("ResourceNotFoundException", 400),
        ("PreconditionFailed", 412),
        ("ExpiredToken", 400),
    ],
)
def test_answers(code: str, status: int) -> None:
    """A code about the request is an answer."""
    assert_answer(reply(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalError", 500),
        ("InternalServerError", 500),
        ("ServiceUnavailable", 503),
        ("RequestTimeout", 400),
        ("502", 502),
        ("Unknown", 504),
    ],
)
def test_failures_by_code(code: str, status: int) -> None:
    """A code about the service is a failure, whatever its status."""
    assert_failure(reply(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("RequestLimitExceeded", 503),
        ("SlowDown", 503),
        ("TooManyRequestsException", 429),
        ("Other", 429),
    ],
)
def test_push_back(code: str, status: int) -> None:
    """Throttling is push-back, whatever its status; Retry-After is read."""
    assert retry_of(reply(code, status)) is MayRetry.PUSHED_BACK
    assert verdict_of(reply(code, status, retry_after="4")).retry_after == 4.0


NOT_SENT = [
    errors.EndpointConnectionError(endpoint_url="http://a"),
    errors.ConnectTimeoutError(endpoint_url="http://a"),
    errors.ProxyConnectionError(proxy_url="http://a"),
]
PERHAPS_SENT = [
    errors.ReadTimeoutError(endpoint_url="http://a"),
    errors.ConnectionClosedError(endpoint_url="http://a"),
    errors.SSLError(endpoint_url="http://a", error="x"),
    errors.HTTPClientError(error="x"),
    errors.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    errors.ResponseStreamingError(error="x"),
]


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """What the network does is a failure; only before the connection stands nothing was sent."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@each(
    [errors.NoCredentialsError(), errors.ParamValidationError(report="x"), errors.NoRegionError()]
)
def test_misuse(error: Any) -> None:
    """What the client refuses to send says nothing about the service."""
    assert_neutral(error)
