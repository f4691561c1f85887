"""Errors of openai and anthropic, whose clients are built alike."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.httpx import httpx
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECTION_ERROR,
    CONNECTION_LOST,
    TIMED_OUT,
    lost,
)
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
)

__all__ = ["openai"]

_MISUSE = neutral("misuse of the client")
_NO_MONEY = answer("quota used up")
_RATE_LIMIT = pushed_back("rate limit")
_SERVER_ERROR = failure("server error")

# Names of errors in the body; in the middle of a stream there is no status.
_KINDS: dict[object, Verdict] = {
    "api_error": _SERVER_ERROR,
    "insufficient_quota": _NO_MONEY,
    "overloaded_error": pushed_back("overloaded"),
    "rate_limit_error": _RATE_LIMIT,
    "rate_limit_exceeded": _RATE_LIMIT,
    "server_error": _SERVER_ERROR,
}


def _kind(error: BaseException) -> str | None:
    """Return the kind of an error: openai has it in `code` or `type`, anthropic in `type`."""
    for name in ("code", "type"):
        found = attribute(error, name)
        if isinstance(found, str) and found in _KINDS:
            return found
    return None


def _limited(error: BaseException) -> Verdict | None:
    """Judge a 429: too many requests for the moment, or a quota used up."""
    return _NO_MONEY if _kind(error) == "insufficient_quota" else status(error)


openai = ErrorTable(
    "openai",
    ("openai", "anthropic"),
    {
        "APIConnectionError": lost(CONNECTION_ERROR, httpx),
        "APIError": ByCode("the kind in the body", _kind, _KINDS),
        "APIResponseValidationError": None,
        "APIStatusError": status,
        "APITimeoutError": lost(TIMED_OUT, httpx),
        "APIWebhookValidationError": _MISUSE,
        "AnthropicError": _MISUSE,
        "ContentFilterFinishReasonError": answer("content filter"),
        "ContractSpendLimitReachedError": _NO_MONEY,
        "CredentialsError": neutral("no credentials"),
        "EnforcedSpendLimitReachedError": _NO_MONEY,
        "InvalidWebhookSignatureError": _MISUSE,
        "LengthFinishReasonError": answer("answer too long"),
        "OpenAIError": _MISUSE,
        "RateLimitError": _limited,
        "WebSocketConnectionClosedError": CONNECTION_LOST,
        "WebSocketQueueFullError": own_limit("client's own queue"),
    },
)
"""Judges by the HTTP status; 429 and 529 are push-back, but for a quota that is used up."""
