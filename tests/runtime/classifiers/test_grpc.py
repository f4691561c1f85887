"""Errors of grpcio: the test with real servers holds more."""

from typing import Any

import pytest

from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    verdict_of,
)

grpc = library("grpc")

ANSWERS = [
    "ABORTED", "ALREADY_EXISTS", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND", "OUT_OF_RANGE",
    "PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED",
]  # fmt: skip
FAILURES = ["DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"]
NEUTRAL = ["CANCELLED", "RESOURCE_EXHAUSTED"]


def aio_error(name: str) -> Any:
    """Return an error as grpc.aio raises it."""
    metadata = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode[name], metadata, metadata, "details", "debug")


def sync_error(name: str) -> Any:
    """Return an error as a sync call raises it."""
    from grpc._channel import _InactiveRpcError, _RPCState

    state = _RPCState((), (), (), grpc.StatusCode[name], "details")
    return _InactiveRpcError(state)


MAKERS = [aio_error, sync_error]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str, make: Any) -> None:
    """A code about the request is an answer."""
    assert_answer(make(name))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, make: Any) -> None:
    """A code about the server is a failure."""
    assert_failure(make(name))
    assert verdict_of(make(name)).reason == f"gRPC {name}"


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral(name: str, make: Any) -> None:
    """Overload and cancellation say nothing about the server."""
    assert_neutral(make(name))


def test_every_code_is_tested() -> None:
    """The three lists hold all codes but OK."""
    assert {*ANSWERS, *FAILURES, *NEUTRAL} == set(grpc.StatusCode.__members__) - {"OK"}


def test_waiting_for_a_channel_in_vain_is_a_failure() -> None:
    """A channel that does not become ready in time has not reached its server."""
    assert_failure(grpc.FutureTimeoutError())
    assert_neutral(grpc.FutureCancelledError())
