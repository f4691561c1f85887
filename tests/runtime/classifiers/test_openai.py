"""Errors of openai and anthropic."""

from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
    verdict_of,
)


@pytest.fixture(params=["openai", "anthropic"])
def client(request: pytest.FixtureRequest) -> Any:
    """The module of one of the two."""
    return library(request.param)


def http_of(client: Any) -> Any:
    """Return the HTTP library that a client is made of."""
    used = vars(client._base_client)
    return used.get("httpx2") or used["httpx"]


@pytest.fixture
def request_(client: Any) -> Any:
    """A request that a client may have made."""
    return http_of(client).Request("POST", "http://a")


@pytest.fixture
def reply(client: Any, request_: Any) -> Any:
    """Return a function that makes what a client makes of a status."""

    def make(status: int, body: object = None, **headers: str) -> Any:
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        response = http_of(client).Response(status, request=request_, headers=spelled)
        maker = client.OpenAI if client.__name__ == "openai" else client.Anthropic
        with maker(api_key="test") as asking:
            return asking._make_status_error("failed", body=body, response=response)

    return make


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 418, 422, 451])
def test_answers(reply: Any, status: int) -> None:
    """A status about the request is an answer."""
    assert_answer(reply(status))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failures_by_status(reply: Any, status: int) -> None:
    """A status about the service is a failure."""
    assert_failure(reply(status))


def test_failures(client: Any, request_: Any) -> None:
    """A connection that breaks, or an answer that does not come, is a failure."""
    assert_failure(client.APIConnectionError(request=request_))
    assert_failure(client.APITimeoutError(request_))


def test_a_refused_connection_was_not_sent(client: Any, request_: Any) -> None:
    """What httpx says below the client's error tells that nothing was sent, or that the limit was ours."""
    http = http_of(client)
    error = client.APIConnectionError(request=request_)
    error.__cause__ = http.ConnectError("refused")
    assert retry_of(error) is MayRetry.NOT_SENT
    error = client.APITimeoutError(request_)
    error.__cause__ = http.PoolTimeout("full")
    assert_neutral(error)


def test_push_back(reply: Any) -> None:
    """429 and anthropic's 529 are push-back; both kinds of Retry-After are read."""
    assert verdict_of(reply(429, retry_after="2")).retry_after == 2.0
    assert verdict_of(reply(429, retry_after_ms="500")).retry_after == 0.5
    assert retry_of(reply(529)) is MayRetry.PUSHED_BACK


def test_a_quota_that_is_used_up_is_an_answer() -> None:
    """Waiting does not bring money."""
    openai = library("openai")
    http = http_of(openai)
    response = http.Response(429, request=http.Request("POST", "http://a"))
    body = {"code": "insufficient_quota", "message": "You exceeded your current quota"}
    assert_answer(openai.RateLimitError("failed", response=response, body=body))


def test_errors_within_a_stream(client: Any, request_: Any) -> None:
    """In the midst of a stream there is no status, but a kind."""
    error = client.APIError("failed", request_, body={"type": "overloaded_error"})
    error.type = "overloaded_error"
    assert retry_of(error) is MayRetry.PUSHED_BACK
    error.type = "api_error"
    assert_failure(error)


def test_an_answer_that_cannot_be_read_is_unknown(client: Any, request_: Any) -> None:
    """Rubbish in the body may be this server's, or everybody's: comparison decides."""
    response = http_of(client).Response(200, request=request_)
    assert judge(client.APIResponseValidationError(response, None)) is None
