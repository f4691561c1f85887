"""Everything the runtime raises, under one root.

Types and attributes are the interface; messages are for people and may change. Each class says that
its module is `connpool_runtime`, so that tracebacks show the name to import it by.
"""

from __future__ import annotations

import math
from typing import Any, cast

__all__ = [
    "AcquireTimeout",
    "AllMembersOpen",
    "AlreadyExists",
    "AttemptTimeout",
    "ClientPanic",
    "ClientsExhausted",
    "ConfigConflict",
    "DeadlineExceeded",
    "DrainTimeout",
    "HandleReleased",
    "InvalidCallOption",
    "InvalidPick",
    "KeysApart",
    "MemberUnavailable",
    "NoMemberForRoute",
    "NoMembers",
    "NotFound",
    "NotReady",
    "OutlierDetected",
    "PoolClosed",
    "PoolError",
    "PoolExhausted",
    "PoolTimeout",
    "RateLimited",
    "Rejected",
    "RetryLater",
    "Throttled",
    "TooManyCalls",
    "TooManyWaiting",
    "UnknownMember",
    "Unreachable",
]


class PoolError(Exception):
    """Root of all errors of a pool.

    `pool` is the pool's name; `cause` is the last error of a client that led here, if there was
    one, and is the `__cause__` too.
    """

    __module__ = "connpool_runtime"

    pool: str
    cause: BaseException | None

    def __init__(
        self, message: str = "", *, pool: str = "", cause: BaseException | None = None
    ) -> None:
        super().__init__(message)
        self.pool = pool
        self.cause = cause
        self.__cause__ = cause

    def __reduce__(self) -> tuple[Any, ...]:
        kind, args, *_ = cast("tuple[Any, ...]", super().__reduce__())
        return kind, args, self._state()

    def _state(self) -> dict[str, Any]:
        """Return the attributes for a pickle or a copy, with a cause that no pickle fails on."""
        if self.cause is None:
            return vars(self)
        from connpool_runtime._tracebacks import Cause  # few errors travel

        return {**vars(self), "cause": Cause(self.cause)}

    def __setstate__(self, state: dict[str, Any] | None, /) -> None:
        from connpool_runtime._tracebacks import Cause

        super().__setstate__(state)
        cause = cast("object", self.cause)
        # In a copy it is still held by what it travelled in; a pickle gives the cause itself.
        self.cause = self.__cause__ = cause.error if isinstance(cause, Cause) else self.cause

    def __str__(self) -> str:
        # OSError, a base of the timeouts below, has a __str__ of its own.
        return str(self.args[0]) or type(self).__name__


class Rejected(PoolError):
    """The pool refused the call itself: no member was called, and none is to blame."""

    __module__ = "connpool_runtime"


class RetryLater(Rejected):
    """The pool refused the call for a while.

    `retry_after` says in how many seconds it may be retried; `inf` if that is unknown.
    """

    __module__ = "connpool_runtime"

    retry_after: float

    def __init__(
        self,
        message: str = "",
        *,
        pool: str = "",
        cause: BaseException | None = None,
        retry_after: float = math.inf,
    ) -> None:
        super().__init__(message, pool=pool, cause=cause)
        self.retry_after = retry_after


class NoMembers(Rejected):
    """The pool has no member at all, or all of them are leaving."""

    __module__ = "connpool_runtime"


class AllMembersOpen(RetryLater):
    """The breaker of every member is open.

    `retry_after` says in how many seconds the first of them may be probed (`inf` when all were
    opened by hand), `cause` is the error that opened the last one.
    """

    __module__ = "connpool_runtime"


class NoMemberForRoute(AllMembersOpen):
    """No member on the call's route may be called, and members off the route must not be.

    A method's route, the pool's `default_route` or `calling(label=...)` says which members a call is for; the
    message names them. `retry_after` and `cause` are as of `AllMembersOpen`; it is unknown when it may be tried
    again if there is no such member.
    """

    __module__ = "connpool_runtime"


class RateLimited(RetryLater):
    """A middleware allows no more calls per second; `retry_after` says in how many seconds it allows one."""

    __module__ = "connpool_runtime"


class Throttled(Rejected):
    """A middleware refuses a share of the calls, because the servers refuse too many."""

    __module__ = "connpool_runtime"


class TooManyCalls(Rejected):
    """A middleware allows no more calls at once: as many as it allows are running or waiting."""

    __module__ = "connpool_runtime"


class Unreachable(RetryLater):
    """No endpoint has a client, and opening one failed at all of them a moment ago.

    `retry_after` says in how many seconds it is tried again, `cause` is the error of the last try.
    """

    __module__ = "connpool_runtime"


class PoolClosed(Rejected):
    """The pool, registry or manager was closed, which is final."""

    __module__ = "connpool_runtime"


