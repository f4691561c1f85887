"""The runtime's logger: silent until the application configures logging."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["log_failure", "runtime_logger", "warn"]


def runtime_logger() -> Logger:
    """Return the logger `connpool_runtime`; logging is imported by the first who wants to log."""
    import logging

    logger = logging.getLogger("connpool_runtime")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else warnings would go to stderr
    return logger


def log_failure(message: str, *values: object) -> None:
    """Log the error at hand, which must not reach the caller it does not belong to."""
    runtime_logger().exception(message, *values)


def warn(message: str) -> None:
    """Warn the author of code that a pool was given: it failed, and the call goes on without it."""
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=3)
