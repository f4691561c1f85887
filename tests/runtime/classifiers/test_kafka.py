"""Errors of kafka-python."""

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    retry_of,
)

errors = library("kafka.errors")

ANSWERS = [
    "UnknownTopicOrPartitionError", "OffsetOutOfRangeError", "MessageSizeTooLargeError", "TopicAlreadyExistsError",
    "TopicAuthorizationFailedError", "GroupAuthorizationFailedError", "InvalidTopicError", "IllegalGenerationError",
    "UnknownMemberIdError", "RebalanceInProgressError", "UnsupportedVersionError", "InvalidPartitionsError",
    "CommitFailedError", "NoOffsetForPartitionError", "RecordListTooLargeError", "ConcurrentTransactionsError",
]  # fmt: skip
FAILURES = [
    "KafkaConnectionError", "NoBrokersAvailable", "KafkaTimeoutError", "RequestTimedOutError", "BrokerNotAvailableError",
    "LeaderNotAvailableError", "CoordinatorNotAvailableError", "CoordinatorLoadInProgressError", "KafkaStorageError",
    "NotEnoughReplicasError", "NetworkExceptionError", "UnknownError", "NodeNotReadyError", "CorrelationIdError",
    "SaslAuthenticationFailedError",
]  # fmt: skip
NEUTRAL = [
    "Cancelled",
    "IllegalStateError",
    "KafkaConfigurationError",
    "NotLeaderForPartitionError",
    "TooManyInFlightRequests",
]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    """What a broker says about topics, groups, offsets and rights is an answer."""
    assert_answer(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    """A broker that is not there, or cannot do its work, is a failure."""
    if not hasattr(errors, name):
        assert name == "NoBrokersAvailable", "older versions of the library have it"
        return
    assert_failure(getattr(errors, name)("failed"))


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral(name: str) -> None:
    """Misuse, limits of ours and stale knowledge say nothing about the broker."""
    assert_neutral(getattr(errors, name)("failed"))


def test_the_rest() -> None:
    """Throttling is push-back; a refused connection was not sent."""
    assert retry_of(errors.ThrottlingQuotaExceededError()) is MayRetry.PUSHED_BACK
    error = errors.KafkaConnectionError("refused")
    error.__cause__ = ConnectionRefusedError()
    assert retry_of(error) is MayRetry.NOT_SENT
