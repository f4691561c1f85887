"""The errors of connectors."""

import pickle

import pytest

from connpool_runtime import PoolError, connectors
from connpool_runtime.connectors import (
    ConnectFailed,
    ConnectorError,
    ConnectTimeout,
    FailureKind,
    HealthCheckFailed,
    InvalidConfig,
)
from connpool_runtime.connectors.config.errors import connect_failed

ERRORS = [
    found
    for found in vars(connectors).values()
    if isinstance(found, type) and issubclass(found, ConnectorError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_all_are_pool_errors_with_a_public_name(error: type[ConnectorError]) -> None:
    """`except PoolError` catches them too, and tracebacks show where to import them from."""
    assert issubclass(error, PoolError)
    assert error.__module__ == "connpool_runtime.connectors"
    assert error.__doc__


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_of_failure_has_an_error(kind: FailureKind) -> None:
    """Its class can be caught, and its attribute read."""
    cause = OSError("down")
    error = connect_failed(kind, "text", connector="c", endpoint="h:1", cause=cause)
    assert isinstance(error, ConnectFailed)
    assert (error.kind, error.connector, error.endpoint, error.__cause__) == (
        kind,
        "c",
        "h:1",
        cause,
    )
    assert isinstance(error, ConnectionError)
    assert str(error) == "text"


def test_a_timeout_is_one() -> None:
    """A caller who catches TimeoutError catches ours."""
    assert issubclass(ConnectTimeout, TimeoutError)


def test_errors_can_be_pickled() -> None:
    """They travel between processes with their data."""
    made = pickle.loads(
        pickle.dumps(HealthCheckFailed("text", kind=FailureKind.TIMEOUT, connector="c"))
    )
    assert (str(made), made.kind, made.connector) == ("text", FailureKind.TIMEOUT, "c")
    made = pickle.loads(pickle.dumps(InvalidConfig("field", "3", "4")))
    assert (str(made), made.field) == ("field must be 4, not 3", "field")
