"""How one method, or one call, is retried, where that differs from the pool's `Retry`."""

from __future__ import annotations

from typing import cast

from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule

__all__ = ["NEVER", "RetryPolicy"]


def _are_errors(value: object) -> bool:
    return isinstance(value, tuple) and not _no_errors(cast("tuple[object, ...]", value))


def _no_errors(values: tuple[object, ...]) -> list[object]:
    """Return the values that are not classes of errors."""
    return [one for one in values if not (isinstance(one, type) and issubclass(one, BaseException))]


def _check_errors(value: object) -> None:
    """Raise an error that names a value that is not a class of errors."""
    if isinstance(value, tuple) and (others := _no_errors(cast("tuple[object, ...]", value))):
        raise TypeError(f"errors must be exception classes, not {others[0]!r}")


class RetryPolicy(Settings):
    """Says how `Retry` retries a method; None means as `Retry` itself is configured.

    Raises:
        ValueError: a number is not allowed.
        TypeError: there is no such option, or `errors` holds something else than classes of errors.
    """

    attempts: int | None = option(
        default=None,
        rule=Rule.whole_number(1, "calls"),
        does="how often a call is tried in all; 1 for no retry.",
    )
    base: float | None = option(
        default=None,
        rule=Rule.seconds(),
        does="how long the first wait lasts at most; each later one may last twice as long.",
    )
    errors: tuple[type[BaseException], ...] | None = option(
        default=None,
        rule=Rule("text", "a tuple of exception classes", _are_errors, refuse=_check_errors),
        does="the only errors of a client after which a call is tried again, however they are "
        "judged otherwise.",
    )
    unsent: bool | None = option(
        default=None,
        rule=Rule.switch(),
        does="whether a call that was certainly not sent may be tried again though its method is not idempotent.",
    )


NEVER = RetryPolicy(attempts=1)
"""Never tried again."""
