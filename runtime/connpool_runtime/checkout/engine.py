"""The lock of a pool and the decisions behind it; what both colours of pool run on.

Lock discipline: `lock` guards the membership, the breakers and the counters. Nothing of the
user's runs under it: no client, balancer function, listener or closing. Methods named `*_locked`
need it held; whoever releases it calls `act` next, which does what was collected meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from connpool_runtime._concurrency.threads import FREE_THREADED, Lock, renew_after_fork
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.wait_queue import WaitQueue
from connpool_runtime.checkout.lending import borrow_locked, return_locked
from connpool_runtime.checkout.queue import attend, attend_locked
from connpool_runtime.checkout.recorder import observe_latency_locked, tell_locked
from connpool_runtime.checkout.state import EngineState
from connpool_runtime.members.member import Member
from connpool_runtime.settings import PoolSettings

__all__ = ["Engine"]

C = TypeVar("C")


class Engine(EngineState[C]):
    """Takes members for calls and takes the outcomes back. Safe for threads; never waits.

    `blocking` says whether its callers are threads, which may wait in line on the spot.
    """

    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        methods: Iterable[Method[C, Any]],
        *,
        blocking: bool,
    ) -> None:
        super().__init__(name, settings, methods, blocking=blocking)
        self.rebuild_locked()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew in a child process, to which neither threads nor connections belong."""
        self.fork_generation += 1
        self.lock, self.line = Lock(), WaitQueue(self.settings.buckets)
        for member in self.membership.members:
            member.taken = member.served
            if member.store is not None:
                member.store.abandon()
        self.rebuild_locked()

    # Picking

    def pick_carefully(self) -> Member[C]:
        """Stand in for the picker while time matters or nobody is there."""
        return self.picking.picker(self.candidates())()

    def candidates(self) -> tuple[Member[C], ...]:
        """Return who may be picked, after doing what is due.

        Raises:
            Rejected: nobody; the type says why.
        """
        membership = self.membership
        found, wake_at = membership.available, membership.wake_at
        if found and (wake_at == math.inf or self.clock() < wake_at):
            return found
        refusal = None
        with self.lock:
            self.wake_locked()
            found = membership.available
            if not found:
                refusal = membership.refusal(self.clock())
                self.counts.reject(refusal)
        self.act()
        if refusal is not None:
            raise refusal
        return found

    def wake_locked(self) -> None:
        """Do what time alone has made due."""
        now = self.clock()
        if now < self.membership.wake_at:
            return
        for member in self.membership.due(now):
            before = member.breaker.state
            member.wake(now)
            self.note_locked(member, before)
        self.rebuild_locked()

    def rebuild_locked(self) -> None:
        """Derive anew who is picked from; a healthy pool pays for nothing but the picker.

        Every call goes the long way, for nobody is never calm, when there is a middleware to run, a
        balancer that wants to see the call, a member with a limit, or an interpreter on which
        counting needs the lock.
        """
        membership = self.membership
        panic = membership.panic
        membership.refresh(self.clock())
        if membership.panic is not panic and self.events.has_listeners:
            from connpool_runtime.events.types import PanicChanged

            self.events.queue(PanicChanged(pool=self.name, panic=membership.panic))
        self.limited = membership.limited
        pick: Callable[[], Member[C]] = self.pick_carefully
        self.locked_fast_path = None
        nobody = self.middleware or self.picking.needs_call or FREE_THREADED
        if membership.available and membership.wake_at == math.inf and not nobody:
            pick = self.picking.picker(membership.available)
            if self.limited:
                self.locked_fast_path = (
                    pick,
                    self.clock,
                    self.latest,
                    self.lock,
                    self.line.waiters,
                )
        if self.limited or nobody:
            pick = self.pick_slow_path
        self.fast_path = (pick, self.clock, self.latest)
        if self.line.waiters:
            self.line.free(*membership.available)
        # Last, so that after an interrupt up there `note_locked` finds that it must be done again.
        for member in membership.members:
            member.in_picker = member.ready

    # Taking and giving back

    def take(self, lease: Lease[C], member: Member[C]) -> bool:
        """Take a member for a newcomer, who does not overtake those who wait."""
        with self.lock:
            taken = not self.line.waiters and member.free and self.take_locked(lease, member)
        self.act()
        return taken

    def take_locked(self, lease: Lease[C], member: Member[C]) -> bool:
        """Take a member that is free, if its breaker lets the call through."""
        lease.fork_generation = self.fork_generation
        # One statement, before anything else: an interrupt finds the lease held or untouched.
        if member.store is None:
            member.taken, lease.held, lease.taken_from = member.taken + 1, True, member
        elif not borrow_locked(self, lease, member, member.store):
            return False
        lease.generation = member.breaker.generation
        if self.timed:
            lease.began = self.clock()
        if member.fast_generation is None and not self._may_enter_locked(lease, member):
            self._let_go_locked(lease, member)
        return lease.held

    def _let_go_locked(
        self,
        lease: Lease[C],
        member: Member[C],
        outcome: Outcome | None = None,
        error: BaseException | None = None,
    ) -> None:
        if member.store is None:
            member.taken, lease.held = member.taken - 1, False
        else:
            return_locked(self, lease, member, member.store, outcome, error)

    def _may_enter_locked(self, lease: Lease[C], member: Member[C]) -> bool:
        breaker = member.breaker
        entered = not member.leaving and (breaker.admit(lease, self.clock()) or member.panic)
        self.note_locked(member, breaker.state)
        return entered

    def settle(self, lease: Lease[C], call: Call, error: BaseException | None = None) -> None:
        """Give the member of an attempt back. Harmless when done already."""
        self._settle(lease, call, error, None)

    def end(
        self, lease: Lease[C], call: Call, started: float, error: BaseException | None = None
    ) -> None:
        """Settle the last attempt of a call and count the call. Harmless when done already."""
        self._settle(lease, call, error, started)

    def _settle(
        self, lease: Lease[C], call: Call, error: BaseException | None, started: float | None
    ) -> None:
        call.outcome = outcome = call.judge(error)
        try:
            try:
                if lease.held:
                    with self.lock:
                        self._settle_locked(lease, call, outcome, error, started)
            finally:
                if lease.open:  # an interrupt came in between; all parts can be repeated
                    with self.lock:
                        self._settle_locked(lease, call, Outcome.NEUTRAL)
            self.act()
        finally:
            if self.line.due:  # and here, the same
                attend(self)

    def _settle_locked(
        self,
        lease: Lease[C],
        call: Call,
        outcome: Outcome,
        error: BaseException | None = None,
        started: float | None = None,
    ) -> None:
        if lease.waiter is not None:
            self.line.leave(lease.waiter)
            lease.waiter = None
        if lease.held and started is not None:
            self.counts.of(call.method.name).count(outcome, self.clock() - started)
        seconds = 0.0
        # How long a stream or a lease was held says nothing about the member.
        if self.timed and lease.held and started is None:
            seconds = observe_latency_locked(self, lease, outcome)
        self.give_back_locked(lease, outcome, error, seconds)

    def give_back_locked(
        self,
        lease: Lease[C],
        outcome: Outcome | None,
        error: BaseException | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Give a member back with what its use came to, None if it was not used at all.

        Harmless when done already.
        """
        member = lease.taken_from
        if not lease.held or member is None:
            return
        if (
            lease.fork_generation != self.fork_generation
        ):  # taken before a fork, from the parent's pool
            lease.held = False
            return
        before = member.breaker.state
        uneventful = (
            outcome is Outcome.SUCCESS
            and member.fast_generation is lease.generation
            and seconds <= self.slow_call_duration
        )
        if not uneventful:
            verdict = outcome or Outcome.NEUTRAL
            tell_locked(self, member, lease, lease.generation, verdict, error, seconds=seconds)
        if self.line.waiters:
            self.line.free(member)
        self._let_go_locked(lease, member, outcome, error)
        if outcome is not None:
            member.count(outcome)
        if not uneventful:
            self.note_locked(member, before)

    def drop(self, lease: Lease[C], call: Call) -> None:
        """Give back what an interrupt kept from being settled. Harmless when done already."""
        self.settle(lease, call, GeneratorExit())

    def give_up(self, lease: Lease[C], call: Call, started: float, outcome: Outcome) -> None:
        """End a call from a finalizer, which may run while this very thread holds the lock."""
        self._abandoned.append(partial(self._settle_locked, lease, call, outcome, None, started))
        self._sweep()

    def _sweep(self) -> None:
        while self._abandoned and self.lock.acquire(blocking=False):
            try:
                self._abandoned.popleft()()
                if self.line.due:
                    attend_locked(self)
            finally:
                self.lock.release()

    # Collect under the lock, act after it

    def note_locked(self, member: Member[C], before: BreakerState) -> None:
        """Follow up on whatever changed about a member.

        Who changes one sets `fast_generation` to None first: should an interrupt keep us from coming here,
        the next call on the member goes the long way and does.
        """
        breaker = member.breaker
        member.refresh()
        if member.has_anomaly:
            self.anomalous.add(member)
            self.latest.clear()
        else:
            self.anomalous.discard(member)
        if member.ready is not member.in_picker or breaker.state is not before:
            self.rebuild_locked()
        if breaker.state is not before:
            self.counts.changed(breaker.state)
            if self.events.has_listeners:
                self._tell_of_breaker(member, before)
        if member.leaving and member.in_flight == 0 and not member.drained:
            member.drained = True
            self.anomalous.discard(member)
            member.gate.open()  # a signal of ours, which neither waits nor calls back
            if member.orphaned:
                self.departed.append(member)

    def _tell_of_breaker(self, member: Member[C], before: BreakerState) -> None:
        from connpool_runtime.events.types import BreakerChanged

        breaker = member.breaker
        event = BreakerChanged(
            pool=self.name,
            member=member.name,
            before=before,
            after=breaker.state,
            cause=breaker.cause,
            enforced=breaker.enforced,
        )
        self.events.queue(event)

    def act(self) -> None:
        """Do what was collected under the lock."""
        if self._abandoned:
            self._sweep()
        while self.line.due:
            attend(self)
        if self.maintenance_due and self.housekeeper is not None:
            self.maintenance_due = False
            self.housekeeper.poke()
        while self.departed and self.close_departed is not None:
            self.close_departed(self.departed.popleft())
        if self.events.waiting:
            self.events.deliver()

    # Counting

    def account(self, call: Call, started: float, error: BaseException | None = None) -> None:
        """Count a whole call, whatever its attempts were."""
        outcome = Outcome.SUCCESS
        if error is not None:
            outcome = call.method.classify(error)
        with self.lock:
            self.counts.of(call.method.name).count(outcome, self.clock() - started)
        self.act()
