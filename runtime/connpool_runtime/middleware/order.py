"""The order in which middleware work together best."""

from __future__ import annotations

from typing import Any

from connpool_runtime.middleware.deadline import Deadline
from connpool_runtime.middleware.error_log import ErrorLog
from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.retry import Retry

__all__ = ["ORDER", "in_order"]

ORDER = (
    "Tracing",  # sees everything that happens to a call
    "Fallback",  # answers for all that lies further in
    "ErrorLog",  # whatever goes wrong inside is told, answered or not
    "Logging",  # one line per call, not per attempt
    "Deadline",  # before anything waits
    "RateLimit",  # a call is counted once, however often it is tried
    "SharedRateLimit",  # asked over the network, so only after what is free
    "Bulkhead",  # a place is held over all attempts and the waits between
    "AdaptiveLimit",
    "Retry",  # each attempt picks anew and has a timeout of its own
    "Hedging",  # what is retried is the race, not each runner
    "MethodBreaker",  # judges single attempts, a timeout among them
    "Timeout",
    "AttemptTracing",  # one span per attempt
)
"""The names of the runtime's middleware, outermost first, each with the reason for its place."""

_INSIDE_BULKHEADS = ORDER.index("Retry")


def in_order(*middleware: Any) -> list[Any]:
    """Return middleware in the in_order order, outermost first, to be registered one by one.

    `ErrorLog`, `Logging`, `Deadline` and `Retry` are added with their defaults unless they are among
    those given: they cost nothing when all is well but a few microseconds. Middleware of one's own come
    just outside `Retry`, in the order given, where they see each call once.

    Arguments:
        middleware: the middleware that are wanted with settings of their own, in any order.

    Raises:
        ValueError: two middleware are of one class of the runtime.
    """
    found = {_kind(one): one for one in middleware if _kind(one) is not None}
    doubles = [one for one in middleware if found.get(_kind(one), one) is not one]
    if doubles:
        raise ValueError(f"middleware must be of different kinds, not twice {_kind(doubles[0])}")
    for basic in (ErrorLog, Logging, Deadline, Retry):
        if basic.__name__ not in found:
            middleware = (*middleware, basic())
    return sorted(middleware, key=_place)


def _kind(one: Any) -> str | None:
    """Return the name of the runtime's class that a middleware is of, subclasses included."""
    names = [cls.__name__ for cls in type(one).__mro__ if _is_ours(cls)]
    return next((name for name in names if name in ORDER), None)


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("connpool_runtime.middleware.")


def _place(one: Any) -> float:
    kind = _kind(one)
    return ORDER.index(kind) if kind is not None else _INSIDE_BULKHEADS - 0.5
