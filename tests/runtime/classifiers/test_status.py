"""Statuses of HTTP and codes of gRPC on errors of libraries that nobody knows."""

import enum
import http
import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.status import GRPC_CODES, retry_after_seconds, status
from connpool_runtime.classifiers.verdict import MayRetry, Verdict


class Code(enum.Enum):
    """As grpc.StatusCode is made."""

    NOT_FOUND = (5, "not found")
    UNAVAILABLE = (14, "unavailable")
    RESOURCE_EXHAUSTED = (8, "resource exhausted")
    INTERNAL = (13, "internal")


def carrying(**attributes: Any) -> Exception:
    """Return an error of an unknown library with some attributes."""
    error = Exception("failed")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def http_error(number: int, **headers: str) -> Exception:
    """Return an error with an answer, as most HTTP clients make theirs."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return carrying(response=SimpleNamespace(status_code=number, headers=spelled))


def verdict_of(error: Exception) -> Verdict:
    """Return the verdict, which both the classifier and the judge must give."""
    verdict = status(error)
    assert verdict is not None
    assert judge(error) == verdict
    return verdict


@pytest.mark.parametrize("number", [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530])
def test_statuses_that_are_failures(number: int) -> None:
    """A server that cannot do its work fails, and only idempotent calls may be tried again."""
    assert verdict_of(http_error(number)) == Verdict(
        Outcome.FAILURE, MayRetry.YES, f"HTTP {number}"
    )


@pytest.mark.parametrize(
    "number", [400, 401, 402, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 451, 501, 505]
)
def test_statuses_that_are_answers(number: int) -> None:
    """A server that says no to a call is well, and says it again if asked again."""
    assert verdict_of(http_error(number)) == Verdict(Outcome.SUCCESS, MayRetry.NO, f"HTTP {number}")


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (http_error(429), None),
        (http_error(429, retry_after="7"), 7.0),
        (http_error(429, Retry_After="0.5"), 0.5),
        (http_error(429, retry_after_ms="250"), 0.25),
        (http_error(529), None),
        (http_error(429, retry_after="soon"), None),
    ],
)
def test_push_back(error: Exception, seconds: float | None) -> None:
    """Too much to do is no failure of the server; how long it asks to wait is read."""
    verdict = verdict_of(error)
    assert (verdict.outcome, verdict.retry) == (Outcome.NEUTRAL, MayRetry.PUSHED_BACK)
    assert verdict.retry_after == seconds


def test_a_server_that_cannot_work_is_to_blame_also_if_it_says_for_how_long() -> None:
    """A 503 is a failure of its server with and without `Retry-After`."""
    verdict = verdict_of(http_error(503, retry_after="30"))
    assert verdict == Verdict(Outcome.FAILURE, MayRetry.PUSHED_BACK, "HTTP 503", 30.0)


@pytest.mark.parametrize(
    ("number", "retry"),
    [(408, MayRetry.YES), (421, MayRetry.NOT_SENT), (425, MayRetry.NOT_SENT), (499, MayRetry.NO)],
)
def test_statuses_that_blame_nobody(number: int, retry: MayRetry) -> None:
    """A slow request, a wrong connection and a caller who hung up are neutral."""
    verdict = verdict_of(http_error(number))
    assert (verdict.outcome, verdict.retry) == (Outcome.NEUTRAL, retry)


def test_a_date_is_compared_with_the_answers_own() -> None:
    """Retry-After as a date needs no clock: the answer says when it was sent."""
    at, sent = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:30 GMT"
    assert verdict_of(http_error(429, retry_after=at, date=sent)).retry_after == 30.0
    assert verdict_of(http_error(429, retry_after=at)).retry_after is None


@pytest.mark.parametrize(
    ("value", "now", "seconds"),
    [
        ("120", None, 120.0),
        (" 1 ", None, 1.0),
        (3, None, 3.0),
        ("-1", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1445412470.0, 10.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1445412490.0, 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None, None),
        ("", 0.0, None),
    ],
)
def test_retry_after(value: object, now: float | None, seconds: float | None) -> None:
    """Seconds or a date; what cannot be read or lies in the past asks for no wait."""
    assert retry_after_seconds(value, now) == seconds


@pytest.mark.parametrize(
    "error",
    [
        carrying(status_code=404),
        carrying(status=404),
        carrying(http_status=404),
        carrying(response=SimpleNamespace(status=404)),
        carrying(resp=SimpleNamespace(status=404)),
        carrying(meta=SimpleNamespace(status=404)),
        carrying(code=http.HTTPStatus.NOT_FOUND),
        urllib.error.HTTPError("http://a", 404, "Not Found", Message(), None),
    ],
)
def test_places_of_a_status(error: Exception) -> None:
    """The status is found wherever the commonest clients keep it, and is never taken for one of gRPC."""
    assert verdict_of(error).reason == "HTTP 404"


@pytest.mark.parametrize(
    "error",
    [
        carrying(code=404),
        carrying(code=11000),
        carrying(status=14),
        carrying(status_code=5),
        carrying(status_code="404"),
        carrying(status=True),
        carrying(status_code=200),
        carrying(response=SimpleNamespace(status_code=302)),
        carrying(code="NOT_FOUND"),
        carrying(code=enum.Enum("Mood", ["GOOD"])["GOOD"]),
        carrying(code=lambda: 1 / 0),
        Exception("503"),
    ],
)
def test_what_is_no_status(error: Exception) -> None:
    """Numbers of databases, small numbers, texts, answers that went well: no status."""
    assert status(error) is None


def test_a_property_that_fails_is_no_status() -> None:
    """Reading what an error carries never raises."""

    class Shy(Exception):
        @property
        def response(self) -> object:
            raise RuntimeError("no response")

    assert status(Shy()) is None


@pytest.mark.parametrize(
    ("code", "outcome", "retry"),
    [
        (Code.NOT_FOUND, Outcome.SUCCESS, MayRetry.NO),
        (Code.UNAVAILABLE, Outcome.FAILURE, MayRetry.YES),
        (Code.INTERNAL, Outcome.FAILURE, MayRetry.YES),
        (Code.RESOURCE_EXHAUSTED, Outcome.NEUTRAL, MayRetry.PUSHED_BACK),
    ],
)
def test_codes_of_grpc(code: Code, outcome: Outcome, retry: MayRetry) -> None:
    """A member of an enumeration with one of gRPC's names is a code, as a value or from a method."""
    for error in (
        carrying(code=lambda: code),
        carrying(code=code),
        carrying(grpc_status_code=code),
    ):
        verdict = verdict_of(error)
        assert (verdict.outcome, verdict.retry) == (outcome, retry)
        assert verdict.reason == f"gRPC {code.name}"


