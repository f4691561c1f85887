"""How one method, or one call, is retried, where that differs from the pool's `Retry`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connpool_runtime.options.validation import seconds, whole_number

__all__ = ["NEVER", "RetryPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Says how `Retry` retries a method; None means as `Retry` itself is configured.

    Arguments:
        attempts: how often a call is tried in all; 1 for never again.
        base: seconds that the first wait lasts at most; each later one may last twice as long.
        errors: the only errors of a client after which a call is tried again, whatever else is known of them.
        unsent: whether a call that was certainly not sent may be tried again though its method is not idempotent.

    Raises:
        ValueError: a number is not allowed.
        TypeError: `errors` holds something else than classes of errors.
    """

    attempts: int | None = None
    base: float | None = None
    errors: tuple[type[BaseException], ...] | None = None
    unsent: bool | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None:
            whole_number("attempts", self.attempts, least=1)
        if self.base is not None:
            seconds("base", self.base)
        given: tuple[Any, ...] = self.errors or ()
        for error in given:
            if not (isinstance(error, type) and issubclass(error, BaseException)):
                raise TypeError(f"errors must be classes of errors, not {error!r}")


NEVER = RetryPolicy(attempts=1)
"""Never tried again."""
