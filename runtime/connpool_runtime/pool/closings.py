# Made by tools/derive_sync.py from async_closings.py; edit that.
"""Closes the clients of members that have left, in parallel and in the background.

Clients are closed by the user's code, which may hang. Closing is started once for each member and goes on
whatever happens to the caller that started it: a waiting caller has its own limit, and one that is interrupted
does not affect it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from connpool_runtime._concurrency.forks import keep, new_lock, renew_after_fork
from connpool_runtime._concurrency.threads import Helpers, Latch, must_end
from connpool_runtime._log import log_failure
from connpool_runtime.errors import DrainTimeout, reportable
from connpool_runtime.members.member import Member

__all__ = ["Closings"]

AT_ONCE = 32  # members whose clients are closed at a time


class _Closing:
    """One member's clients being closed."""

    def __init__(self) -> None:
        self.begun = False
        self.ended = Latch()
        self.error: Exception | None = None


class Closings:
    """The closings of one pool. Safe for threads.

    Arguments:
        pool: its name, for errors.
    """

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._lock = new_lock()  # guards everything below
        self._todo: deque[Member[Any]] = deque()
        self._closings: dict[Member[Any], _Closing] = {}  # closings whose end no caller has seen
        self._working = 0
        self._helpers = Helpers(f"closing of pool {pool!r}")
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the closings in a child process; the parent does them."""
        keep(*self._todo, *self._closings)
        self._todo, self._closings, self._working = deque(), {}, 0

    @property
    def members(self) -> tuple[Member[Any], ...]:
        """The members whose closing has begun, and whose end no caller has seen."""
        return tuple(self._closings)

    def begin(self, member: Member[Any]) -> None:
        """Start closing the clients of a member that no call uses any more. Does nothing if that has begun."""
        closing = _Closing()
        with self._lock:
            if member not in self._closings:
                # before the closing, since after an interrupt this is called again
                self._todo.append(member)
                self._closings[member] = closing
        self._start_helper()

    def _start_helper(self) -> None:
        if self._todo and self._working < AT_ONCE:
            self._helpers.start(self._work)

    def wait(self, member: Member[Any], seconds: float) -> None:
        """Wait for the end of a closing; if that takes longer, it goes on in the background.

        Raises:
            DrainTimeout: it has not ended.
            Exception: what it raised.
        """
        closing = self._closings.get(member)
        if closing is None:
            return
        self._start_helper()  # an interrupt may have kept `begin` from starting it
        if not closing.ended.wait(seconds):
            raise DrainTimeout(
                f"closing member {member.name!r} of pool {self._pool!r} takes longer than there was"
                " time; it goes on",
                pool=self._pool,
            )
        self._closings.pop(member, None)
        if closing.error is not None:
            raise closing.error

    def _work(self) -> None:
        with self._lock:
            # other helpers were started at the same time, and do the work
            if self._working >= AT_ONCE:
                return
            self._working += 1
        try:
            while (member := self._next()) is not None:
                closing = self._closings.get(member)
                if closing is not None and not closing.begun:
                    closing.begun = True
                    self._close(member, closing)
        finally:
            with self._lock:
                self._working -= 1

    def _next(self) -> Member[Any] | None:
        with self._lock:
            return self._todo.popleft() if self._todo else None

    def _close(self, member: Member[Any], closing: _Closing) -> None:
        try:
            member.claim_close()()
        except BaseException as error:  # of a user's code
            what = f"closing member {member.name!r}"
            closing.error = reportable(error, what, self._pool)
            if must_end(error):
                raise
            if member.orphaned:  # no caller waits for it
                log_failure(
                    "closing member %r of pool %r failed",
                    *(member.name, self._pool),
                    event_name="close_failed",
                    pool=self._pool,
                    member=member.name,
                )
        finally:
            closing.ended.open()
            if member.orphaned:
                self._closings.pop(member, None)
