"""Errors of opensearch-py."""

from typing import Any

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

errors = library("opensearchpy.exceptions")
urllib3 = library("urllib3.exceptions")


def reply(status: int, kind: str = "TransportError") -> Any:
    """Return what the client makes of a status."""
    return getattr(errors, kind)(status, "failed", {"error": "failed"})


def lost(kind: str, status: str, reason: Exception) -> Any:
    """Return what the client makes of an error of the network."""
    return getattr(errors, kind)(status, str(reason), reason)


ANSWERS = [
    reply(404, "NotFoundError"),
    reply(409, "ConflictError"),
    reply(400, "RequestError"),
    reply(401, "AuthenticationException"),
    reply(403, "AuthorizationException"),
    *(reply(status) for status in (405, 406, 410, 413, 501)),
]
REFUSED = lost("ConnectionError", "N/A", urllib3.NewConnectionError(None, "refused"))
FAILURES = [
    *(reply(status) for status in (500, 502, 503, 504)),
    REFUSED,
    lost("ConnectionError", "N/A", OSError("gone")),
    lost("ConnectionTimeout", "TIMEOUT", urllib3.ReadTimeoutError(None, "/", "slow")),
    lost("SSLError", "N/A", OSError("handshake")),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """A status about the request is an answer."""
    assert_answer(error)


@each(FAILURES)
def test_failures(error: Any) -> None:
    """A status about the server, and what the network does, is a failure; a refused connection was not sent."""
    assert_failure(error)
    assert (retry_of(error) is MayRetry.NOT_SENT) == (error is REFUSED)


def test_the_rest() -> None:
    """Too much is push-back, misuse is neutral, an answer that cannot be read is unknown."""
    assert retry_of(reply(429)) is MayRetry.PUSHED_BACK
    assert_neutral(errors.ImproperlyConfigured("x"))
    assert judge(errors.SerializationError("junk")) is None