def test_failures_of_grpc() -> None:
    """These codes and no others count against the server."""
    failed = {name for name, verdict in GRPC_CODES.items() if verdict.outcome is Outcome.FAILURE}
    assert failed == {"DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"}
    assert len(GRPC_CODES) == 16


@pytest.mark.parametrize(
    ("code", "pushback", "verdict"),
    [
        (Code.UNAVAILABLE, "200", Verdict(Outcome.FAILURE, MayRetry.PUSHED_BACK, "gRPC UNAVAILABLE", 0.2)),
        (Code.UNAVAILABLE, "-1", Verdict(Outcome.FAILURE, MayRetry.NO, "gRPC UNAVAILABLE")),
        (Code.UNAVAILABLE, "junk", Verdict(Outcome.FAILURE, MayRetry.NO, "gRPC UNAVAILABLE")),
        (Code.RESOURCE_EXHAUSTED, "1500", Verdict(Outcome.NEUTRAL, MayRetry.PUSHED_BACK, "gRPC RESOURCE_EXHAUSTED", 1.5)),
        (Code.NOT_FOUND, "200", Verdict(Outcome.SUCCESS, MayRetry.NO, "gRPC NOT_FOUND")),
    ],
)  # fmt: skip
def test_push_back_of_grpc(code: Code, pushback: str, verdict: Verdict) -> None:
    """`grpc-retry-pushback-ms` is obeyed: a time to wait, or less than zero for no retry; an answer stays one."""
    metadata = (("other", "1"), ("grpc-retry-pushback-ms", pushback))
    error = carrying(code=lambda: code, trailing_metadata=lambda: metadata)
    assert verdict_of(error) == verdict


def test_a_message_that_is_too_large_is_an_answer() -> None:
    """gRPC calls a message over its size limit RESOURCE_EXHAUSTED; that is no overload."""
    text = "Received message larger than max (5000000 vs. 4194304)"
    error = carrying(code=lambda: Code.RESOURCE_EXHAUSTED, details=lambda: text)
    assert verdict_of(error).outcome is Outcome.SUCCESS


def test_the_status_of_what_was_wrapped_counts() -> None:
    """A client's own error around an answer is judged by the answer."""
    error = Exception("sold out")
    error.__cause__ = http_error(409)
    verdict = judge(error)
    assert verdict is not None
    assert verdict.reason == "HTTP 409"
