"""Errors of pika."""

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

pika = library("pika")
errors = library("pika.exceptions")

ANSWERS = [
    *(
        errors.ChannelClosedByBroker(code, "failed")
        for code in (311, 312, 313, 403, 404, 405, 406, 530, 540)
    ),
    errors.ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost a not found"),
    errors.UnroutableError([]),
    errors.ConsumerCancelled(None),
]
NOT_SENT = [
    errors.ProbableAuthenticationError("(403) ACCESS_REFUSED"),
    errors.AuthenticationError("PLAIN"),
    errors.ConnectionWrongStateError("closed"),
    errors.ChannelWrongStateError("closed"),
    errors.AMQPConnectionError(ConnectionRefusedError()),
]
PERHAPS_SENT = [
    errors.AMQPConnectionError("failed"),
    errors.StreamLostError("reset"),
    errors.AMQPHeartbeatTimeout("no heartbeat"),
    errors.ConnectionClosedByBroker(320, "CONNECTION_FORCED - shutdown"),
    errors.ChannelClosedByBroker(541, "INTERNAL_ERROR"),
    errors.NackError([]),
    errors.UnexpectedFrameError("junk"),
]


@each(ANSWERS)
def test_answers(error: Any) -> None:
    """A queue that is not there, or declared otherwise, is an answer."""
    assert_answer(error)


@each(NOT_SENT + PERHAPS_SENT)
def test_failures(error: Any) -> None:
    """A broker that is not there, goes down or breaks the protocol is a failure."""
    assert_failure(error)
    assert retry_of(error) is (MayRetry.NOT_SENT if error in NOT_SENT else MayRetry.YES)


@each(
    [
        errors.ConnectionBlockedTimeout("blocked"),
        errors.ChannelClosedByBroker(506, "RESOURCE_ERROR"),
    ]
)
def test_push_back(error: Any) -> None:
    """A broker that blocks publishers, or has no resources, has too much to do."""
    assert retry_of(error) is MayRetry.PUSHED_BACK


@each(
    [
        errors.ShortStringTooLong("x"),
        errors.DuplicateConsumerTag("x"),
        errors.NoFreeChannels(),
        errors.ConnectionClosedByClient(200, "bye"),
    ]
)
def test_neutral(error: Any) -> None:
    """What we close, limit or refuse to send says nothing about the broker."""
    assert_neutral(error)


def test_a_real_refusal_was_not_sent() -> None:
    """With nobody at the port the client's error tells that nothing was sent."""
    from local_servers import free_port

    parameters = pika.ConnectionParameters("127.0.0.1", free_port(), connection_attempts=1)
    with pytest.raises(errors.AMQPConnectionError) as caught:
        pika.BlockingConnection(parameters)
    assert_failure(caught.value)
    assert retry_of(caught.value) is MayRetry.NOT_SENT
