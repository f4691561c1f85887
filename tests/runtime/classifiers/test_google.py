"""Errors of google-api-core and google-auth."""

from types import SimpleNamespace
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

errors = library("google.api_core.exceptions")
auth = library("google.auth.exceptions")

ANSWERS = [
    "InvalidArgument", "FailedPrecondition", "OutOfRange", "Unauthenticated", "PermissionDenied", "NotFound",
    "AlreadyExists", "Aborted", "MethodNotImplemented", "BadRequest", "Conflict", "PreconditionFailed",
]  # fmt: skip
FAILURES = [
    "ServiceUnavailable", "InternalServerError", "DeadlineExceeded", "GatewayTimeout", "BadGateway", "Unknown", "DataLoss",
]  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """A class about the request is an answer."""
    assert_answer(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    """A class about the service is a failure."""
    assert_failure(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", ["ResourceExhausted", "TooManyRequests"])
def test_push_back(name: str) -> None:
    """Too much, over gRPC and over HTTP, is push-back."""
    assert retry_of(getattr(errors, name)("failed")) is MayRetry.PUSHED_BACK


def test_an_answer_over_http_is_judged_by_its_status() -> None:
    """The class has a code of gRPC, but Retry-After stands in the answer."""
    response = SimpleNamespace(status_code=503, headers={"Retry-After": "9"})
    verdict = verdict_of(errors.ServiceUnavailable("failed", response=response))
    assert (verdict.reason, verdict.retry_after) == ("HTTP 503", 9.0)


def test_retries_in_vain_are_judged_by_the_last_error() -> None:
    """The client's own retries end in an error around the last one."""
    error: Any = errors.RetryError("Timeout of 60.0s exceeded", cause=errors.NotFound("x"))
    assert_failure(error)
    error.__cause__ = errors.ResourceExhausted("x")
    assert retry_of(error) is MayRetry.PUSHED_BACK


@each([auth.TransportError("gone")])
def test_failures_of_the_connection(error: Any) -> None:
    """A connection that breaks is a failure."""
    assert_failure(error)


@each([auth.DefaultCredentialsError("x"), auth.RefreshError("x"), errors.Cancelled("x")])
def test_neutral(error: Any) -> None:
    """Credentials of ours that are not there, and a cancellation, say nothing about the service."""
    assert_neutral(error)
