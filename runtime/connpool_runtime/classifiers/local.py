"""Errors that end a call on our side: cancellation, interrupts, refusals of a pool."""

from __future__ import annotations

from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.verdict import OUT_OF_TIME, STALLED, Verdict, neutral

__all__ = ["local"]

_CANCELLED = neutral("cancelled")
_REFUSED = neutral("refused by a pool")
_NOT_BEGUN = neutral("deadline exceeded before it began")


def _deadline_exceeded(error: BaseException) -> Verdict:
    """Judge a deadline that passed: if a member was at work then, the member may be to blame."""
    return _NOT_BEGUN if getattr(error, "cause", None) is None else OUT_OF_TIME


def _attempt_timeout(error: BaseException) -> Verdict | None:
    """Judge a timeout of an attempt: it is about the member, unless this process stood still."""
    return STALLED if getattr(error, "stalled", False) else None


local = ErrorTable(
    "our own side",
    ("asyncio", "builtins", "concurrent.futures", "connpool_runtime"),
    {
        "CancelledError": _CANCELLED,
        "GeneratorExit": _CANCELLED,
        "KeyboardInterrupt": neutral("interrupted"),
        "SystemExit": neutral("interrupted"),
        # Of this pool, or of another pool that a client uses: neither is about the server.
        "Rejected": _REFUSED,
        "DeadlineExceeded": _deadline_exceeded,
        "AttemptTimeout": _attempt_timeout,
    },
)
"""Knows what is about this process, never about a server."""
