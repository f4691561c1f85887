"""Network errors below any library's errors: refused, reset, timed out, TLS, unknown host."""

from __future__ import annotations

import errno

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.error_chain import attribute, first_known, inner
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.verdict import (
    Classifier,
    MayRetry,
    Verdict,
    failure,
    own_limit,
    unreached,
)

__all__ = [
    "CONNECTION_ERROR",
    "CONNECTION_LOST",
    "CONNECT_FAILED",
    "CONNECT_TIMED_OUT",
    "PROTOCOL_ERROR",
    "TIMED_OUT",
    "TLS_ERROR",
    "is_disconnect",
    "lost",
    "network",
    "never_connected",
    "transport",
]

CONNECTION_ERROR = failure("connection error")
CONNECTION_LOST = failure("connection lost")
CONNECT_FAILED = unreached("connect failed")
CONNECT_TIMED_OUT = unreached("connect timed out")
PROTOCOL_ERROR = failure("protocol error")
TIMED_OUT = failure("timed out")
TLS_ERROR = failure("TLS error")

_REFUSED = unreached("connection refused")
_NOT_FOUND = unreached("host not found")
_NO_ROUTE = failure("no route")  # may also end an open connection
_NO_FILES = own_limit("too many open files")
_NO_PORTS = own_limit("no local port left")

_DISCONNECTS = frozenset(
    verdict.reason
    for verdict in (CONNECTION_ERROR, CONNECTION_LOST, CONNECT_FAILED, _REFUSED, _NO_ROUTE)
)

_BY_NUMBER = ByCode(
    "errno",
    lambda error: error.errno if isinstance(error, OSError) else None,
    {
        errno.ECONNREFUSED: _REFUSED,
        errno.ECONNRESET: CONNECTION_LOST,
        errno.ECONNABORTED: CONNECTION_LOST,
        errno.EPIPE: CONNECTION_LOST,
        errno.ESHUTDOWN: CONNECTION_LOST,
        errno.ENOTCONN: CONNECTION_LOST,
        errno.ETIMEDOUT: TIMED_OUT,
        errno.EHOSTUNREACH: _NO_ROUTE,
        errno.EHOSTDOWN: _NO_ROUTE,
        errno.ENETUNREACH: _NO_ROUTE,
        errno.ENETDOWN: _NO_ROUTE,
        errno.ENETRESET: CONNECTION_LOST,
        errno.EADDRNOTAVAIL: _NO_PORTS,
        errno.EMFILE: _NO_FILES,
        errno.ENFILE: _NO_FILES,
    },
)

network = ErrorTable(
    "the network",
    ("asyncio", "builtins", "http.client", "socket", "ssl"),
    {
        "BrokenPipeError": CONNECTION_LOST,
        "ConnectionAbortedError": CONNECTION_LOST,
        "ConnectionError": CONNECTION_ERROR,
        "ConnectionRefusedError": _REFUSED,
        "ConnectionResetError": CONNECTION_LOST,
        "EOFError": CONNECTION_LOST,
        # Errors of files, permissions and the like have numbers too, which say nothing about a server.
        "OSError": _BY_NUMBER,
        "TimeoutError": TIMED_OUT,
        "socket:gaierror": _NOT_FOUND,
        "socket:herror": _NOT_FOUND,
        "ssl:SSLCertVerificationError": unreached("certificate rejected"),
        "ssl:SSLError": TLS_ERROR,
        "http.client:BadStatusLine": PROTOCOL_ERROR,
        "http.client:IncompleteRead": CONNECTION_LOST,
        "http.client:RemoteDisconnected": CONNECTION_LOST,
    },
)
"""Judges one error of the standard library by itself, whatever led to it."""


def is_disconnect(verdict: Verdict) -> bool:
    """Return whether a verdict says that the server closed the connection, and so probably its others."""
    return verdict.outcome is Outcome.FAILURE and verdict.reason in _DISCONNECTS


def transport(error: BaseException) -> Verdict | None:
    """Judge an error by the standard library's network errors among those that led to it."""
    verdict = first_known(error, network)
    if verdict is CONNECTION_ERROR:
        # A plain ConnectionError is the client's own; an error of the system says more.
        return first_known(error, _telling) or verdict
    return verdict


def _telling(error: BaseException) -> Verdict | None:
    verdict = network(error)
    return None if verdict is CONNECTION_ERROR else verdict


def lost(otherwise: Verdict | None, *more: Classifier) -> Classifier:
    """Return a classifier for a client's connection errors, which judges by the errors that led to them.

    Arguments:
        otherwise: what to say when nothing led to one.
        more: classifiers of the libraries that the client is built on; none may ask for the first again.
    """

    def classify(error: BaseException) -> Verdict | None:
        return _led_by(error, more) or otherwise

    return classify


def never_connected(otherwise: Verdict, *more: Classifier) -> Classifier:
    """Return the same for errors of connecting, which are raised before anything is sent."""

    def classify(error: BaseException) -> Verdict | None:
        found = _led_by(error, more)
        if found is None or found.retry is MayRetry.NOT_SENT:
            return found or otherwise
        return Verdict(found.outcome, MayRetry.NOT_SENT, found.reason)

    return classify


def _led_by(error: BaseException, more: tuple[Classifier, ...]) -> Verdict | None:
    def classify(link: BaseException) -> Verdict | None:
        for each in (*more, _telling):
            verdict = each(link)
            if verdict is not None:
                return verdict
        return None

    found = inner(error, classify)
    if found is None:
        # aiohttp's attribute; also an error that is an OSError itself
        own = attribute(error, "os_error")
        found = _telling(own) if isinstance(own, BaseException) else _telling(error)
    return found
