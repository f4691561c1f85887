"""How long the caller is still willing to wait: a deadline for all that happens inside a block.

The deadline is an absolute time in a context variable, so it needs no parameter on its way down,
each task has its own, and blocks nest: an inner one can shorten the time, never lengthen it. Waits
of the pool (for a member, between attempts, for an attempt to end) are cut to what is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from connpool_runtime._validation import seconds as check_seconds
from connpool_runtime.errors import DeadlineExceeded

__all__ = ["DeadlineScope", "deadline", "remaining", "require_time"]


class DeadlineScope:
    """The block of `deadline`. For one use, in the task or thread that made it."""

    __slots__ = ("_at", "_clock", "_entered", "_outer", "_seconds")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._at = math.inf
        self._entered = False
        self._outer: DeadlineScope | None = None

    def remaining(self) -> float:
        """Return the seconds left, 0.0 when they are over."""
        return max(0.0, self._at - self._clock())

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a deadline is for one `with` block: ask for another one")
        self._entered = True
        # Relative, because the outer block may go by another clock.
        self._at = self._clock() + min(self._seconds, remaining())
        # The outer block is kept here and not in a token, which an interrupt may keep from us.
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the block. Harmless when done already."""
        if _current.get() is self:
            _current.set(self._outer)

    def __repr__(self) -> str:
        return f"<deadline in {self.remaining():.3g} s>"


_current: ContextVar[DeadlineScope | None] = ContextVar("connpool_deadline", default=None)


def deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> DeadlineScope:
    """Give everything inside a `with` block so many seconds; for threads and for tasks.

    Blocks nest, and the earliest deadline holds. A new thread starts without one; a new task and
    `asyncio.to_thread` inherit it. Nothing is interrupted: a blocking call that is under way ends
    when it ends. The middleware `Timeout` cancels attempts of an `AsyncPool` at the deadline.

    Arguments:
        seconds: how long from the moment the block is entered; 0 lets nothing begin any more.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: the number is negative, infinite or none.
    """
    check_seconds("seconds", seconds)
    return DeadlineScope(seconds, clock)


def remaining() -> float:
    """Return the seconds left to the caller: 0.0 when they are over, `inf` without a deadline.

    For a client's own timeouts too: `client.get(key, timeout=min(5.0, remaining()))`.
    """
    scope = _current.get()
    return math.inf if scope is None else scope.remaining()


def require_time(pool: str, what: str) -> float:
    """Return the seconds left for something that is about to begin.

    Raises:
        DeadlineExceeded: none.
    """
    left = remaining()
    if left <= 0.0:
        raise DeadlineExceeded(f"the deadline of the caller passed before {what}", pool=pool)
    return left
