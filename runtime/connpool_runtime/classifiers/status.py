"""HTTP statuses and gRPC codes that errors carry, whatever the library."""

from __future__ import annotations

from enum import Enum
from typing import Any

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.verdict import (
    MayRetry,
    Verdict,
    answer,
    failure,
    neutral,
    pushed_back,
)

__all__ = [
    "FAILED_STATUSES",
    "GRPC_CODES",
    "grpc_verdict",
    "http_verdict",
    "retry_after_of",
    "retry_after_seconds",
    "status",
]

FAILED_STATUSES = frozenset({500, 502, 503, 504, *range(520, 528), 530})
"""Statuses of a server that cannot do its work; those from 520 on are a proxy's words for one that it cannot reach."""

_TOO_MUCH = frozenset({429, 529})
_OTHERS = {
    # The server waited for a request that did not arrive; which side was slow is unknown.
    408: neutral("HTTP 408", MayRetry.YES),
    # Refused for this connection, or this early, before the server looked at the request.
    421: neutral("HTTP 421", MayRetry.NOT_SENT),
    425: neutral("HTTP 425", MayRetry.NOT_SENT),
    # A proxy's note that the client hung up.
    499: neutral("HTTP 499"),
}

GRPC_CODES = {
    "ABORTED": answer("gRPC ABORTED"),
    "ALREADY_EXISTS": answer("gRPC ALREADY_EXISTS"),
    # Cancelled by us, or by a server that shuts down: a caller who cancels does not wait for an answer.
    "CANCELLED": neutral("gRPC CANCELLED", MayRetry.YES),
    "DATA_LOSS": failure("gRPC DATA_LOSS"),
    "DEADLINE_EXCEEDED": failure("gRPC DEADLINE_EXCEEDED"),
    "FAILED_PRECONDITION": answer("gRPC FAILED_PRECONDITION"),
    "INTERNAL": failure("gRPC INTERNAL"),
    "INVALID_ARGUMENT": answer("gRPC INVALID_ARGUMENT"),
    "NOT_FOUND": answer("gRPC NOT_FOUND"),
    "OUT_OF_RANGE": answer("gRPC OUT_OF_RANGE"),
    "PERMISSION_DENIED": answer("gRPC PERMISSION_DENIED"),
    "RESOURCE_EXHAUSTED": pushed_back("gRPC RESOURCE_EXHAUSTED"),
    "UNAUTHENTICATED": answer("gRPC UNAUTHENTICATED"),
    "UNAVAILABLE": failure("gRPC UNAVAILABLE"),
    "UNIMPLEMENTED": answer("gRPC UNIMPLEMENTED"),
    "UNKNOWN": failure("gRPC UNKNOWN"),
}
"""What each code says; what comes with it (push-back, details) may change that."""

_TOO_LARGE = answer("gRPC message too large")

# Attributes where clients keep the status of an answer.
_STATUS_PLACES = (
    ("status_code",),
    ("http_status",),
    ("status",),
    ("response", "status_code"),
    ("response", "status"),
    ("resp", "status"),
    ("meta", "status"),
)
_CODE_PLACES = ("grpc_status_code", "code", "status")
_HEADER_PLACES = (("headers",), ("response", "headers"), ("resp",), ("meta", "headers"))
# Header, and its units per second.
_WAIT_HEADERS = (("retry-after-ms", 1000.0), ("x-ms-retry-after-ms", 1000.0), ("retry-after", 1.0))


def status(error: BaseException) -> Verdict | None:
    """Judge an error by the status that it carries itself.

    HTTP and gRPC cannot be mixed up: an HTTP status is a number from 400 to 599, a code of gRPC a member of an
    enumeration with one of its sixteen names. A number elsewhere than in the places of a status says nothing.
    """
    name = _grpc_code(error)
    if name is not None:
        return grpc_verdict(name, error)
    found = _http_status(error)
    return None if found is None else http_verdict(found, retry_after_of(error))


def http_verdict(status: int, retry_after: float | None = None) -> Verdict:
    """Return the verdict for an HTTP status.

    Arguments:
        status: from 400 to 599.
        retry_after: seconds that the answer asks to wait.
    """
    if status in _TOO_MUCH:
        return pushed_back(f"HTTP {status}", retry_after)
    if status == 503 and retry_after is not None:  # this server cannot; others perhaps can
        return Verdict(Outcome.FAILURE, MayRetry.PUSHED_BACK, "HTTP 503", retry_after)
    if status in FAILED_STATUSES:
        return failure(f"HTTP {status}")
    return _OTHERS.get(status) or answer(f"HTTP {status}")


