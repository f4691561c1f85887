"""Runs several attempts of one call at a time, in tasks; imported by the first call that is hedged."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Proceed
from connpool_runtime.errors import NoMembers, Rejected
from connpool_runtime.members.member import Member

__all__ = ["HedgedAttempts"]

# The loop knows its tasks weakly only, so those that are being cancelled are kept here.
_losers: set[asyncio.Task[Any]] = set()


class HedgedAttempts:
    """Runs the attempts of one call, each on a member of its own.

    Each has a fork of the call record, and so a member and an outcome of its own.
    """

    def __init__(self, call: Call, proceed: Proceed) -> None:
        self._call = call
        self._proceed = proceed
        self._attempts: dict[asyncio.Task[Any], Call] = {}

    def start(self) -> None:
        """Start an attempt on a member that no other attempt of this race was made on."""
        twin = self._call.fork()
        twin.exclude(self, partial(self._members_beside, twin), self._no_other_member)
        self._attempts[asyncio.ensure_future(self._run(twin))] = twin

    async def _run(self, twin: Call) -> Any:
        return await self._proceed(twin)

    def _members_beside(self, twin: Call) -> list[Member[Any]]:
        others = (other.member for other in self._attempts.values() if other is not twin)
        return [member for member in others if member is not None]

    def _no_other_member(self) -> NoMembers:
        pool = self._call.pool
        return NoMembers(f"pool {pool!r} has no other member", pool=pool)

    async def wait(self, patience: float | None) -> bool:
        """Wait until an attempt ends, but not longer; tell whether one did."""
        running = [task for task in self._attempts if not task.done()]
        done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    def decided(self) -> asyncio.Task[Any] | None:
        """Return the attempt whose end is the call's, None if that is still open."""
        ended = [task for task in self._attempts if task.done()]
        for task in ended:
            if self._is_final(task):
                return task
        if len(ended) < len(self._attempts):
            return None
        blamed = (task for task in ended if not isinstance(task.exception(), Rejected))
        return next(blamed, ended[0])

    def _is_final(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether the other attempts could do no better: after a success or a caller's mistake."""
        if task.cancelled():
            return True
        error = task.exception()
        if error is None:
            return True
        refused = isinstance(error, Rejected)
        return not refused and not self._attempts[task].judge(error).is_trouble

    def finish(self, winner: asyncio.Task[Any]) -> bool:
        """Let the call end as an attempt did, cancel the others; tell whether it was a hedge."""
        call, twin = self._call, self._attempts[winner]
        call.member, call.verdict, call.attempt = twin.member, twin.verdict, len(twin.tried)
        self.cancel()
        for task in self._attempts:
            if task is not winner:
                _forget(task)  # also one that ended in the same step as the winner
        return winner is not next(iter(self._attempts))

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel the attempts that still run, without waiting for them; return their tasks."""
        running = [task for task in self._attempts if not task.done()]
        for task in running:
            _losers.add(task)
            task.add_done_callback(_forget)
            task.cancel()
        return running

    async def abandon(self) -> None:
        """Cancel all attempts and wait until they have ended."""
        if running := self.cancel():
            await asyncio.wait(running)
        for task in self._attempts:
            _forget(task)


def _forget(task: asyncio.Task[Any]) -> None:
    """Let go of an attempt that has ended, and of its error, which nobody will see."""
    if not task.done():
        return
    _losers.discard(task)
    if not task.cancelled():
        task.exception()  # asked for once, or asyncio complains that nobody did
