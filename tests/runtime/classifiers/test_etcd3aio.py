"""Errors of etcd3aio, which are judged by what led to them."""

from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import assert_answer, assert_failure, library, retry_of
from tests.runtime.classifiers.test_grpc import aio_error

errors = library("etcd3aio.errors")


def after(kind: str, code: str) -> Any:
    """Return an error of the client that an error of gRPC led to."""
    error = getattr(errors, kind)("failed")
    error.__cause__ = aio_error(code)
    return error


def test_answers() -> None:
    """Rights and passwords are answers."""
    assert_answer(errors.EtcdPermissionDeniedError("no"))
    assert_answer(errors.EtcdUnauthenticatedError("no"))


@pytest.mark.parametrize(
    "code", ["ABORTED", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE"]
)
def test_answers_by_code(code: str) -> None:
    """An error of gRPC that the client lets through, or wraps, is judged by its code."""
    assert_answer(aio_error(code))
    assert_answer(after("EtcdTransientError", code))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"])
def test_failures(code: str) -> None:
    """A server that is not reached, or not in time, is a failure."""
    assert_failure(after("EtcdConnectionError", code))
    assert_failure(after("EtcdTransientError", code))


def test_failures_without_a_code() -> None:
    """The client's own words count when nothing led to them."""
    assert_failure(errors.EtcdConnectionError("gone"))
    assert_failure(errors.EtcdTransientError("still failing"))


def test_push_back() -> None:
    """Too many requests is push-back, also after retries."""
    assert retry_of(after("EtcdTransientError", "RESOURCE_EXHAUSTED")) is MayRetry.PUSHED_BACK
