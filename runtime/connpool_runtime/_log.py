"""The runtime's logger, silent until the application configures logging, and the fields of its records."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

__all__ = ["FIELDS", "LogFields", "safe_logger", "extra", "log_failure", "runtime_logger", "warn"]

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "event_name": "what the record is about, in words that stay the same from version to version",
        "pool": "the name of the pool, or of what shares clients",
        "service": "the name of the service, as a manager knows it",
        "manager": "the name of the manager",
        "member": "the name of the member",
        "method": "the method that was called",
        "outcome": "what the call was counted as: success, answer, failure, overload, unknown or neutral",
        "reason": "why, in a word or two; never the message of an error",
        "attempt": "how many attempts the call has made",
        "seconds": "how long the call, the lease or the silence has lasted",
        "error_type": "the type of the error, without its message",
        "source": "the source of endpoints",
        "config_version": "how many configs the manager has used",
    }
)
"""The fields of the runtime's log records, by name, with what each says. A record has those that it knows.

None of them is an attribute that every record of `logging` has, nor a word by which JSON formatters and
structlog call the message: `message` and `event`.
"""


class LogFields(TypedDict, total=False):
    """The values of the fields of one record."""

    event_name: str
    pool: str
    service: str
    manager: str
    member: str | None
    method: str
    outcome: str
    reason: str
    attempt: int
    seconds: float
    error_type: str
    source: str
    config_version: int


def extra(**fields: Unpack[LogFields]) -> dict[str, Any]:
    """Return the fields of a record, for the `extra` of a method of the logger."""
    return {**fields}


def runtime_logger() -> LoggerAdapter[Logger]:
    """Return the logger `connpool_runtime`, whose handlers and filters make no call fail; imports logging at the first use."""
    import logging

    logger = logging.getLogger("connpool_runtime")
    if not logger.handlers:
        # without a handler, logging would print warnings to stderr
        logger.addHandler(logging.NullHandler())
    return safe_logger(logger)


@cache
def safe_logger(logger: Logger) -> LoggerAdapter[Logger]:
    """Return an adapter of a logger by which no error of a handler reaches who logs."""
    import logging

    class SafeLogger(logging.LoggerAdapter[logging.Logger]):
        def process(
            self, msg: Any, kwargs: MutableMapping[str, Any]
        ) -> tuple[Any, MutableMapping[str, Any]]:
            return msg, kwargs

        def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            try:
                super().log(level, msg, *args, **kwargs)
            except Exception:
                if logging.raiseExceptions:  # the switch of logging's own handlers
                    _print_error()

    return SafeLogger(logger)


def _print_error() -> None:
    import traceback

    with suppress(OSError, ValueError):  # nobody reads it, or it is closed
        sys.stderr.write("--- Logging error in connpool_runtime ---\n")
        traceback.print_exc(file=sys.stderr)


def log_failure(message: str, *values: object, **fields: Unpack[LogFields]) -> None:
    """Log the error being handled, which must not be raised to a caller that did not cause it.

    Arguments:
        message: with places for the values.
        values: for these places.
        fields: of the record; the type of the error is added.
    """
    error = sys.exception()
    if error is not None:
        fields.setdefault("error_type", type(error).__qualname__)
    runtime_logger().exception(message, *values, extra=extra(**fields), stacklevel=2)


def warn(message: str) -> None:
    """Warn the author of a function given to a pool that it failed and that the call goes on without it."""
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=3)
