"""Errors of elasticsearch."""

from typing import Any

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    each,
    library,
    retry_of,
    verdict_of,
)

transport = library("elastic_transport")
elasticsearch = library("elasticsearch")
urllib3 = library("urllib3.exceptions")


def reply(status: int, kind: str = "ApiError", **headers: str) -> Any:
    """Return what the client makes of a status."""
    spelled = transport.HttpHeaders(
        {name.replace("_", "-"): value for name, value in headers.items()}
    )
    meta = transport.ApiResponseMeta(
        status, "1.1", spelled, 0.1, transport.NodeConfig("http", "a", 1)
    )
    return getattr(elasticsearch, kind)("failed", meta, {"error": "failed"})


ANSWERS = [
    reply(404, "NotFoundError"),
    reply(409, "ConflictError"),
    reply(400, "BadRequestError"),
    reply(401, "AuthenticationException"),
    reply(403, "AuthorizationException"),
    *(reply(status) for status in (405, 406, 410, 413, 501)),
    elasticsearch.UnsupportedProductError("not Elasticsearch", reply(200).meta, {}),
]
FAILURES = [
    *(reply(status) for status in (500, 502, 503, 504)),
    transport.ConnectionError("gone"),
    transport.ConnectionTimeout("slow"),
    transport.TlsError("handshake"),
    transport.SniffingError("no node"),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """A status about the request is an answer."""
    assert_answer(error)


@each(FAILURES)
def test_failures(error: Any) -> None:
    """A status about the server, and what the network does, is a failure."""
    assert_failure(error)


def test_push_back() -> None:
    """A full queue of Elasticsearch is a 429; Retry-After is read."""
    assert verdict_of(reply(429, retry_after="2")).retry_after == 2.0


def test_a_refused_connection_was_not_sent() -> None:
    """What urllib3 says below the client's error tells that nothing was sent."""
    error = transport.ConnectionError("refused")
    error.__cause__ = urllib3.NewConnectionError(None, "refused")
    assert retry_of(error) is MayRetry.NOT_SENT


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    assert judge(transport.SerializationError("junk")) is None
