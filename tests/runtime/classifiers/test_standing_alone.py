"""Errors whose class says all, and those of which others led to them."""

from collections.abc import Callable

import pytest

from connpool_runtime.classifiers.error_chain import stands_alone
from connpool_runtime.classifiers.registry import Judge
from connpool_runtime.classifiers.transport import CONNECTION_ERROR


def caused(by: BaseException) -> ConnectionError:
    error = ConnectionError("lost")
    error.__cause__ = by
    return error


def in_context(of: BaseException) -> ConnectionError:
    error = ConnectionError("lost")
    error.__context__ = of
    return error


def with_reason(reason: BaseException) -> ConnectionError:
    error = ConnectionError("lost")
    error.reason = reason  # type: ignore[attr-defined]  # as urllib3 keeps its own
    return error


@pytest.mark.parametrize("led", [caused, in_context, with_reason, ConnectionError])
def test_what_led_to_a_plain_connection_error_decides(
    led: Callable[[BaseException], ConnectionError],
) -> None:
    """A plain ConnectionError is judged by what led to it also after one that came alone was seen."""
    judge = Judge()
    alone = ConnectionError("lost")
    assert stands_alone(alone)
    assert judge(alone) is judge(ConnectionError()) is CONNECTION_ERROR
    error = led(ConnectionRefusedError())
    assert not stands_alone(error)
    verdict = judge(error)
    assert verdict is not None
    assert verdict.reason == "connection refused"
