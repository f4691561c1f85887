"""Errors of pymilvus."""

from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    each,
    library,
    retry_of,
)
from tests.runtime.classifiers.test_grpc import sync_error

errors = library("pymilvus.exceptions")
grpc = library("grpc")


def reply(code: Any, **more: Any) -> Any:
    """Return an error with a code of Milvus."""
    return errors.MilvusException(code=code, message="failed", **more)


@pytest.mark.parametrize("code", [10, 100, 101, 106, 200, 300, 700, 702, 800, 1100, 1101, 1400])
def test_answers(code: int) -> None:
    """A code about the request is an answer."""
    assert_answer(reply(code))


@each(
    [
        errors.CollectionNotExistException(),
        errors.IndexNotExistException(),
        reply(65535, is_input_error=True),
    ]
)
def test_answers_by_class(error: Any) -> None:
    """What is not there, and what the server calls the caller's mistake, is an answer."""
    assert_answer(error)


def from_grpc(code: str) -> Any:
    """Return what the client makes of an error of gRPC."""
    error = errors.MilvusException(message="Unexpected error")
    error.__cause__ = sync_error(code)
    return error


FAILURES = [
    reply(2),
    reply(5),
    reply(503),
    reply(902),
    reply(1001),
    reply(grpc.StatusCode.UNAVAILABLE),
    from_grpc("UNAVAILABLE"),
    from_grpc("DEADLINE_EXCEEDED"),
    errors.MilvusUnavailableException(message="server unavailable"),
    errors.ConnectError(message="Fail connecting to server"),
]


@each(FAILURES)
def test_failures(error: Any) -> None:
    """A code about the server, its own or gRPC's, is a failure."""
    assert_failure(error)


@pytest.mark.parametrize("code", [3, 4, 7, 8, 9, 12])
def test_push_back(code: int) -> None:
    """Rates, quotas, memory: the server has too much."""
    assert retry_of(reply(code)) is MayRetry.PUSHED_BACK


@each(
    [
        errors.ParamError(message="x"),
        errors.DataNotMatchException(message="x"),
        errors.PrimaryKeyException(message="x"),
    ]
)
def test_misuse(error: Any) -> None:
    """What the client refuses to send says nothing about the server."""
    assert_neutral(error)


@pytest.mark.parametrize("code", [1, 65535])
def test_codes_that_say_nothing(code: int) -> None:
    """Unexpected is everything that has no code: comparison decides."""
    assert judge(reply(code)) is None
