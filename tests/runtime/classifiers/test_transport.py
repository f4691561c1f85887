"""What is evidence of the network, and what only looks like it."""

import asyncio
import errno
import http.client
import socket
import ssl
from collections.abc import Callable

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.error_chain import LIMIT
from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.transport import transport
from connpool_runtime.classifiers.verdict import MayRetry, Verdict


class ClientError(Exception):
    """What a client of somebody raises."""


def raised(build: Callable[[], None]) -> BaseException:
    """Return the error that a function raises."""
    try:
        build()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def because(error: BaseException, cause: BaseException) -> BaseException:
    """Return an error with another as its cause."""
    error.__cause__ = cause
    return error


def while_handling(error: BaseException, context: BaseException) -> BaseException:
    """Return an error that was raised while another was handled."""
    error.__context__ = context
    return error


@pytest.mark.parametrize(
    ("error", "retry", "reason"),
    [
        (ConnectionRefusedError(), MayRetry.NOT_SENT, "connection refused"),
        (
            OSError(errno.ECONNREFUSED, "Connect call failed"),
            MayRetry.NOT_SENT,
            "connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), MayRetry.NOT_SENT, "host not found"),
        (ssl.SSLCertVerificationError("self-signed"), MayRetry.NOT_SENT, "certificate rejected"),
        (ssl.SSLEOFError("EOF"), MayRetry.YES, "TLS error"),
        (ConnectionResetError(), MayRetry.YES, "connection lost"),
        (BrokenPipeError(), MayRetry.YES, "connection lost"),
        (ConnectionAbortedError(), MayRetry.YES, "connection lost"),
        (OSError(errno.ECONNRESET, "reset"), MayRetry.YES, "connection lost"),
        (EOFError(), MayRetry.YES, "connection lost"),
        (asyncio.IncompleteReadError(b"", 4), MayRetry.YES, "connection lost"),
        (http.client.RemoteDisconnected("closed"), MayRetry.YES, "connection lost"),
        (http.client.IncompleteRead(b""), MayRetry.YES, "connection lost"),
        (http.client.BadStatusLine("junk"), MayRetry.YES, "protocol error"),
        (TimeoutError(), MayRetry.YES, "timed out"),
        (OSError(errno.ETIMEDOUT, "timed out"), MayRetry.YES, "timed out"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), MayRetry.YES, "no route"),
        (OSError(errno.ENETUNREACH, "unreachable"), MayRetry.YES, "no route"),
        (ConnectionError("gone"), MayRetry.YES, "connection error"),
    ],
    ids=repr,
)
def test_network_errors_are_failures(error: OSError, retry: MayRetry, reason: str) -> None:
    """An error of the network counts against the server; only what comes before sending is "not sent"."""
    assert transport(error) == Verdict(Outcome.FAILURE, retry, reason)
    assert judge(error) == transport(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file"),
        PermissionError(errno.EACCES, "denied"),
        IsADirectoryError(errno.EISDIR, "folder"),
        OSError(errno.ENOSPC, "disk full"),
        OSError("no number"),
        ValueError("bad"),
        KeyError("missing"),
        Exception("anything"),
    ],
    ids=repr,
)
def test_local_errors_are_no_evidence(error: Exception) -> None:
    """A file that is missing, a full disk, a bad value: nothing was heard of the server."""
    assert transport(error) is None
    assert judge(error) is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
def test_limits_of_this_process_are_neutral(number: int) -> None:
    """Without a file descriptor or a port left, the server was never asked."""
    verdict = transport(OSError(number, "too many"))
    assert verdict is not None
    assert (verdict.outcome, verdict.retry) == (Outcome.NEUTRAL, MayRetry.NOT_SENT)


def test_causes_and_contexts_are_evidence() -> None:
    """What a client wraps, with or without `from`, is found below what it raises."""
    for link in (because, while_handling):
        verdict = transport(link(ClientError(), link(RuntimeError(), ConnectionRefusedError())))
        assert verdict is not None
        assert verdict.reason == "connection refused"


def test_errors_kept_in_arguments_and_reason_are_evidence() -> None:
    """urllib and urllib3 keep the error behind theirs as `reason` or as an argument."""
    with_reason = ClientError()
    with_reason.reason = TimeoutError()  # type: ignore[attr-defined]  # as urllib3 does
    for error in (ClientError("failed", TimeoutError()), with_reason):
        assert transport(error) is not None


@pytest.mark.parametrize(
    "kind", [ValueError, KeyError, TypeError, FileNotFoundError, ZeroDivisionError]
)
def test_a_slip_while_handling_a_network_error_is_no_evidence(kind: type[Exception]) -> None:
    """A ValueError raised in the handler of another call's ConnectionError says nothing about this call."""

    def slip() -> None:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            raise kind("slip")  # noqa: B904 - without `from` is the point

    assert transport(raised(slip)) is None


def test_a_named_cause_is_evidence_whatever_it_caused() -> None:
    """`raise ValueError from ConnectionResetError` says itself that the connection was the cause."""
    assert transport(because(ValueError(), ConnectionResetError())) is not None


def test_a_hidden_context_is_no_evidence() -> None:
    """`raise ... from None` says that what was being handled has nothing to do with it."""

    def hide() -> None:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            raise ClientError from None

    assert transport(raised(hide)) is None


def test_the_system_says_more_than_the_client() -> None:
    """A plain ConnectionError around a refusal was never sent; around nothing it may have been."""
    refused = transport(because(ConnectionError("no server"), ConnectionRefusedError()))
    assert refused is not None
    assert refused.retry is MayRetry.NOT_SENT


def test_a_timeout_around_a_refusal_is_a_timeout() -> None:
    """What the outermost error says counts: an earlier attempt may have been sent."""
    verdict = transport(because(TimeoutError(), ConnectionRefusedError()))
    assert verdict is not None
    assert verdict.retry is MayRetry.YES


def test_a_group_is_as_bad_as_its_worst_error() -> None:
    """All attempts refused: not sent; one of them reset: perhaps sent; none of the network: unknown."""
    refused, reset = ConnectionRefusedError(), ConnectionResetError()
    both = transport(ExceptionGroup("all failed", [refused, ExceptionGroup("", [reset])]))
    assert both is not None
    assert both.retry is MayRetry.YES
    one = transport(
        because(OSError("all failed"), ExceptionGroup("all failed", [refused, refused]))
    )
    assert one is not None
    assert one.retry is MayRetry.NOT_SENT
    assert transport(ExceptionGroup("", [ValueError()])) is None


def test_circles_end() -> None:
    """Errors that are each other's cause are looked at once each."""
    one, other = ClientError(), ClientError()
    because(one, because(other, one))
    other.args = (one, other)
    assert transport(one) is None


def test_a_long_chain_is_looked_at_to_its_limit() -> None:
    """No chain makes the judgement slow: what lies deeper than the limit is not found."""

    def chain(length: int) -> BaseException:
        error: BaseException = ConnectionResetError()
        for _ in range(length):
            error = because(ClientError(), error)
        return error

    assert transport(chain(LIMIT - 1)) is not None
    assert transport(chain(LIMIT)) is None
    assert transport(chain(100_000)) is None
