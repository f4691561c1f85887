"""Options for all calls inside a block that signatures have no room for: key, member, retry, timeout, labels."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from connpool_runtime.calls.retry_policy import RetryPolicy
from connpool_runtime.calls.route import Route
from connpool_runtime.deadlines import note_use, set_when_gone
from connpool_runtime.options.validation import seconds

__all__ = [
    "CallOptions",
    "CallingBlock",
    "CallingScope",
    "Watcher",
    "are_blocks_open",
    "calling",
    "current_block",
    "current_options",
    "watch",
]


class CallOptions(NamedTuple):
    """The options for the calls inside a block; None where the block says nothing.

    Attributes:
        key: of calls that should meet the same member.
        member: the name of the only member that may be called.
        retry: how a call is tried again; False for never.
        timeout: seconds that one attempt may take.
        idempotent: whether running a call twice does no harm.
        route: the labels of the members that may be called.
    """

    key: object = None
    member: str | None = None
    retry: RetryPolicy | Literal[False] | None = None
    timeout: float | None = None
    idempotent: bool | None = None
    route: Route | None = None

    def over(self, outer: CallOptions) -> CallOptions:
        """Return these options, completed by those of an outer block."""
        said = {name: value for name, value in self._asdict().items() if value is not None}
        return outer._replace(**said)


class Watcher(Protocol):
    """A pool, whose calls look for blocks only while any block is open."""

    def look_for_blocks(self) -> None:
        """Make each call from now on look whether it is inside a block."""


current_block: ContextVar[CallingBlock | None] = ContextVar("connpool_calling", default=None)
"""The innermost block; what it says is told by `current_options`."""
# The pools whose calls do not look for blocks, and the number of open blocks in this process.
_blind: weakref.WeakSet[Any] = weakref.WeakSet()
_open: weakref.WeakSet[CallingScope] = weakref.WeakSet()


class CallingBlock:
    """What a `with` block of `calling` says, as the context variable holds it.

    Attributes:
        options: the merged ones.
        outer: the block around it.
        ended: true if it says nothing any more.
    """

    __slots__ = ("_watch", "ended", "options", "outer")

    def __init__(self, options: CallOptions) -> None:
        self.options = options
        self.outer: CallingBlock | None = None
        self.ended: object = False
        self._watch: weakref.ref[object] | None = None

    def end_with(self, scope: object) -> None:
        """End as soon as a scope is gone, unless the block is left before."""
        self._watch = set_when_gone(scope, self, "ended")

    def end(self) -> None:
        """End, as the block is left."""
        self.ended = True
        self._watch = None  # its callback refers to this block

    @staticmethod
    def latest_open(block: CallingBlock | None) -> CallingBlock | None:
        """Return the innermost block that is still open: the given one, or one around it."""
        while block is not None and block.ended:
            block = block.outer
        return block


class CallingScope:
    """Options for one `with` block; made by `calling`, for one use.

    The `with` statement keeps this object, and the context variable does not. So if an interrupt strikes
    right before or right after the block and keeps it from being left, the block ends with this object, at
    the latest when the interrupt has been handled.
    """

    __slots__ = ("__weakref__", "_block", "_entered", "_given")

    def __init__(self, given: CallOptions) -> None:
        self._block = CallingBlock(given)
        self._block.end_with(self)
        self._given = given
        self._entered = False

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "a `calling` block can be entered only once: call `calling(...)` again"
            )
        self._entered = True
        if self._given.timeout is not None:
            note_use()
        block = self._block
        block.outer = CallingBlock.latest_open(current_block.get())
        if block.outer is not None:
            block.options = self._given.over(block.outer.options)
        _open.add(self)
        for pool in _blind_pools():
            pool.look_for_blocks()
        current_block.set(block)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # A generator suspended inside a block may be closed after blocks that began later, or in another
        # context. Then this block is only marked as closed; it is skipped where it is still the current one.
        block = self._block
        block.end()
        _open.discard(self)
        block.outer = CallingBlock.latest_open(block.outer)
        if current_block.get() is block:
            current_block.set(block.outer)

    def __repr__(self) -> str:
        given = [
            f"{name}=..." for name, value in self._given._asdict().items() if value is not None
        ]
        return f"<calling({', '.join(given)})>"


def _blind_pools() -> list[Watcher]:
    while True:
        try:
            return list(_blind)
        except RuntimeError:  # another thread has created a pool meanwhile
            continue


def calling(
    *,
    key: object = None,
    member: str | None = None,
    retry: RetryPolicy | Literal[False] | None = None,
    timeout: float | None = None,
    idempotent: bool | None = None,
    label: str | Mapping[str, str] | None = None,
) -> CallingScope:
    """Set options for the calls inside a `with` block; for threads and for tasks.

        with calling(key=tenant, retry=False):
            users.get_user(42)

    The options hold for all pools, for functions called inside, and for tasks that are started inside, until
    the block ends; not for new threads, unless `sys.flags.thread_inherit_context` says that they inherit, as
    from Python 3.14 on without the interpreter lock. Blocks nest, and an inner block adds to the options of the outer
    ones. An argument of the call itself, such as `key` of `execute`, takes precedence.

    Arguments:
        key: calls with the same key meet the same member; the balancer has to be "consistent_hash", or a function.
        member: the name of the member to call. No other member is called instead, and the call does not wait
            for it.
        retry: how `Retry` tries a call again that failed; False for never.
        timeout: seconds that one attempt may take, in the place of the method's own policy.
        idempotent: whether running a call twice does no harm, in the place of the method's own policy.
        label: which members may be called, in place of the method's own route: those with a role such as
            "replica", or with labels such as {"zone": "a"}. Other members are called only if the string names
            them: "replica, primary" or "replica, any". `member` takes precedence.

    Raises:
        TypeError: no option is given, or a value is of another type.
        ValueError: the number of seconds is not allowed, or the label is neither a route nor labels.
    """
    route = None if label is None else Route.of(label)
    options = CallOptions(key, member, retry, timeout, idempotent, route)
    if all(value is None for value in options):
        raise TypeError(
            "calling() needs at least one of key, member, retry, timeout, idempotent and label"
        )
    if timeout is not None:
        seconds("timeout", timeout)
    return CallingScope(options)


def current_options() -> CallOptions | None:
    """Return the merged options of the blocks around the caller; None if there are none."""
    block = current_block.get()
    if block is not None and block.ended:
        block = CallingBlock.latest_open(block)
    return None if block is None else block.options


def are_blocks_open() -> bool:
    """Return whether any block is open in this process, in whatever thread or task."""
    return bool(_open)


def watch(pool: Watcher, *, looks: bool) -> None:
    """Note whether the calls of a pool look for blocks; pools that do not are notified when a block opens."""
    (_blind.discard if looks else _blind.add)(pool)
