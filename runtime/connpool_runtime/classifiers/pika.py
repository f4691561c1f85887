"""Errors of pika: the reply code of AMQP."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_FAILED,
    CONNECTION_ERROR,
    CONNECTION_LOST,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
    never_connected,
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

__all__ = ["pika"]

_MISUSE = neutral("misuse of the client")
_CLOSED_BY_US = neutral("client is closed")
_WRONG_PASSWORD = unreached("authentication failed")
_NOT_OPEN = unreached("connection is closed")

_CODES: dict[object, Verdict] = {
    320: failure("connection forced to close"),
    506: pushed_back("out of resources"),
    541: failure("internal error"),
}


def _by_code(otherwise: Verdict) -> ByCode:
    return ByCode(
        "the reply code of AMQP", lambda error: attribute(error, "reply_code"), _CODES, otherwise
    )


_never_connected = never_connected(CONNECT_FAILED)


def _attempt(error: BaseException) -> Verdict | None:
    """Judge an attempt to connect by the error that the client stores in it."""
    found = attribute(error, "exception")
    return _never_connected(found) if isinstance(found, BaseException) else None


pika = ErrorTable(
    "pika",
    ("pika",),
    {
        "AMQPConnectionError": lost(CONNECTION_ERROR, _attempt),
        "AMQPHeartbeatTimeout": TIMED_OUT,
        "AuthenticationError": _WRONG_PASSWORD,
        "ChannelClosedByBroker": _by_code(answer("channel closed by the broker")),
        "ChannelClosedByClient": _CLOSED_BY_US,
        "ChannelError": _MISUSE,
        "ChannelWrongStateError": unreached("channel is closed"),
        "ConnectionBlockedTimeout": pushed_back("broker blocks publishers"),
        "ConnectionClosedByBroker": _by_code(answer("connection closed by the broker")),
        "ConnectionClosedByClient": _CLOSED_BY_US,
        "ConnectionOpenAborted": _CLOSED_BY_US,
        "ConnectionWrongStateError": _NOT_OPEN,
        "ConsumerCancelled": answer("consumer cancelled"),
        "DuplicateConsumerTag": _MISUSE,
        "IncompatibleProtocolError": PROTOCOL_ERROR,
        "InvalidChannelNumber": _MISUSE,
        "MethodNotImplemented": _MISUSE,
        "NackError": failure("message not taken"),
        "NoFreeChannels": own_limit("client's own channel limit"),
        "ProbableAccessDeniedError": _WRONG_PASSWORD,
        "ProbableAuthenticationError": _WRONG_PASSWORD,
        "ProtocolSyntaxError": PROTOCOL_ERROR,
        "ReentrancyError": _MISUSE,
        "ShortStringTooLong": _MISUSE,
        "StreamLostError": CONNECTION_LOST,
        "UnroutableError": answer("no route for the message"),
    },
)
"""A queue that is not there, or declared otherwise, is an answer, although the broker closes the channel for it."""
