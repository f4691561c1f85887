"""How members leave a pool: no new calls, then a wait, then closing.

No client is closed under a caller. When the time to wait is over, closing is left to the last call to
end. Results that the closing thread or task itself holds, such as a cursor in one of its variables, are not
waited for: they could be dropped only after the wait. Waiting and closing are done by the pools; what does
not wait is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Generic, Protocol, TypeVar

from connpool_runtime._concurrency.holders import current_holder, has_ended
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.state import PinnedResult, PoolState
from connpool_runtime.errors import DrainTimeout
from connpool_runtime.members.member import Member
from connpool_runtime.options.validation import seconds

__all__ = ["Draining"]

C = TypeVar("C")


def pinned_results(state: PoolState[Any]) -> tuple[PinnedResult, ...]:
    """Return the calls whose results keep their members."""
    while True:
        try:
            return tuple(state.pinned)
        except RuntimeError:  # another thread added one meanwhile
            continue


class _Gate(Protocol):
    def open(self) -> None: ...


class Draining(Generic[C]):
    """Takes members out of a pool, step by step. Safe for threads; never waits."""

    def __init__(self, checkout: Checkout[C]) -> None:
        self._checkout = checkout
        self._state = checkout.state

    def limit(self, given: float | None) -> float:
        """Return the seconds to wait for calls in flight: the given ones, or the pool's `drain_timeout`."""
        if given is None:
            return self._state.settings.drain_timeout
        seconds("drain_timeout", given)
        return given

    def begin(self, name: str, new_gate: Callable[[], _Gate]) -> Member[C]:
        """Give a member no new calls; its gate opens when its last call has ended.

        Raises:
            UnknownMember: no member has this name.
        """
        state = self._state
        with state.after_lock, state.lock:
            member = state.membership.find(name)
            self._begin_locked(member, new_gate)
        self._release_own((member,))
        return member

    def begin_many(
        self, names: Collection[str], new_gate: Callable[[], _Gate]
    ) -> tuple[Member[C], ...]:
        """Give several members no new calls from the same moment on, all of them or none.

        Raises:
            UnknownMember: no member has one of the names.
        """
        state = self._state
        with state.after_lock, state.lock:
            members = tuple(map(state.membership.find, names))
            for member in members:
                if member.gate is None:
                    self._mark_locked(member, new_gate)
            self._checkout.router.changed_all_locked([one for one in members if not one.drained])
        self._release_own(members)
        return members

    def begin_all(self, new_gate: Callable[[], _Gate]) -> tuple[Member[C], ...]:
        """Close the pool for new calls, and drain all members."""
        state = self._state
        with state.after_lock, state.lock:
            state.membership.closed = True
            members = state.membership.members + state.membership.replaced
            for member in members:
                self._begin_locked(member, new_gate)
            # waiting calls are refused: there is no member to wait for
            self._checkout.router.reroute_locked()
        self._release_own(members, of_ended=True)
        return members

    def _release_own(self, members: Collection[Member[C]], *, of_ended: bool = False) -> None:
        """Give back the members of the caller's own results, and finally those of threads that have ended.

        A caller that waited for its own results would wait for itself.

        Arguments:
            members: that are drained.
            of_ended: whether results of threads and tasks that have ended, in a
                list perhaps, are given up as well.
        """
        state = self._state
        if not (pinned := pinned_results(state)):
            return
        own, drained = current_holder(blocking=state.blocking), set(members)
        for one in pinned:
            is_own = own is not None and one.holder == own
            given_up = is_own or (of_ended and has_ended(one.holder))
            if given_up and one.member in drained:
                one.release()

    def _begin_locked(self, member: Member[C], new_gate: Callable[[], _Gate]) -> None:
        if member.gate is None:
            self._mark_locked(member, new_gate)
        if not member.drained:  # so a second run follows up on what an interrupt broke off
            self._checkout.router.changed_locked(member, member.breaker.state)

    def _mark_locked(self, member: Member[C], new_gate: Callable[[], _Gate]) -> None:
        state = self._state
        gate = new_gate()
        member.steady_generation = None  # first, because alone it does no harm
        # One statement, so that an interrupt finds all of it done, or none of it. For the generation see `changed_locked`.
        member.gate, member.fast_generation, member.leaving = gate, None, True
        if state.events.has_listeners:
            from connpool_runtime.events.types import MemberLeaving

            state.events.queue(MemberLeaving(pool=state.name, member=member.name))

    def let_go(self, member: Member[C]) -> int:
        """If calls are in flight, let the last of them close the member; return the number of calls in flight."""
        with self._state.after_lock, self._state.lock:
            # A drained member only has calls that are about to be turned away.
            running = 0 if member.drained else member.in_flight
            member.orphaned = member.orphaned or running > 0
        return running

    def late(self, member: Member[C], running: int, waited: float) -> DrainTimeout:
        """Return the error for calls still in flight when the drain timeout is over."""
        return DrainTimeout(
            f"{running} calls on member {member.name!r} of pool {self._state.name!r} were still in"
            f" flight after {waited:g} s; the last of them closes its client",
            pool=self._state.name,
        )

    def forget(self, member: Member[C]) -> None:
        """Remove a member whose clients are being closed. Does nothing if that was done."""
        with self._state.after_lock, self._state.lock:
            self._forget_locked(member)

    def _forget_locked(self, member: Member[C]) -> None:
        state = self._state
        if state.membership.forget(member) and state.events.has_listeners:
            from connpool_runtime.events.types import MemberDrained

            state.events.queue(MemberDrained(pool=state.name, member=member.name))
