"""Errors of kubernetes."""

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
    verdict_of,
)

errors = library("kubernetes.client.exceptions")
urllib3 = library("urllib3.exceptions")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 410, 415, 422])
def test_answers(status: int) -> None:
    """A status about the request is an answer, also a conflict and a version that is gone."""
    assert_answer(errors.ApiException(status=status, reason="failed"))


def test_answers_by_class() -> None:
    """The classes for a status are judged by it."""
    for kind, status in ((errors.NotFoundException, 404), (errors.ForbiddenException, 403)):
        assert_answer(kind(status=status))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_by_status(status: int) -> None:
    """A status about the server is a failure."""
    assert_failure(errors.ApiException(status=status))
    assert_failure(errors.ServiceException(status=status))


def test_failures() -> None:
    """A handshake that failed has status 0; a server that is not reached is an error of urllib3."""
    assert_failure(errors.ApiException(status=0, reason="SSLError"))
    refused = urllib3.MaxRetryError(None, "/", urllib3.NewConnectionError(None, "refused"))
    assert retry_of(refused) is MayRetry.NOT_SENT


def test_push_back() -> None:
    """The server's own fairness answers 429, with Retry-After."""
    error = errors.ApiException(status=429)
    error.headers = {"Retry-After": "1"}
    assert verdict_of(error).retry_after == 1.0


@pytest.mark.parametrize(
    "name", ["ApiTypeError", "ApiValueError", "ApiAttributeError", "ApiKeyError"]
)
def test_misuse(name: str) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(getattr(errors, name)("x"))
