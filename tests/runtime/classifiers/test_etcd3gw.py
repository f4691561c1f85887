"""Errors of etcd3gw."""

import json
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
)

errors = library("etcd3gw.exceptions")


def reply(kind: str, code: int) -> Any:
    """Return an error with the answer of the gateway in it."""
    text = json.dumps({"error": "x", "code": code, "message": "x"})
    return getattr(errors, kind)(text, "Reason")


@pytest.mark.parametrize("code", [3, 5, 6, 7, 9, 10, 11, 12, 16])
def test_answers(code: int) -> None:
    """A code of gRPC about the request is an answer, whatever class the client makes of its status."""
    for kind in ("Etcd3Exception", "InternalServerError"):
        assert_answer(reply(kind, code))


@each(
    [
        errors.Etcd3Exception("junk"),
        errors.Etcd3Exception(),
        errors.PreconditionFailedError("x", "y"),
    ]
)
def test_answers_without_a_code(error: Any) -> None:
    """A status of another kind is an answer, as with HTTP."""
    assert_answer(error)


FAILURES = [
    reply("InternalServerError", 13),
    reply("InternalServerError", 2),
    reply("ConnectionFailedError", 14),
    reply("ConnectionTimeoutError", 4),
    errors.InternalServerError("junk", "Internal Server Error"),
    errors.ConnectionFailedError("refused"),
    errors.ConnectionTimeoutError("slow"),
]


@each(FAILURES)
def test_failures(error: Any) -> None:
    """A code about the server, or none at all from it, is a failure."""
    assert_failure(error)


def test_push_back_and_time() -> None:
    """Too many requests is push-back; a watch in which nothing happened says nothing."""
    assert retry_of(reply("InternalServerError", 8)) is MayRetry.PUSHED_BACK
    assert_neutral(errors.WatchTimedOut())
