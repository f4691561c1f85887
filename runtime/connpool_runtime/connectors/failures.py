"""Finds the kind of failure that a library's error stands for: along its causes, never by its type's name alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from connpool_runtime.connectors.config.errors import (
    ConnectFailed,
    FailureKind,
    HealthCheckFailed,
    connect_failed,
)

__all__ = ["Failure", "chain", "failed", "failure_of", "kind_of", "not_healthy"]

# When endpoints fail in different ways, the first of these kinds says most about what to do.
_TELLING = (
    FailureKind.AUTHENTICATION,
    FailureKind.CERTIFICATE,
    FailureKind.OTHER,
    FailureKind.TIMEOUT,
    FailureKind.REFUSED,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of one endpoint."""

    endpoint: str
    kind: FailureKind
    error: BaseException | None
    text: str


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors that led to it: causes, contexts, and errors kept in `args` or `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [
                found.__cause__,
                found.__context__,
                getattr(found, "reason", None),
                *found.args,
            ]


def kind_of(
    error: BaseException, own: Callable[[BaseException], FailureKind | None]
) -> FailureKind:
    """Return the kind of failure that an error stands for.

    Args:
        error: what was raised.
        own: what the library's own errors stand for, asked along the chain before the general rule.
    """
    errors = list(chain(error))
    for rule in (own, _certificate, _timeout, _refused):
        for each in errors:
            kind = rule(each)
            if kind is not None:
                return kind
    return FailureKind.OTHER


def _certificate(error: BaseException) -> FailureKind | None:
    # By name, so that ssl is not imported for a plain connection.
    names = {base.__name__ for base in type(error).__mro__ if base.__module__ == "ssl"}
    return FailureKind.CERTIFICATE if "SSLError" in names else None


def _timeout(error: BaseException) -> FailureKind | None:
    return FailureKind.TIMEOUT if isinstance(error, TimeoutError) else None


def _refused(error: BaseException) -> FailureKind | None:
    return FailureKind.REFUSED if isinstance(error, OSError) else None


def failed(name: str, failures: Sequence[Failure]) -> ConnectFailed:
    """Return one error for the failures of all endpoints; the most telling of them is its cause."""
    first = min(failures, key=lambda failure: _TELLING.index(failure.kind))
    told = "; ".join(f"{each.endpoint}: {each.kind.value} ({each.text})" for each in failures)
    message = f"{name}: no endpoint could be connected to: {told}"
    return connect_failed(
        first.kind, message, connector=name, endpoint=first.endpoint, cause=first.error
    )


def failure_of(
    endpoint: str,
    error: BaseException,
    own: Callable[[BaseException], FailureKind | None],
    masked: Callable[[str], str],
) -> Failure:
    """Return the kind of an error, and its text on one line with secrets masked."""
    text = " ".join(str(error).split()) or type(error).__name__
    return Failure(endpoint, kind_of(error, own), error, masked(text))


def not_healthy(name: str, endpoint: str, failure: Failure) -> HealthCheckFailed:
    """Return the error for a failed health check."""
    return HealthCheckFailed(
        f"{name} is not healthy: {failure.kind.value} ({failure.text})",
        kind=failure.kind,
        connector=name,
        endpoint=endpoint,
        cause=failure.error,
    )
