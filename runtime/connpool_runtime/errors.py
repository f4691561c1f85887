"""Everything the runtime raises, under one root.

Types and attributes are the interface; messages are for people and may change.
"""

from __future__ import annotations

import math

__all__ = [
    "AllMembersOpen",
    "AttemptTimeout",
    "ClientPanic",
    "DeadlineExceeded",
    "DrainTimeout",
    "InvalidPick",
    "NoMembers",
    "PoolClosed",
    "PoolError",
    "PoolExhausted",
    "PoolTimeout",
    "RateLimited",
    "Rejected",
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

    pool: str
    cause: BaseException | None

    def __init__(
        self, message: str = "", *, pool: str = "", cause: BaseException | None = None
    ) -> None:
        super().__init__(message)
        self.pool = pool
        self.cause = cause
        self.__cause__ = cause

    def __str__(self) -> str:
        # OSError, a base of the timeouts below, has a __str__ of its own.
        return str(self.args[0]) or type(self).__name__


class Rejected(PoolError):
    """The pool refused the call itself: no member is to blame, and none was called."""


class NoMembers(Rejected):
    """The pool has no member at all, or all of them are leaving."""


class AllMembersOpen(Rejected):
    """The breaker of every member is open.

    `retry_after` says in how many seconds the first of them may be probed (`inf` when all were
    opened by hand), `cause` is the error that opened the last one.
    """

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


class RateLimited(Rejected):
    """A middleware allows no more calls per second; `retry_after` says in how many it allows one."""

    retry_after: float

    def __init__(
        self,
        message: str = "",
        *,
        pool: str = "",
        cause: BaseException | None = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message, pool=pool, cause=cause)
        self.retry_after = retry_after


class TooManyCalls(Rejected):
    """A middleware allows no more calls at once: as many as it allows are running, or waiting."""


class Unreachable(Rejected):
    """No endpoint has a client, and opening one failed at all of them a moment ago.

    `retry_after` says in how many seconds it is tried again, `cause` is the error of the last try.
    """

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


class PoolClosed(Rejected):
    """The pool, registry or manager was closed; closed is for ever."""


class PoolExhausted(Rejected):
    """Every available member is as busy as it may be, and the call may not wait for one.

    Either waiting is switched off (`max_waiting=0`, `checkout_timeout=0`), or the call is of a form
    that cannot wait, such as an ordinary method of an asynchronous client.
    """


class TooManyWaiting(PoolExhausted):
    """The line of callers who wait for a member is as long as it may be."""


class PoolTimeout(PoolExhausted, TimeoutError):
    """The call waited for a free member as long as it might, in vain."""


class UnknownMember(PoolError, LookupError):
    """No member has this name."""


class InvalidPick(PoolError):
    """A balancer function returned something that is not one of its candidates."""


class ClientPanic(PoolError):
    """A client ended in an error that is no `Exception`; it is the `cause`."""


class AttemptTimeout(PoolError, TimeoutError):
    """One attempt took longer than its timeout and was cancelled by the pool."""


class DeadlineExceeded(PoolError, TimeoutError):
    """The time that the caller gave to the call is over; always neutral.

    Whether a member was called by then depends on where the time ran out.
    """


class DrainTimeout(PoolError, TimeoutError):
    """Calls were still in flight when the time to drain was over.

    Their clients are not closed under them: the last call to end closes its client.
    """


class AlreadyExists(PoolError):
    """The name is taken."""


class NotFound(PoolError, LookupError):
    """Nothing has this name."""


class ConfigConflict(PoolError):
    """What has this name was made from another config."""


class AcquireTimeout(PoolError, TimeoutError):
    """Another caller was still making what this one asked for when its time was over."""


class ClientsExhausted(AcquireTimeout):
    """As many clients as are allowed were open and in use all the time that the caller could wait."""


class HandleReleased(PoolError):
    """The handle was released, and its client with it."""


for _name in __all__:
    globals()[_name].__module__ = "connpool_runtime"  # tracebacks show the public name
