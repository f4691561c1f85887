"""How members leave a pool and how a pool is closed: no new calls, then wait, then close.

No client is closed under a caller. When the time to wait is over, closing it is left to the last
call to end.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from connpool_runtime._concurrency import threads
from connpool_runtime._log import log_failure
from connpool_runtime._validation import seconds
from connpool_runtime.errors import DrainTimeout
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import BasePool

if TYPE_CHECKING:
    from asyncio import Task

    from connpool_runtime._concurrency import tasks

__all__ = ["AsyncClosing", "Closing"]

C = TypeVar("C")


class _Gate(Protocol):
    def open(self) -> None: ...


class _Leaving(BasePool[C], Generic[C]):
    """What does not wait in all this."""

    def _retire(self, name: str, new_gate: Callable[[], _Gate]) -> Member[C]:
        """Give a member no new calls; its gate opens when the last one has ended."""
        engine = self._engine
        with engine.lock:
            member = engine.membership.find(name)
            self._retire_locked(member, new_gate)
        engine.act()
        return member

    def _retire_all(self, new_gate: Callable[[], _Gate]) -> tuple[Member[C], ...]:
        engine = self._engine
        with engine.lock:
            engine.membership.closed = True
            members = engine.membership.members
            for member in members:
                self._retire_locked(member, new_gate)
            engine.rebuild_locked()
        engine.act()
        return members

    def _retire_locked(self, member: Member[C], new_gate: Callable[[], _Gate]) -> None:
        if member.gate is None:
            engine = self._engine
            member.gate = new_gate()
            member.leaving = True
            if engine.events.has_listeners:
                from connpool_runtime.events.types import MemberLeaving

                engine.events.queue(MemberLeaving(pool=engine.name, member=member.name))
            engine.note_locked(member, member.breaker.state)

    def _leave(self, member: Member[C], waited: float) -> None:
        """Let a drained member go, or leave its closing to the last call to end.

        Raises:
            DrainTimeout: calls are still in flight.
        """
        engine = self._engine
        with engine.lock:
            # Once drained, only calls that are about to be turned away are seen for a moment.
            running = 0 if member.drained else member.in_flight
            if running:
                member.orphaned = True
            else:
                self._forget_locked(member)
        engine.act()
        if running:
            raise DrainTimeout(
                f"{running} calls on member {member.name!r} of pool {self.name!r} were still in"
                f" flight after {waited:g} s; the last of them closes its client",
                pool=self.name,
            )

    def _departed(self, member: Member[C]) -> Callable[[], object]:
        """Let a member go whose last call ended after the time to drain."""
        with self._engine.lock:
            self._forget_locked(member)
        return member.claim_close()

    def _drain_limit(self, given: float | None) -> float:
        if given is None:
            return self.settings.drain_timeout
        seconds("drain_timeout", given)
        return given

    def _forget_locked(self, member: Member[C]) -> None:
        engine = self._engine
        if engine.membership.forget(member) and engine.events.has_listeners:
            from connpool_runtime.events.types import MemberDrained

            engine.events.queue(MemberDrained(pool=engine.name, member=member.name))


class Closing(_Leaving[C]):
    """A pool for threads that can be left and closed."""

    def remove_client(self, name: str, *, drain_timeout: float | None = None) -> None:
        """Give a member no new calls, wait for those in flight, then close its client.

        Arguments:
            name: of the member.
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            UnknownMember: there is none of this name.
            DrainTimeout: calls were still in flight; the last of them will close the client.
            Exception: whatever closing the client raised.
        """
        limit = self._drain_limit(drain_timeout)
        self._depart(self._retire(name, threads.Gate), limit, limit)

    def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new calls for ever, wait for those in flight, then close all clients.

        Closing again does nothing, or goes on with what an interrupt left over.

        Arguments:
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        limit = self._drain_limit(drain_timeout)
        deadline = self._engine.clock() + limit
        errors: list[Exception] = []
        for member in self._retire_all(threads.Gate):
            try:
                self._depart(member, max(0.0, deadline - self._engine.clock()), limit)
            except Exception as error:
                errors.append(error)
        if self._engine.housekeeper is not None:
            self._engine.housekeeper.stop(max(0.0, deadline - self._engine.clock()))
        if errors:
            raise ExceptionGroup(f"closing pool {self.name!r}", errors)

    def _depart(self, member: Member[C], wait: float, limit: float) -> None:
        gate: threads.Gate = member.gate
        gate.wait(wait)
        self._leave(member, limit)
        member.claim_close()()

    def _close_departed(self, member: Member[C]) -> None:
        close = self._departed(member)
        try:
            close()
        except Exception:
            log_failure("closing member %r of pool %r failed", member.name, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClosing(_Leaving[C]):
    """A pool for tasks that can be left and closed."""

    _closing: set[Task[None]]

    async def remove_client(self, name: str, *, drain_timeout: float | None = None) -> None:
        """Give a member no new calls, wait for those in flight, then close its client.

        Arguments:
            name: of the member.
            drain_timeout: seconds to wait; the setting of that name if not given.

        Raises:
            UnknownMember: there is none of this name.
            DrainTimeout: calls were still in flight; the last of them will close the client.
            Exception: whatever closing the client raised.
        """
        from connpool_runtime._concurrency.tasks import Gate

        limit = self._drain_limit(drain_timeout)
        await self._depart(self._retire(name, Gate), limit, limit)

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new calls for ever, wait for those in flight, then close all clients.

        Closing again does nothing, or goes on with what a cancellation left over.

        Arguments:
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        from connpool_runtime._concurrency.tasks import Gate, finish

        limit = self._drain_limit(drain_timeout)
        deadline = self._engine.clock() + limit
        errors: list[Exception] = []
        for member in self._retire_all(Gate):
            try:
                await self._depart(member, max(0.0, deadline - self._engine.clock()), limit)
            except Exception as error:
                errors.append(error)
        await finish(self._closing)
        if self._engine.housekeeper is not None:
            await self._engine.housekeeper.stop(max(0.0, deadline - self._engine.clock()))
        if errors:
            raise ExceptionGroup(f"closing pool {self.name!r}", errors)

    aclose = close

    async def _depart(self, member: Member[C], wait: float, limit: float) -> None:
        gate: tasks.Gate = member.gate
        await gate.wait(wait)
        self._leave(member, limit)
        await _finish(member.claim_close())

    def _close_departed(self, member: Member[C]) -> None:
        gate: tasks.Gate = member.gate
        gate.spawn(partial(self._close_late, member), self._closing)

    async def _close_late(self, member: Member[C]) -> None:
        close = self._departed(member)
        try:
            await _finish(close)
        except Exception:
            log_failure("closing member %r of pool %r failed", member.name, self.name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _finish(close: Callable[[], object]) -> None:
    closing = close()
    if inspect.isawaitable(closing):
        await closing