def grpc_verdict(name: str, error: BaseException) -> Verdict:
    """Return the verdict for a gRPC code, with the push-back and the details of the error that carries it.

    UNAVAILABLE is never "not sent", although our own channel says "failed to connect to all addresses": a server
    that passes on the error of an upstream server uses the same words, and may have done half of the call.
    """
    verdict = GRPC_CODES[name]
    if verdict.retry in (MayRetry.YES, MayRetry.PUSHED_BACK):
        asked = _pushback(error)
        if asked is not None and asked < 0:
            return Verdict(verdict.outcome, MayRetry.NO, verdict.reason)
        if asked is not None:
            return Verdict(verdict.outcome, MayRetry.PUSHED_BACK, verdict.reason, asked)
    if name == "RESOURCE_EXHAUSTED" and "larger than max" in str(_called(error, "details")):
        return _TOO_LARGE  # the size of this message, in either direction
    return verdict


def retry_after_seconds(value: object, now: float | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait; None if it cannot be read.

    Arguments:
        value: the header: seconds, or a date.
        now: the time that a date is compared with, in seconds since 1970; None reads no dates.
    """
    text = str(value).strip()
    try:
        seconds = float(text)
    except ValueError:
        date = _date(text)
        if date is None or now is None:
            return None
        seconds = max(date - now, 0.0)
    return seconds if 0.0 <= seconds < float("inf") else None


def retry_after_of(error: BaseException) -> float | None:
    """Return the seconds that the answer in an error asks to wait.

    A date is compared with the answer's own date, so that no clock of ours is asked, which may go wrong.
    """
    for place in _HEADER_PLACES:
        headers = attribute(error, *place)
        for name, units in _WAIT_HEADERS:
            value = _header(headers, name)
            if value is None:
                continue
            sent = _header(headers, "date")
            seconds = retry_after_seconds(value, None if sent is None else _date(str(sent)))
            if seconds is not None:
                return seconds / units
    return None


def _http_status(error: BaseException) -> int | None:
    for place in _STATUS_PLACES:
        found = attribute(error, *place)
        if isinstance(found, int) and 400 <= found < 600:
            return int(found)
    # Many libraries keep numbers of their own in `code`; only these two are known to be HTTP statuses.
    code = attribute(error, "code")
    named = type(code).__name__ == "HTTPStatus" or _is_urllib(error)
    return int(code) if named and isinstance(code, int) and 400 <= code < 600 else None


def _is_urllib(error: BaseException) -> bool:
    return type(error).__module__ == "urllib.error"


def _grpc_code(error: BaseException) -> str | None:
    for place in _CODE_PLACES:
        found = attribute(error, place)
        if callable(found) and place == "code":
            found = _called(error, place)
        # http.HTTPStatus has a NOT_FOUND too, but is a number.
        if isinstance(found, Enum) and not isinstance(found, int) and found.name in GRPC_CODES:
            return found.name
    return None


def _called(error: BaseException, method: str) -> object:
    """Return the result of an error's method; None if there is none or it raises."""
    found = attribute(error, method)
    if not callable(found):
        return None
    try:
        said: object = found()
    except Exception:  # code of another library
        return None
    return said


def _pushback(error: BaseException) -> float | None:
    """Return the seconds of `grpc-retry-pushback-ms`; a negative number means: do not retry."""
    metadata: Any = _called(error, "trailing_metadata") or ()
    try:
        asked = [value for name, value in metadata if name == "grpc-retry-pushback-ms"]
    except (TypeError, ValueError):  # not a sequence of pairs
        return None
    if not asked:
        return None
    try:
        return int(asked[0]) / 1000.0
    except (TypeError, ValueError):
        return -1.0  # as the specification asks for a value that cannot be read


def _header(headers: object, name: str) -> object:
    """Return a header from a mapping that may or may not be case-sensitive."""
    get = attribute(headers, "get")
    if not callable(get):
        return None
    for spelling in (name, name.title()):
        try:
            found: object = get(spelling)
        except Exception:  # a mapping of another library
            return None
        if found is not None:
            return found
    return None


def _date(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970."""
    from email.utils import parsedate_to_datetime  # slow to import, and rarely needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
