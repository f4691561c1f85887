"""Errors of qdrant-client."""

from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    library,
    retry_of,
    verdict_of,
)

errors = library("qdrant_client.http.exceptions")
common = library("qdrant_client.common.client_exceptions")
httpx = library("httpx")


def reply(status: int, **headers: str) -> Any:
    """Return what the client makes of a status."""
    spelled = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return errors.UnexpectedResponse(status, "failed", b"{}", spelled)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 422, 501])
def test_answers(status: int) -> None:
    """A status about the request is an answer."""
    assert_answer(reply(status))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_by_status(status: int) -> None:
    """A status about the server is a failure."""
    assert_failure(reply(status))


@pytest.mark.parametrize(
    ("name", "retry"),
    [
        ("ConnectError", MayRetry.NOT_SENT),
        ("ReadTimeout", MayRetry.YES),
        ("ReadError", MayRetry.YES),
    ],
)
def test_failures(name: str, retry: MayRetry) -> None:
    """What httpx raised inside the client's error is judged as httpx'."""
    error = errors.ResponseHandlingException(getattr(httpx, name)("failed"))
    assert_failure(error)
    assert retry_of(error) is retry


def test_push_back() -> None:
    """429 is push-back, as a class and as a status; the wait is read."""
    assert verdict_of(reply(429, retry_after="3")).retry_after == 3.0
    assert verdict_of(common.ResourceExhaustedResponse("full", 5)).retry_after == 5.0


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(errors.ResponseHandlingException(ValueError("junk"))) is None
