"""Errors of kafka-python and aiokafka, which have the same names."""

from __future__ import annotations

from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECTION_ERROR,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
)
from connpool_runtime.classifiers.verdict import (
    MayRetry,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["kafka"]

_MISUSE = neutral("misuse of the client")
_UNAVAILABLE = failure("broker not available")
_TOO_FEW = failure("too few replicas")
# The broker is healthy; the client has asked the wrong one and will look up the right one.
_MOVED = neutral("not the leader", MayRetry.NOT_SENT)

kafka = ErrorTable(
    "kafka",
    ("kafka", "aiokafka"),
    {
        "BrokerNotAvailableError": _UNAVAILABLE,
        "BrokerResponseError": answer("error reply"),
        "Cancelled": neutral("cancelled"),
        "CommitFailedError": answer("commit failed"),
        "CoordinatorLoadInProgressError": failure("coordinator loads", MayRetry.PUSHED_BACK),
        "CoordinatorNotAvailableError": _UNAVAILABLE,
        "CorruptRecordError": failure("corrupt record"),
        "FencedLeaderEpochError": _MOVED,
        "IllegalArgumentError": _MISUSE,
        "IllegalStateError": _MISUSE,
        "KafkaConfigurationError": _MISUSE,
        "KafkaConnectionError": lost(CONNECTION_ERROR),
        "KafkaProtocolError": PROTOCOL_ERROR,
        "KafkaStorageError": failure("storage error"),
        "KafkaTimeoutError": TIMED_OUT,
        "LeaderNotAvailableError": _UNAVAILABLE,
        "MetadataEmptyBrokerList": _UNAVAILABLE,
        "NetworkExceptionError": failure("network of the broker"),
        "NoBrokersAvailable": unreached("no broker found"),
        "NoOffsetForPartitionError": answer("no offset"),
        "NodeNotReadyError": unreached("broker not ready"),
        "NotControllerError": _MOVED,
        "NotCoordinatorError": _MOVED,
        "NotEnoughReplicasAfterAppendError": _TOO_FEW,
        "NotEnoughReplicasError": _TOO_FEW,
        "NotLeaderForPartitionError": _MOVED,
        "ReplicaNotAvailableError": _UNAVAILABLE,
        "RequestTimedOutError": TIMED_OUT,
        "SaslAuthenticationFailedError": unreached("authentication failed"),
        "ThrottlingQuotaExceededError": pushed_back("throttled"),
        "TooManyInFlightRequests": own_limit("client's own request limit"),
        "UnknownError": failure("server error"),
        "UnrecognizedBrokerVersion": PROTOCOL_ERROR,
    },
)
"""What a broker answers about topics, groups, offsets and rights is an answer."""
