"""Bounds how long the caller is willing to wait for everything inside a block.

The deadline is an absolute time in a context variable, so it needs no parameter on its way down,
each task has its own, and blocks nest: an inner one can shorten the time, never lengthen it. Waits
of the pool (for a member, between attempts, for an attempt to end) are cut to what is left.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Self

from connpool_runtime.errors import DeadlineExceeded
from connpool_runtime.options.validation import seconds as check_seconds

__all__ = [
    "DeadlineBlock",
    "DeadlineScope",
    "at_first_use",
    "current_deadline",
    "deadline",
    "in_use",
    "note_use",
    "remaining",
    "require_time",
    "set_when_gone",
]

_at_first_use: list[Callable[[], object]] = []
_used = False


def at_first_use(act: Callable[[], object]) -> None:
    """Run a function when the first deadline of the process is set, so that programs without deadlines pay nothing."""
    _at_first_use.append(act)


def in_use() -> bool:
    """Whether any deadline has been set in this process."""
    return _used


def note_use() -> None:
    """Note that a deadline is being set."""
    global _used
    if not _used:
        _used = True
        for act in _at_first_use:
            act()


def set_when_gone(scope: object, block: object, flag: str) -> weakref.ref[object]:
    """Make a flag of a block true as soon as a scope is gone; return what the block has to keep for that.

    All that runs then is written in C. In a function of ours another interrupt could strike and be lost: nothing
    can be raised out of a finalizer.
    """
    return weakref.ref(scope, partial(block.__setattr__, flag))


class DeadlineBlock:
    """A deadline for one `with` block, as the context variable holds it; for one use.

    In the runtime `leave` is called in a `finally` around the `with` too: an interrupt can strike before the first
    instruction of an `__exit__`. Where that cannot be asked for, there is a `DeadlineScope`.

    A block that ends as blocks do, after those inside it, puts the one around it back in its place.
    But a generator that is suspended inside a block may be closed later than blocks that began
    after it, or in another context, by the event loop. Such a block is marked, and counts no more
    wherever it is still the current one.

    Attributes:
        ended: true of such a block, and of one that an interrupt kept from being left.

    Arguments:
        seconds: how long from the moment the block is entered.
        clock: monotonic seconds.
    """

    __slots__ = (
        "_at",
        "_clock",
        "_entered",
        "_inside",
        "_outer",
        "_seconds",
        "_token",
        "_watch",
        "ended",
    )

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._at = math.inf
        self._entered = False
        self._inside = False
        self.ended: object = False
        self._watch: weakref.ref[object] | None = None
        self._outer: DeadlineBlock | None = None
        self._token: Token[DeadlineBlock | None] | None = None

    def remaining(self) -> float:
        """Return the seconds left, 0.0 when the time is over; enclosing blocks count too."""
        if self._outer is None:
            clock = self._clock
            left = self._at - clock()
            return left if left > 0.0 else 0.0
        left, scope = math.inf, self
        while True:
            # Each block on its own, because an outer block may use another clock, or end before this one.
            left = min(left, scope._at - scope._clock())
            outer = scope._outer = self.latest_open(scope._outer)
            if outer is None:
                return max(0.0, left)
            scope = outer

    @staticmethod
    def latest_open(scope: DeadlineBlock | None) -> DeadlineBlock | None:
        """Return the innermost block that is still open: the given one, or one around it."""
        while scope is not None and scope.ended:
            scope = scope._outer
        return scope

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "a `deadline` block can be entered only once: call `deadline(...)` again"
            )
        self._entered = True
        note_use()
        clock = self._clock
        self._at = clock() + self._seconds
        # The outer block is stored here and not in a token, which an interrupt could lose.
        outer = _current.get()
        self._outer = outer if outer is None or not outer.ended else self.latest_open(outer)
        self._inside = True
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the block. Harmless when it has ended already."""
        if not self._inside:
            return
        # So that a reference to this block does not keep the blocks before it alive.
        outer = self._outer
        if outer is not None and outer.ended:
            self._outer = self.latest_open(outer)
        token, self._token = self._token, None  # the token holds the outer block too
        self.ended = _current.get() is not self or not _is_of_this_context(token)
        if not self.ended:
            _current.set(self._outer)
        self._inside = False
        self._watch = None  # the block has been left; and what it would do then refers to the block

    def end_with(self, scope: object) -> None:
        """Count as ended as soon as a scope is gone, unless the block is left before."""
        self._watch = set_when_gone(scope, self, "ended")


class DeadlineScope:
    """A deadline for one `with` block; made by `deadline`, for one use.

    The `with` statement keeps this object, and the context variable does not. So if an interrupt strikes
    right before or right after the block and keeps it from being left, the block ends with this object, at
    the latest when the interrupt has been handled.
    """

    __slots__ = ("__weakref__", "_block")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._block = DeadlineBlock(seconds, clock)
        self._block.end_with(self)

    def remaining(self) -> float:
        """Return the seconds left, 0.0 when the time is over; enclosing blocks count too."""
        return self._block.remaining()

    def leave(self) -> None:
        """End the block. Harmless when it has ended already."""
        self._block.leave()

    def __enter__(self) -> Self:
        self._block.__enter__()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._block.leave()

    def __repr__(self) -> str:
        return f"<deadline in {self.remaining():.3g} s>"


_current: ContextVar[DeadlineBlock | None] = ContextVar("connpool_deadline", default=None)


def _is_of_this_context(token: Token[DeadlineBlock | None] | None) -> bool:
    """Return whether a block was entered in the current context, and not in one it was copied from."""
    if token is None:  # an interrupt kept the token from being stored
        return True
    try:
        _current.reset(token)
    except ValueError:
        return False
    return True


def deadline(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> DeadlineScope:
    """Give everything inside a `with` block a number of seconds; for threads and for tasks.

    Blocks nest, and the earliest deadline holds. A new task and `asyncio.to_thread` inherit it; a new thread
    starts without one, unless `sys.flags.thread_inherit_context` says that threads inherit, too: so it is from
    Python 3.14 on without the interpreter lock. A generator that yields inside the block gives the deadline to
    the caller that takes its items, until the block has ended. Nothing is interrupted: a blocking call that
    is under way ends when it ends. The middleware `Timeout` cancels attempts of an `AsyncPool` at
    the deadline.

    Arguments:
        seconds: how long from the moment the block is entered; 0 for a time that is over at once.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: `seconds` is negative, infinite or not a number.
    """
    check_seconds("seconds", seconds)
    return DeadlineScope(seconds, clock)


def current_deadline() -> DeadlineBlock | None:
    """Return the innermost open deadline; `remaining` works on it even after the block has ended."""
    scope = _current.get()
    return DeadlineBlock.latest_open(scope) if scope is not None and scope.ended else scope


def remaining() -> float:
    """Return the seconds left to the caller: 0.0 when the time is over, `inf` without a deadline.

    For a client's own timeouts too: `client.get(key, timeout=min(5.0, remaining()))`.
    """
    # not through `current_deadline`: one more function call would be measurable
    scope = _current.get()
    if scope is not None and scope.ended:
        scope = DeadlineBlock.latest_open(scope)
    return math.inf if scope is None else scope.remaining()


def require_time(pool: str, what: str) -> float:
    """Return the seconds left for work about to begin; raise if there are none.

    Arguments:
        pool: its name, for the error.
        what: began too late, in words, for the error.

    Raises:
        DeadlineExceeded: no time is left.
    """
    left = remaining()
    if left <= 0.0:
        raise DeadlineExceeded(f"the deadline of the caller passed before {what}", pool=pool)
    return left
