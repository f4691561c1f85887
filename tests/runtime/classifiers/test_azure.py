"""Errors of azure-core."""

from types import SimpleNamespace
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
    verdict_of,
)

errors = library("azure.core.exceptions")


def reply(status: int, kind: str = "HttpResponseError", **headers: str) -> Any:
    """Return what the client makes of a status."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    response = SimpleNamespace(
        status_code=status, reason="failed", headers=spelled, text=lambda *_: ""
    )
    return getattr(errors, kind)("failed", response=response)


ANSWERS = [
    reply(404, "ResourceNotFoundError"),
    reply(409, "ResourceExistsError"),
    reply(412, "ResourceModifiedError"),
    reply(304, "ResourceNotModifiedError"),
    reply(401, "ClientAuthenticationError"),
    *(reply(status) for status in (400, 403, 405, 410, 501)),
]
NOT_SENT = [errors.ServiceRequestError("refused"), errors.ServiceRequestTimeoutError("slow")]
PERHAPS_SENT = [
    *(reply(status) for status in (500, 502, 503, 504)),
    errors.ServiceResponseError("reset"),
    errors.ServiceResponseTimeoutError("slow"),
    reply(200, "IncompleteReadError"),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """A status about the request is an answer."""
    assert_answer(error)


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """A status about the service, and what the network does, is a failure."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


def test_push_back() -> None:
    """429 is push-back; Azure's own header counts milliseconds."""
    assert verdict_of(reply(429, x_ms_retry_after_ms="1500")).retry_after == 1.5
    assert verdict_of(reply(503, Retry_After="2")).retry_after == 2.0


@each(
    [
        errors.SerializationError("x"),
        errors.StreamClosedError(SimpleNamespace(request=None)),
        errors.ResponseNotReadError(SimpleNamespace(request=None)),
    ]
)
def test_misuse(error: Any) -> None:
    """What the client refuses to do says nothing about the service."""
    assert_neutral(error)


@pytest.mark.parametrize("kind", ["DeserializationError", "DecodeError"])
def test_an_answer_that_cannot_be_read_is_unknown(kind: str) -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(getattr(errors, kind)("junk")) is None
