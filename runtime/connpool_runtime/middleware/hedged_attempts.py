"""Hedged attempts: runs further attempts of a call in parallel with the first; imported at first use.

The first attempt runs in the caller's own task, as without hedging: no task is made before the delay has
passed. When a further attempt wins, the caller's task is cancelled where it waits, and goes on with that
answer, as `asyncio.timeout` does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.errors import NoMembers, Rejected
from connpool_runtime.members.member import Member

__all__ = ["HedgedAttempts"]

# The loop refers to tasks only weakly, so those that are being cancelled are kept here.
_losers: set[asyncio.Task[Any]] = set()


class HedgedAttempts:
    """The attempts of one call, each on a member of its own. For one use, in one task.

    Arguments:
        call: whose first attempt is made with this very record; each further one has a fork of it, and
            so a member and an outcome of its own.
        proceed: makes one attempt.
        delay: seconds after which another one is started beside those that run.
        most: attempts that may be started beside the first.
        may_start: says, and counts, whether one more may be started beside a call.

    Attributes:
        won: whether a further attempt answered the call.
    """

    def __init__(
        self,
        call: Call,
        proceed: Proceed,
        delay: float,
        most: int,
        may_start: Callable[[Call], bool],
    ) -> None:
        self._call = call
        self._proceed = proceed
        self._delay = delay
        self._left = most
        self._may_start = may_start
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._cancelling = self._task.cancelling()  # cancellations by others, before this object
        self._loop = asyncio.get_running_loop()
        self._hedges: dict[asyncio.Task[Any], Call] = {}
        self._first_runs = True
        self._first_error: Exception | None = None  # other attempts go on after it
        self._interrupted = False  # whether this object cancelled the first attempt
        self.won = False

    async def run(self) -> Any:
        """Return the first answer, or raise the most telling error."""
        self._timer = self._loop.call_later(self._delay, self._start)
        try:
            result = await self._proceed(self._call)
        except asyncio.CancelledError:
            if not self._first_ended():
                await self._abandon()  # cancelled by the caller: leave nothing running
                raise
        except BaseException as error:
            self._first_ended()
            if not self._hedges or not isinstance(error, Exception) or self._is_final(error):
                self._end()
                raise
            self._first_error = error
        else:
            self._first_ended()
            self._end()
            return result
        # Outside the handlers, or this error would become the context of the others'.
        return await self._by_hedge()

    def _first_ended(self) -> bool:
        """Start no more hedges; return whether only a hedge's answer cancelled the first attempt."""
        self._first_runs = False
        self._timer.cancel()
        # Others may have cancelled the task at the same time; their cancellation must not be swallowed.
        return self._interrupted and self._task.uncancel() <= self._cancelling

    async def _by_hedge(self) -> Any:
        """Wait until the hedges have decided the call, and return the answer."""
        first_error, self._first_error = self._first_error, None
        try:
            while (winner := self._decided()) is None:
                running = [task for task in self._hedges if not task.done()]
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        except GeneratorExit:  # the caller's coroutine is given up, and must not wait any more
            self._end()
            raise
        except BaseException:
            await self._abandon()
            raise
        try:
            if first_error is not None and self._is_no_better(winner, first_error):
                self._end()
                raise first_error
        finally:
            del first_error  # it refers to this frame
        twin = self._hedges[winner]
        self._call.member, self._call.verdict = twin.member, twin.verdict
        self.won = not winner.cancelled() and winner.exception() is None
        self._end()
        return winner.result()

    def _is_no_better(self, winner: asyncio.Task[Any], first_error: Exception) -> bool:
        """Return whether all attempts failed, and the first error says as much about a member as the others."""
        if self._is_final_end(winner):
            return False
        return not isinstance(first_error, Rejected) or isinstance(winner.exception(), Rejected)

    def _start(self) -> None:
        """Start an attempt on a member that no other attempt of this call uses."""
        if not self._may_start(self._call):
            return
        self._left -= 1
        twin = self._call.fork()
        for one in (twin, *(() if self._hedges else (self._call,))):
            one.exclude(self, partial(self._members_beside, one), self._no_other_member)
        task = self._loop.create_task(self._run(twin))
        self._hedges[task] = twin
        task.add_done_callback(self._ended)
        if self._left:
            self._timer = self._loop.call_later(self._delay, self._start)

    async def _run(self, twin: Call) -> Any:
        return await self._proceed(twin)

    def _members_beside(self, one: Call) -> list[Member[Any]]:
        others = (
            other.member for other in (self._call, *self._hedges.values()) if other is not one
        )
        return [member for member in others if member is not None]

    def _no_other_member(self) -> NoMembers:
        pool = self._call.pool
        return NoMembers(f"pool {pool!r} has no other member", pool=pool)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Cancel the first attempt once a hedge has a final result."""
        if self._first_runs and not self._interrupted and self._is_final_end(task):
            self._interrupted = True
            self._timer.cancel()
            self._task.cancel()

    def _decided(self) -> asyncio.Task[Any] | None:
        """Return the attempt that decides the call; None as long as that is open."""
        ended = [task for task in self._hedges if task.done()]
        for task in ended:
            if self._is_final_end(task):
                return task
        if len(ended) < len(self._hedges):
            return None
        blamed = (task for task in ended if not isinstance(task.exception(), Rejected))
        return next(blamed, ended[0])

    def _is_final_end(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a result is final: a success, or an error that other members would give as well."""
        if task.cancelled() or (error := task.exception()) is None:
            return True
        return self._is_final(error)

    def _is_final(self, error: BaseException) -> bool:
        return not isinstance(error, Rejected) and not self._call.judge(error).is_trouble

    def _end(self) -> None:
        """Cancel what still runs, without waiting for it."""
        if not self._hedges:
            return
        self._call.readmit(self)
        self._call.attempt = len(self._call.tried)
        self._cancel()
        for task in self._hedges:
            _forget(task)  # also one that ended in the same step as the winner

    def _cancel(self) -> list[asyncio.Task[Any]]:
        if self._loop.is_closed():  # its tasks never end, and are collected if nothing holds them
            return []
        running = [task for task in self._hedges if not task.done()]
        for task in running:
            _losers.add(task)
            task.add_done_callback(_forget)
            task.cancel()
        return running

    async def _abandon(self) -> None:
        """Cancel all attempts and wait until they have ended."""
        if running := self._cancel():
            await asyncio.wait(running)
        self._end()


def _forget(task: asyncio.Task[Any]) -> None:
    """Drop an ended attempt and its error, which is not raised."""
    if not task.done():
        return
    _losers.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, or asyncio would complain
