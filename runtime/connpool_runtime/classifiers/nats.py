"""Errors of nats-py, JetStream included."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECTION_LOST,
    PROTOCOL_ERROR,
    TIMED_OUT,
)
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["nats"]

_MISUSE = neutral("misuse of the client")
_WRONG_PASSWORD = unreached("authentication failed")
_TLS = unreached("TLS error")
_SERVER_ERROR = failure("JetStream 500")
_NO_JETSTREAM = unreached("JetStream 503")

_CODES: dict[object, Verdict] = {
    429: pushed_back("JetStream 429"),
    500: _SERVER_ERROR,
    503: _NO_JETSTREAM,
}

nats = ErrorTable(
    "nats",
    ("nats",),
    {
        "nats.errors:AuthorizationError": _WRONG_PASSWORD,
        "nats.errors:BadHeaderError": _MISUSE,
        "nats.errors:BadSubjectError": _MISUSE,
        "nats.errors:BadSubscriptionError": _MISUSE,
        "nats.errors:BadTimeoutError": _MISUSE,
        # The client closes for good after it has tried in vain to reconnect.
        "nats.errors:ConnectionClosedError": unreached("connection is closed"),
        "nats.errors:ConnectionDrainingError": neutral("client is closed"),
        "nats.errors:ConnectionReconnectingError": unreached("client reconnects"),
        "nats.errors:InvalidCallbackTypeError": _MISUSE,
        "nats.errors:InvalidUserCredentialsError": _MISUSE,
        "nats.errors:MaxPayloadError": answer("message too large"),
        "nats.errors:MsgAlreadyAckdError": _MISUSE,
        "nats.errors:NoRespondersError": answer("no responders"),
        "nats.errors:NoServersError": unreached("no server found"),
        "nats.errors:NotJSMessageError": _MISUSE,
        "nats.errors:OutboundBufferLimitError": own_limit("client's own buffer"),
        "nats.errors:ProtocolError": PROTOCOL_ERROR,
        "nats.errors:SecureConnFailedError": _TLS,
        "nats.errors:SecureConnRequiredError": _TLS,
        "nats.errors:SecureConnWantedError": _TLS,
        "nats.errors:SlowConsumerError": neutral("consumer too slow"),
        "nats.errors:StaleConnectionError": CONNECTION_LOST,
        "nats.errors:TimeoutError": TIMED_OUT,
        "nats.js.errors:APIError": ByCode(
            "the code of JetStream",
            lambda error: _number(error),
            _CODES,
            answer("error reply"),
        ),
        "nats.js.errors:Error": answer("error reply"),
        "nats.js.errors:FetchTimeoutError": neutral("nothing to fetch in time"),
        "nats.js.errors:ServerError": _SERVER_ERROR,
        "nats.js.errors:ServiceUnavailableError": _NO_JETSTREAM,
    },
)
"""No responders, a missing stream or key, a wrong sequence are answers."""


def _number(error: BaseException) -> int | None:
    code = attribute(error, "code")
    return code if isinstance(code, int) else None