class PoolExhausted(Rejected):
    """Every available member has as many calls as it may have, and the call may not wait for one.

    Either waiting is switched off (`max_waiting=0`, `checkout_timeout=0`), or the call is of a form
    that cannot wait, such as an ordinary method of an asynchronous client.
    """

    __module__ = "connpool_runtime"


class TooManyWaiting(PoolExhausted):
    """As many callers wait for a member as may wait."""

    __module__ = "connpool_runtime"


class PoolTimeout(PoolExhausted, TimeoutError):
    """The call waited for a free member for as long as it may, in vain."""

    __module__ = "connpool_runtime"


class UnknownMember(PoolError, LookupError):
    """No member has this name."""

    __module__ = "connpool_runtime"


class InvalidPick(PoolError):
    """A balancer function returned something that is not one of its candidates."""

    __module__ = "connpool_runtime"


class KeysApart(Rejected, ValueError):
    """The keys of one call belong to different members, so no member is right for all of them."""

    __module__ = "connpool_runtime"


class NotReady(PoolError, TimeoutError):
    """Fewer members were healthy than the caller waited for; the message names the others, with the reason."""

    __module__ = "connpool_runtime"


class InvalidCallOption(Rejected, ValueError):
    """An option given by `calling` cannot be used with the pool that is called."""

    __module__ = "connpool_runtime"


class OutlierDetected(PoolError):
    """A member was ejected because it was worse than the other members; the message gives the measure.

    It is never raised: it is the `cause` of `BreakerChanged`, and of `AllMembersOpen` if no member is left.
    """

    __module__ = "connpool_runtime"


class MemberUnavailable(RetryLater):
    """The one member that `calling` names may not be called now: it is ejected, leaving, or at its limit of calls.

    `retry_after` says in how many seconds its breaker lets a probe in, `cause` is the error that opened it.
    """

    __module__ = "connpool_runtime"


class ClientPanic(PoolError):
    """A client raised an error that is not an `Exception`; that error is the `cause`."""

    __module__ = "connpool_runtime"


def reportable(error: BaseException, what: str, pool: str = "") -> Exception:
    """Return what a caller gets who did not cause an error: itself, or a `ClientPanic` for what is no `Exception`.

    Arguments:
        error: of the code of a user, such as a panic of Rust's bindings or a stray cancellation.
        what: ended in it.
        pool: the name of the pool.
    """
    if isinstance(error, Exception):
        return error
    from connpool_runtime._tracebacks import without_traceback

    text = f"{what} ended in {type(error).__name__}"
    return ClientPanic(text, pool=pool, cause=without_traceback(error))


class AttemptTimeout(PoolError, TimeoutError):
    """One attempt took longer than its timeout and was cancelled by the pool.

    `stalled` says that the event loop stood still meanwhile, so that an answer may have come in time.
    `cut_off` is for the pool that made the attempt.
    """

    __module__ = "connpool_runtime"

    stalled = False
    cut_off = False  # see `cut_off_client`


class DeadlineExceeded(PoolError, TimeoutError):
    """The caller's time for the call is over.

    Whether a member was called by then depends on where the time ran out: then `cause` is the error by which
    its client gave up. It is neutral, unless that member exceeds its callers' deadlines more often than the
    other members do. `cut_off` is for the pool that made the attempt.
    """

    __module__ = "connpool_runtime"

    cut_off = False  # see `cut_off_client`


def cut_off_client(error: BaseException) -> bool:
    """Return, once, whether a middleware cancelled the client's function, and raised this error in its place.

    Then the client may be in the middle of a conversation, as after any cancellation. The pool that made the attempt
    asks for it; to a pool around it, whose client raised the error, it is an error like others.
    """
    if getattr(error, "cut_off", False) is not True:
        return False
    error.cut_off = False  # type: ignore[attr-defined]  # found above
    return True


class DrainTimeout(PoolError, TimeoutError):
    """Calls were still in flight when the time for draining was over.

    Their clients are not closed under them: the last call to end closes its client.
    """

    __module__ = "connpool_runtime"


class AlreadyExists(PoolError):
    """The name is taken."""

    __module__ = "connpool_runtime"


class NotFound(PoolError, LookupError):
    """The name is unknown."""

    __module__ = "connpool_runtime"


class ConfigConflict(PoolError):
    """The resource of this name was made from another config."""

    __module__ = "connpool_runtime"


class AcquireTimeout(PoolError, TimeoutError):
    """Another caller was still making the requested resource when this caller's time was over."""

    __module__ = "connpool_runtime"


class ClientsExhausted(AcquireTimeout):
    """All clients that the limit allows were open and in use for as long as the caller could wait."""

    __module__ = "connpool_runtime"


class HandleReleased(PoolError):
    """The handle was released, and its client with it."""

    __module__ = "connpool_runtime"
