"""The slow path of a call, from top to bottom: choose a member, take it or wait for it, give it back.

Nothing here waits. Waiting for a place in the queue is in `acquire.py` and `async_acquire.py`, opening
clients in `opener.py` and `async_opener.py`; both use what is here.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from connpool_runtime._concurrency.deferred_work import DeferredWork
from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.interrupts import closes_coroutine, run_beside_finalizer
from connpool_runtime._log import extra, runtime_logger
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.calls.call import Balancer, Call
from connpool_runtime.calls.calling import current_block, current_options
from connpool_runtime.calls.lease import Lease, WaitingCall, Wanted
from connpool_runtime.calls.method import AnyMethod, Method
from connpool_runtime.checkout.recorder import Recorder
from connpool_runtime.checkout.router import Router
from connpool_runtime.checkout.state import AfterLock, PoolState
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict, neutral
from connpool_runtime.clients.source import CLEAN, REMEDY
from connpool_runtime.clients.type_check import ClientTypeCheck
from connpool_runtime.errors import PoolExhausted, PoolTimeout, TooManyWaiting
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.member import Member
from connpool_runtime.settings import PoolSettings

__all__ = ["AnyCheckout", "Checkout"]

C = TypeVar("C")
_CLOSED = BreakerState.CLOSED  # looking up a member of an enumeration costs as much as a call
_INTERRUPTED = neutral("interrupted")
_MOST_COUNTED = 100  # members up to which a refusal says how many calls run on them; more would take too long to ask
_calling_block = current_block.get  # found once: each call asks
NewSignal = Callable[[], Any]


class Checkout(Generic[C]):
    """Lends members to calls and takes them back. Safe for threads; never waits.

    Arguments:
        name: of the pool.
        settings: of the pool.
        methods: those that are counted from the start.
        blocking: whether callers are threads, which may wait in the queue on the spot.
    """

    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        methods: Iterable[Method[C, Any]],
        *,
        blocking: bool,
    ) -> None:
        methods = tuple(methods)
        names = [method.name for method in methods]
        self.client_types = ClientTypeCheck(name, names, blocking=blocking)
        self.state = PoolState[C](name, settings, methods, blocking=blocking)
        self.router = Router(self.state)
        self.recorder = Recorder(self.state, self.router)
        self._deferred = DeferredWork()
        self.state.after_lock = AfterLock(self.act)
        self.state.defer = self.defer
        self.router.begin()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process, to which neither threads nor connections belong.

        Calls that run in the thread that forked end on members that are no longer in the pool, so they change
        no count here. Everything derived from the members is derived anew by the next call.
        """
        state = self.state
        state.after_fork()
        self._deferred = DeferredWork()
        self.recorder.after_fork()
        self.router.after_fork()

    def new_call(
        self,
        method: AnyMethod,
        args: tuple[Any, ...] = (),
        balancer: str | Balancer | None = None,
        given: Member[Any] | None = None,
        key: object = None,
    ) -> Call:
        """Return the record of a new call; see `Call`."""
        state = self.state
        call = Call(state.name, method, args, key, state.judge)
        if balancer is not None or given is not None:
            call.balancer, call.given, call.may_be_fast = balancer, given, False
        if _calling_block() is not None and (options := current_options()) is not None:
            call.follow(options)
        return call

    # 1. A member is chosen, and taken if it can take one more call.

    def claim(
        self, lease: Lease[C], call: Call, limit: float, new_signal: NewSignal | None
    ) -> WaitingCall | None:
        """Take a member for a call; if none is free, return the call's place in the wait queue.

        Arguments:
            lease: gets the member, or the place. It owns the place, so giving the lease back, at
                whatever moment, leaves the queue too.
            call: what the member is for.
            limit: seconds that the call may wait.
            new_signal: makes the signal that wakes the caller; None if the caller cannot wait.

        Raises:
            Rejected: there is no member to take or to wait for, or no place in the queue.
        """
        member, call.given = call.given, None
        if member is None or member is self.state.slow_path_member:
            member = self._choose(call)
        while member is None or not self._take(lease, member):
            if member is None and self._join_queue(lease, call, limit, new_signal):
                return lease.waiter
            member = self._choose(call)
        return None

    def _choose(self, call: Call) -> Member[C] | None:
        """Pick a member that can take one more call, unless other calls wait for it already."""
        state, wanted = self.state, None
        if state.routing is None and call.options is None:
            candidates = self.router.candidates()
        else:
            if call.options is not None:
                # few programs use options
                from connpool_runtime.checkout.call_options import member_named

                self.router.candidates(routed=True)
                if (named := member_named(state, call, call.options)) is not None:
                    return named
            wanted = self.router.wanted(call)
            candidates = self.router.candidates_for(wanted)
        if not state.limited:
            member: Member[Any] | None = state.pickers.choose(call, candidates)
        elif state.suspended:
            return None
        elif state.queue.waiters and wanted is None and not state.queue.routed:
            return None  # without routes, any waiting call may be served by any member
        else:
            member = state.pickers.choose_free(call, candidates)
            if member is not None and state.queue.waiters:
                member = self._not_awaited(member, candidates)
        refusal = call.refusal(member)
        if refusal is not None:
            raise refusal
        return member

    def _not_awaited(self, member: Member[C], candidates: Candidates) -> Member[C] | None:
        """Return a free member that no call waits for: this one, or else another one."""
        state = self.state
        with state.after_lock, state.lock:
            if not state.queue.awaits(member):
                return member
            free = (one for one in candidates if one.free and not state.queue.awaits(one))
            return next(free, None)

    def _take(self, lease: Lease[C], member: Member[C]) -> bool:
        """Take a member for a new call, which must not overtake waiting calls."""
        state = self.state
        with state.after_lock, state.lock:
            queue = state.queue
            awaited = queue.waiters and queue.awaits(member)
            may_be = not awaited and not state.suspended and member.free
            return may_be and self._take_locked(lease, member)

    def _take_locked(self, lease: Lease[C], member: Member[C]) -> bool:
        """Take a free member, if its breaker lets the call through."""
        state = self.state
        # Has no meaning until the lease is held, which the source sets in one statement.
        lease.taken_from = member
        lease.lent_at = state.clock()
        lent = member.source.borrow(member, lease, lease.lent_at)
        state.maintenance_due = state.maintenance_due or member.source.maintenance_due
        if not lent:
            return False
        lease.generation = member.breaker.generation
        lease.began = lease.lent_at
        if member.fast_generation is None and not self._may_enter_locked(lease, member):
            member.source.give_back(member, lease, state.clock(), CLEAN)
        return lease.held

    def _may_enter_locked(self, lease: Lease[C], member: Member[C]) -> bool:
        breaker = member.breaker
        # A closed breaker lets the call pass and keeps its state. If an interrupt has kept a change of the
        # member from being followed up, that happens when the call ends.
        if breaker.state is _CLOSED and not member.leaving:
            return True
        entered = not member.leaving and (breaker.admit(lease, self.state.clock()) or member.panic)
        self.router.changed_locked(member, breaker.state)
        return entered

    def acquire_now(self, lease: Lease[C], call: Call) -> C:
        """Take a member for a call that cannot wait, and return its client.

        For the calls of an `AsyncPool` that are not awaited: the event loop's thread must not be
        blocked, so they neither wait in the queue nor open or check a client.

        Raises:
            Rejected: no member could be taken.
        """
        state = self.state
        self.claim(lease, call, 0.0, None)
        if lease.member.source.needs_preparation(lease, state.clock()):
            with state.after_lock, state.lock:
                self.give_back_locked(lease, None)
            raise PoolExhausted(
                f"the next client of {lease.member.name!r} in pool {state.name!r} has to be opened"
                " or checked first, and this form of call cannot wait for that",
                pool=state.name,
            )
        call.begin(lease.member)
        lease.used = True
        return lease.client

    # 2. If no member is free, the call waits in the queue.

    def _join_queue(
        self, lease: Lease[C], call: Call, limit: float, new_signal: NewSignal | None
    ) -> bool:
        """Join the queue, unless a member became free meanwhile or there is none to wait for."""
        state = self.state
        refusal, wanted = None, self.router.wanted(call)
        with state.after_lock, state.lock:
            queue = state.queue
            available = self._available_locked(wanted)
            if not available or (not state.suspended and self._is_one_free_locked(available)):
                return False
            refusal = self._no_place(available, limit, new_signal)
            if refusal is not None:
                state.counters.reject(refusal)
            elif new_signal is not None:
                lease.waiter = waiter = WaitingCall(lease, new_signal(), state.clock(), wanted)
                queue.join(waiter)
        if refusal is not None:
            raise refusal
        return True

    def _available_locked(self, wanted: Wanted | None) -> tuple[Member[C], ...]:
        """Return the members that may serve a call now."""
        if wanted is None:
            return self.state.membership.available
        return wanted.candidates_locked().members

    def _is_one_free_locked(self, members: Iterable[Member[C]]) -> bool:
        """Return whether one of these members is free and no call waits for it."""
        queue = self.state.queue
        if not queue.waiters:
            return any(one.free for one in members)
        # Without routes, any waiting call may be served by any member.
        return queue.routed and any(one.free and not queue.awaits(one) for one in members)

    def _no_place(
        self, available: tuple[Member[C], ...], limit: float, new_signal: NewSignal | None
    ) -> PoolExhausted | None:
        state, most = self.state, self.state.settings.max_waiting
        refusal, why = PoolExhausted, ""
        if new_signal is None:
            why = "this form of call cannot wait"
        elif limit <= 0.0 or most == 0:
            why = "the call may not wait"
        elif len(state.queue.waiters) >= most:
            refusal, why = TooManyWaiting, f"{most} callers wait already, which is max_waiting"
        # The text only where it is needed: it looks at members.
        return refusal(f"{self._busy(available)}, and {why}", pool=state.name) if why else None

    def _busy(self, available: tuple[Member[C], ...]) -> str:
        if self.state.suspended:
            return f"pool {self.state.name!r} is suspended"
        busy = f"all {len(available)} available members of pool {self.state.name!r} are busy"
        if len(available) > _MOST_COUNTED:
            return busy
        return f"{busy} with {sum(member.in_flight for member in available)} calls"

    def look_up(self, lease: Lease[C], left: float, limit: float) -> None:
        """Do what has become due while a call waited; refuse the call if its time is over.

        Arguments:
            lease: of the caller, whose signal did not come so far.
            left: seconds that the caller may still wait.
            limit: seconds that it could wait in all.
        """
        waiter = lease.waiter
        state = self.state
        with state.after_lock, state.lock:
            if waiter is None or left > 0.0:
                state.queue.free(*state.membership.may_serve)
            elif not waiter.over and state.queue.leave(waiter):
                busy = self._busy(self._available_locked(waiter.wanted))
                waiter.refusal = PoolTimeout(
                    f"{busy}, and none became free within {limit:.3g} s;"
                    f" {len(state.queue.waiters)} other callers wait",
                    pool=state.name,
                )
                state.counters.reject(waiter.refusal)

    def patience(self) -> float:
        """Return the seconds until time alone may make a member available; `inf` if it cannot."""
        wake_at = self.state.membership.wake_at
        return math.inf if wake_at == math.inf else max(0.0, wake_at - self.state.clock())

    def arrive(self, lease: Lease[C], waiter: WaitingCall) -> None:
        """Leave the queue with the member, or raise the refusal.

        Raises:
            Rejected: the call was refused.
        """
        state = self.state
        with state.after_lock, state.lock:
            state.queue.serve(waiter, state.clock())
            lease.waiter = None
        if not lease.held and waiter.refusal is not None:
            raise waiter.refusal

    # 3. A member that is given back is handed to the waiting calls, in their order.

    def _hand_over(self) -> None:
        state = self.state
        with state.lock:  # for `act`, which repeats until nothing is left to hand over
            self._hand_over_locked()

    def _hand_over_locked(self) -> None:
        """Hand free members to waiting calls, or refuse the calls if there is no member to wait for."""
        self.router.wake_locked()
        queue = self.state.queue
        if queue.waiters and self.state.quota.limited:
            # One client less at one endpoint allows one more at any other.
            queue.freed.extend(self.state.membership.may_serve)
        while queue.freed and queue.waiters and not self.state.suspended:
            self._hand_out_locked(queue.freed[0])
            queue.freed.popleft()
        membership = self.state.membership
        if queue.waiters and membership.serves_none:
            self._refuse_locked(*queue.waiters)
        elif queue.rerouted or not membership.candidates:
            for waiters in queue.for_the_same():
                if not self._can_be_served(waiters[0]):
                    self._refuse_locked(*waiters)
        queue.rerouted = False
        queue.freed.clear()
        queue.due = False

    def _hand_out_locked(self, member: Member[C]) -> None:
        queue = self.state.queue
        while (waiter := queue.first_for(member)) is not None:
            # The lease is held already if an interrupt struck between taking the member and waking the caller.
            if not waiter.lease.held and not (
                member.ready and member.free and self._take_locked(waiter.lease, member)
            ):
                return
            if waiter.signal.set():
                queue.serve(waiter, self.state.clock())
            # the event loop was closed, so this caller will never accept; the next one gets the member
            else:
                queue.leave(waiter)
                self.give_back_locked(waiter.lease, None)

    def _can_be_served(self, waiter: WaitingCall) -> bool:
        if waiter.wanted is None:
            return bool(self.state.membership.candidates)
        return bool(waiter.wanted.candidates_locked())

    def _refuse_locked(self, *waiters: WaitingCall) -> None:
        state = self.state
        for waiter in waiters:
            if waiter.refusal is None and not waiter.lease.held:
                why = None if waiter.wanted is None else waiter.wanted.refusal_locked()
                waiter.refusal = why or state.membership.refusal(state.clock())
                state.counters.reject(waiter.refusal)
            waiter.signal.set()
            state.queue.leave(waiter)

    # 4. The call runs, outside this module. 5. The member is given back, with the verdict on the call.

    def settle(self, lease: Lease[C], call: Call, error: BaseException | None = None) -> None:
        """Give the member of an attempt back. Harmless when done already."""
        self._settle(lease, call, error, None, timed=True)

    def end_use(
        self,
        lease: Lease[C],
        call: Call,
        started: float,
        error: BaseException | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Settle the use of a member by a stream or a lease, and count the call. Harmless when done already.

        How long the member was held says nothing about the member.

        Arguments:
            lease: of the use.
            call: that ends.
            started: when it began.
            error: what it ended with.
            verdict: on the call, where it does not follow from the error.
        """
        self._settle(lease, call, error, started, verdict)

    def end_attempt(
        self, lease: Lease[C], call: Call, started: float, error: BaseException | None = None
    ) -> None:
        """Settle the only attempt of a call and count the call. Harmless when done already."""
        self._settle(lease, call, error, started, timed=True)

    def drop(self, lease: Lease[C], call: Call) -> None:
        """Give back what an interrupt kept from being settled. Harmless when done already."""
        self.settle(lease, call, GeneratorExit())

    def give_up(self, lease: Lease[C], call: Call, started: float, verdict: Verdict) -> None:
        """End a call from a finalizer, which may run while this very thread holds the lock."""
        self.defer(partial(self._settle_locked, lease, call, verdict, None, started))

    def defer(self, work: Callable[[], object]) -> None:
        """Do work under the lock for a finalizer: at once if the lock is free, else when it is; never waits.

        Arguments:
            work: see `DeferredWork.add`.
        """
        state = self.state
        was_due = state.maintenance_due
        self._deferred.add(work)
        self._run_deferred()
        if self._deferred.work:
            # This thread holds the lock, or another one that does not look here afterwards.
            run_beside_finalizer(self._catch_up)
        # A member's last call has ended, or a client is to be closed, and the pool may never be used again.
        elif state.departed or (state.maintenance_due and not was_due):
            run_beside_finalizer(self.act)

    def _catch_up(self) -> None:
        with self.state.after_lock, self.state.lock:
            pass

    def _settle(
        self,
        lease: Lease[C],
        call: Call,
        error: BaseException | None,
        started: float | None,
        given: Verdict | None = None,
        *,
        timed: bool = False,
    ) -> None:
        state = self.state
        call.verdict = verdict = given or call.judge(error)
        if closes_coroutine(error):
            self.defer(partial(self._settle_locked, lease, call, verdict, error, started, timed))
            return
        try:
            with state.after_lock:
                try:
                    if lease.held:
                        with state.lock:
                            self._settle_locked(lease, call, verdict, error, started, timed)
                finally:
                    if lease.open:  # an interrupt struck in between; every step can be repeated
                        with state.lock:
                            self._settle_locked(lease, call, _INTERRUPTED)
        finally:
            if state.queue.due:  # the same here
                self._hand_over()
        if call.suspects and verdict is SUCCESS:
            self.recorder.record_proof(call, lease.member)

    def _settle_locked(
        self,
        lease: Lease[C],
        call: Call,
        verdict: Verdict,
        error: BaseException | None = None,
        started: float | None = None,
        timed: bool = False,
    ) -> None:
        if lease.waiter is not None:
            self.state.queue.leave(lease.waiter)
            lease.waiter = None
        if lease.held and started is not None:
            self.recorder.count_call_locked(call.method, started, verdict)
        seconds = 0.0
        if timed and self.state.timed and lease.held:  # not where a stream or a lease was held
            seconds = self.recorder.observe_latency_locked(lease, verdict.outcome)
        self.give_back_locked(lease, verdict, error, seconds, call)

    def give_back_locked(
        self,
        lease: Lease[C],
        verdict: Verdict | None,
        error: BaseException | None = None,
        seconds: float = 0.0,
        call: Call | None = None,
    ) -> None:
        """Give a member back with the verdict on its use; None if it was not used at all.

        Harmless when done already.
        """
        member = lease.taken_from
        if not lease.held or member is None:
            return
        if self.state.loans:
            self.state.loans.pop(lease, None)
        self.recorder.record_end_locked(
            member,
            lease.generation,
            verdict,
            error,
            seconds=seconds,
            lease=lease,
            call=call,
            method=None if call is None else call.method,
        )

    # 6. What was collected under the lock is done after releasing it.

    def act(self) -> None:
        """Do what was collected under the lock; `PoolState.after_lock` calls this on leaving."""
        state = self.state
        if self._deferred.work:
            self._run_deferred()
        while state.queue.due:
            self._hand_over()
        if state.maintenance_due:
            self._begin_maintenance()
        if state.departed and state.close_departed is not None:
            self._close_departed(state.close_departed)
        if state.events.waiting:
            state.events.deliver()

    def _begin_maintenance(self) -> None:
        state = self.state
        state.maintenance_due = False
        if state.ejections_to_tell:
            _tell_of_ejections(state)
        if state.housekeeper is not None:
            state.housekeeper.wake()
        # Where no event loop runs yet, or the system gives no thread, a later call starts the rest.
        running = [sweeper.start() for sweeper in state.sweepers]
        state.maintenance_due = state.maintenance_due or not all(running)
        if state.revivals:
            self.router.revive()

    def _close_departed(self, close: Callable[[Member[C]], None]) -> None:
        """Close all members that are drained, and remove them from the pool.

        Removing a member calls this method again; the loop below leaves that call nothing to do. Otherwise a
        thousand members would be a thousand nested calls.
        """
        state, drained = self.state, deque[Member[C]]()
        try:
            with suppress(IndexError):  # other threads take from it, too
                while True:
                    drained.append(state.departed.popleft())
            while drained:
                close(drained.popleft())
        finally:  # after an interrupt, the next thread does the rest
            state.departed.extend(drained)

    def _run_deferred(self) -> None:
        state = self.state
        self._deferred.run(state.lock)
        # Not if the lock is held, perhaps by this very thread: its holder does it. See `DeferredWork.run`.
        if state.queue.due and not state.lock.locked():
            self._hand_over()


def _tell_of_ejections(state: PoolState[Any]) -> None:
    """Warn that members were taken out of use; nothing else reports it, because their servers are healthy."""
    with suppress(IndexError):  # other threads take from it, too
        while True:
            name = state.ejections_to_tell.popleft()
            runtime_logger().warning(
                "pool %r: %r is ejected until a health check passes or `uneject`: a call on it was broken off in the"
                " middle, and there is no `validate` to tell whether its client may be used again: %s",
                *(state.name, name, REMEDY),
                extra=extra(event_name="member_ejected", pool=state.name, member=name),
            )


AnyCheckout: TypeAlias = Checkout[Any]
"""For code to which it does not matter what clients a pool has."""
