"""Decides who may be picked: keeps candidates, pickers and fast path in step with the members."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.balancing.picker import CallPicker
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.calling import are_blocks_open, watch
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.route import UNROUTED, Route, Routing
from connpool_runtime.checkout.state import (
    FastPath,
    LockedCallPath,
    LockedFastPath,
    PoolState,
    UnderLock,
)
from connpool_runtime.errors import PoolError
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.labels import Selector
from connpool_runtime.members.member import Member
from connpool_runtime.stats.histogram import NO_BUCKET, Bucket

__all__ = ["Router", "Wanted"]

C = TypeVar("C")


class _NoBuckets(dict[AnyMethod, Bucket]):
    """A table whose buckets hold no duration, so that the recorder sees every one."""

    def get(self, _method: AnyMethod, _default: object = None) -> Bucket:
        return NO_BUCKET


_NO_BUCKETS = _NoBuckets()


class _Paths(NamedTuple, Generic[C]):
    """The paths that calls may take, named as in `PoolState`; those that a pool does not have are None."""

    fast_path: FastPath[C]
    locked_fast_path: LockedFastPath[C] | None = None
    call_picker: CallPicker | None = None
    locked_call_path: LockedCallPath | None = None


class Wanted(Generic[C]):
    """The members that one call may use: those with the labels of the first step that has an available member.

    Arguments:
        router: of the pool.
        state: of the pool.
        call: whose next attempt is for members that were not tried, if a step has such.
        steps: the labels, those that are preferred first.
    """

    __slots__ = ("_call", "_passed_over", "_router", "_state", "_steps")

    def __init__(
        self, router: Router[C], state: PoolState[C], call: Call, steps: tuple[Selector, ...]
    ) -> None:
        self._router = router
        self._state = state
        self._call = call
        # Read here, because middleware that excludes members must not be asked under the lock.
        self._passed_over = [*call.tried, *call.excluded]
        self._steps = steps

    @property
    def kind(self) -> object:
        """The labels, and the members that are passed over."""
        return self._steps, frozenset(self._passed_over)

    def candidates_locked(self) -> Candidates:
        """Return the allowed members that may be picked now."""
        return self._router.chosen_locked(self._steps, self._passed_over)

    def refusal_locked(self) -> PoolError:
        """Return the error to raise if there is no such member."""
        from connpool_runtime.checkout.refusals import no_member_for  # few calls are refused

        return no_member_for(self._state, self._call, self._steps)


class Router(Generic[C]):
    """Decides which members calls may be given to. Safe for threads."""

    def __init__(self, state: PoolState[C]) -> None:
        self._state = state
        self._routed = False  # whether all consequences of the latest change have been derived

    def candidates(self, *, routed: bool = False) -> Candidates:
        """Return the members that may be picked, after doing what has become due by time.

        Arguments:
            routed: whether the call may be for other members than these, of which there may be none then.

        Raises:
            Rejected: there is none; the type says why.
        """
        state = self._state
        membership = state.membership
        found, wake_at = membership.candidates, membership.wake_at
        if found and self._routed and (wake_at == math.inf or state.clock() < wake_at):
            return found
        refusal = None
        with state.after_lock, state.lock:
            self.wake_locked()
            found = membership.candidates
            if not found and (not routed or membership.serves_none):
                refusal = membership.refusal(state.clock())
                state.counters.reject(refusal)
        if state.revivals:
            self.revive()
        if refusal is not None:
            raise refusal
        return found

    def revive(self) -> None:
        """Start the workers that wait for a call to start them; those that cannot start yet wait for another call."""
        state, again = self._state, list[Callable[[], bool]]()
        with suppress(IndexError):  # other threads take from it, too
            while True:
                start = state.revivals.popleft()
                if not start():
                    again.append(start)
        state.revivals.extend(again)
        state.maintenance_due = state.maintenance_due or bool(again)

    def candidates_for(self, wanted: Wanted[C] | None) -> Candidates:
        """Return the candidates on a call's route.

        Raises:
            Rejected: there is none; the type says why.
        """
        found, state = self.candidates(routed=wanted is not None), self._state
        if wanted is None:
            return found
        refusal = None
        with state.after_lock, state.lock:
            found = wanted.candidates_locked()
            if not found:
                refusal = wanted.refusal_locked()
                state.counters.reject(refusal)
        if refusal is not None:
            raise refusal
        return found

    def wanted(self, call: Call) -> Wanted[C] | None:
        """Return the members that a call may use; None if any may serve it."""
        state = self._state
        asked = None if call.options is None else call.options.route
        if asked is not None:
            return Wanted(self, state, call, (state.routing or UNROUTED).steps(asked))
        if state.routing is None or not state.membership.has_roles:
            return None
        return Wanted(self, state, call, state.routing.steps(call.method.route))

    def has_untried_locked(self, call: Call) -> bool:
        """Return whether a member that a call has not tried could be picked for it."""
        wanted = self.wanted(call)
        found = self._state.membership.candidates if wanted is None else wanted.candidates_locked()
        return len(found) > sum(found.has(member) for member in frozenset(call.tried))

    def chosen_locked(
        self, steps: tuple[Selector, ...], passed_over: Collection[Member[Any]] = ()
    ) -> Candidates:
        """Return the candidates of the first step that has a member which is available and not passed over.

        If all are to be passed over it is the first step that has one at all; empty if none has.
        """
        state, first = self._state, Candidates()
        for selector in steps:
            found = state.membership.select_locked(selector, state.clock())
            if found:
                if len(found) > len(passed_over) or any(one not in passed_over for one in found):
                    return found
                first = first or found
        return first

    def after_fork(self) -> None:
        """Make the next call in a child process derive anew who may be picked."""
        self._look_first()

    def pick_after_wake(self) -> Member[C]:
        """Pick a member where time may have changed who may be picked, or where no member may be."""
        return self._state.pickers.picker(self.candidates())()

    def wake_locked(self) -> None:
        """Do what has become due by time: breakers half-open, probes given up, new attempts to open clients."""
        membership, now = self._state.membership, self._state.clock()
        if now < membership.wake_at and self._routed:
            return
        for member in membership.due(now):
            before = member.breaker.state
            member.wake(now)
            self.changed_locked(member, before)
        self.follow_locked()

    def changed_locked(self, member: Member[C], before: BreakerState) -> None:
        """Follow up on any change of a member, whose breaker was in state `before`.

        Code that changes a member calls `begin_change` first: if an interrupt keeps the thread from calling this method, the
        next call on the member takes the slow path and calls it.
        """
        state, breaker = self._state, member.breaker
        self.follow_locked(member)
        # last: until then every call on the member takes the slow path and follows up
        self.refresh_locked(member)
        if breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            member.source.distrust(state.clock())  # so that a probe gets a client that works
            state.maintenance_due = state.maintenance_due or member.source.maintenance_due
        if breaker.state is not before:
            state.counters.changed(breaker.state)
            if state.events.has_listeners:
                self._announce_breaker_locked(member, before)
        if member.leaving and member.in_flight == 0 and not member.drained:
            self._drained_locked(member)

    def changed_all_locked(self, members: Collection[Member[C]]) -> None:
        """Follow up on changes of many members at once, none of which changed its breaker."""
        if not members:
            return
        self.follow_locked(*members)
        self.reroute_locked()  # also if only a weight has changed, which no fact includes
        for member in members:
            self.refresh_locked(member)
            if member.leaving and member.in_flight == 0 and not member.drained:
                self._drained_locked(member)

    def refresh_locked(self, member: Member[C]) -> None:
        """Derive whether calls on a member may take the fast path, and whether successes matter to it."""
        state = self._state
        member.refresh()
        if member.steady_generation is None and member.has_anomaly:
            state.anomalous.add(member)
            state.latest.clear()
            state.latest_uses.clear()
        else:
            state.anomalous.discard(member)

    def _drained_locked(self, member: Member[C]) -> None:
        self._state.anomalous.discard(member)
        if member.orphaned:
            self._state.departed.append(member)
        member.gate.open()  # a gate of the runtime: opening it neither waits nor calls user code
        member.drained = True  # last: if an interrupt breaks off the lines before, they run again

    def follow_locked(self, *members: Member[C]) -> None:
        """Follow up on any change of who may be picked, by members or by time."""
        state, membership = self._state, self._state.membership
        now = state.clock()
        if self._routed and not membership.differs(now, *members):
            return
        panic = membership.panic
        self._look_first()
        membership.update(now, *members)
        self._route_locked(panic)

    def rebuild_locked(self) -> None:
        """Derive anew who may be picked, and restart the order of the pickers."""
        panic = self._state.membership.panic
        self._look_first()
        self._state.membership.refresh(self._state.clock())
        self._route_locked(panic)

    def reroute_locked(self) -> None:
        """Derive anew which path calls take."""
        self._look_first()
        self._route_locked(self._state.membership.panic)

    def _look_first(self) -> None:
        # After an interrupt this state remains, and the next call follows up on the change.
        state, self._routed = self._state, False
        state.fast_path = self._slow
        state.locked_fast_path = state.call_picker = state.locked_call_path = None

    def _route_locked(self, panicked: bool) -> None:
        state, membership = self._state, self._state.membership
        changed = membership.panic is not panicked
        if changed and state.events.has_listeners:
            self._announce_panic_locked()
        routed = state.routing is not None and membership.has_roles
        state.by_call = routed or state.pickers.needs_call
        state.limited = membership.limited or state.suspended
        if state.readiness:
            self._tell_ready_locked()
        if state.queue.waiters:
            # Calls that wait for one role may have to be served by another role now.
            state.queue.rerouted = state.queue.routed
            state.queue.free(*membership.freed(all_of_them=changed or state.queue.rerouted))
        paths = self._paths_by_call() if state.by_call else self._paths()
        if state.looks_for_blocks:
            paths = self._looking(paths)
        state.fast_path, state.locked_fast_path = paths.fast_path, paths.locked_fast_path
        state.call_picker, state.locked_call_path = paths.call_picker, paths.locked_call_path
        self._routed = True

    def _paths(self) -> _Paths[C]:
        """Return the paths of the next calls, if their pick does not depend on the call."""
        state, membership = self._state, self._state.membership
        if state.suspended:
            return _Paths(self._slow)
        if membership.candidates:
            pick = self._until_wake(state.pickers.picker_locked(membership.candidates))
        elif self._counts_under_lock:
            return _Paths(self._slow)  # a call that is refused there is counted
        else:
            pick = self.pick_after_wake
        if self._counts_under_lock:
            return _Paths(self._slow, (pick, *self._under_lock()))
        return _Paths((pick, state.clock, state.latest))

    def _paths_by_call(self) -> _Paths[C]:
        """Return the paths of the next calls, if their pick depends on the call."""
        state, membership = self._state, self._state.membership
        if state.suspended or not membership.candidates:
            return _Paths(self._slow)
        if state.routing is not None and membership.has_roles:
            pick: CallPicker | None = self._picker_by_route(state.routing)
        else:
            pick = self._call_picker_locked(membership.candidates)
        if pick is None:
            return _Paths(self._slow)
        pick = self._by_call_until_wake(pick)
        if self._counts_under_lock:
            return _Paths(self._slow, locked_call_path=(pick, *self._under_lock()))
        return _Paths(self._slow, call_picker=pick)

    @property
    def _slow(self) -> FastPath[C]:
        """The fast path that sends every call on the slow path."""
        state = self._state
        return state.pick_slow_path, state.clock, state.latest

    @property
    def _counts_under_lock(self) -> bool:
        """Whether a call takes its member under the lock, if no other call waits.

        A member may be at its limit, or counting needs the lock.
        """
        return self._state.limited or FREE_THREADED

    def _under_lock(self) -> UnderLock:
        """Return what a path under the lock needs beside its picker."""
        state = self._state
        each = FREE_THREADED or state.observes_latency
        latest = _NO_BUCKETS if each else state.latest_uses
        return state.clock, latest, state.lock, state.queue.waiters

    def _until_wake(self, pick: Callable[[], Member[C]]) -> Callable[[], Member[C]]:
        """Return a picker that looks at the clock before each pick, if time will change who may be picked."""
        wake_at, clock = self._state.membership.wake_at, self._state.clock
        if wake_at == math.inf:
            return pick
        pick_after_wake = self.pick_after_wake

        def pick_before_wake() -> Member[C]:
            return pick() if clock() < wake_at else pick_after_wake()

        return pick_before_wake

    def _by_call_until_wake(self, pick: CallPicker) -> CallPicker:
        """Do the same for a picker that sees the call; what has become due is left to the slow path."""
        wake_at, clock = self._state.membership.wake_at, self._state.clock
        if wake_at == math.inf:
            return pick
        slow_path_member = self._state.slow_path_member

        def pick_before_wake(method: AnyMethod, args: tuple[Any, ...]) -> Member[C]:
            return pick(method, args) if clock() < wake_at else slow_path_member

        return pick_before_wake

    def _call_picker_locked(self, candidates: Candidates) -> CallPicker | None:
        """Return a picker of the balancer that sees the call; None where a call needs more than that."""
        return self._state.pickers.call_picker_locked(
            candidates, self._state.slow_path_member if self._state.limited else None
        )

    def _picker_by_route(self, routing: Routing) -> CallPicker:
        """Return a picker that picks among the members on the route of the call's method."""
        # Rebuilt with each change of the members, so what is cached for a method stays valid.
        state = self._state
        by_method: dict[AnyMethod, Callable[..., Member[C]]] = {}
        by_route: dict[Route | None, Callable[..., Member[C]]] = {}

        def find(method: AnyMethod) -> Callable[..., Member[C]]:
            route = method.route
            if route not in by_route:
                with state.after_lock, state.lock:
                    chosen = self.chosen_locked(routing.steps(route))
                    by_route[route] = self._picker_locked(chosen)
            by_method[method] = by_route[route]
            return by_route[route]

        if state.pickers.needs_call:
            return lambda method, args: (by_method.get(method) or find(method))(method, args)
        return lambda method, _args: (by_method.get(method) or find(method))()

    def _picker_locked(self, candidates: Candidates) -> Callable[..., Member[C]]:
        """Return a picker among some members, or one that sends calls on the slow path."""
        state = self._state
        if candidates and not state.pickers.needs_call:
            return state.pickers.picker_locked(candidates)
        by_call = self._call_picker_locked(candidates) if candidates else None
        return by_call or (lambda *_: state.slow_path_member)

    def _tell_ready_locked(self) -> None:
        """Wake waiters for healthy members if there are enough of these, or if the pool is closed."""
        state, membership = self._state, self._state.membership
        for one in state.readiness:
            if membership.closed or membership.has_healthy(one.members):
                one.signal.set()

    # While blocks of `calling` are open, each call checks whether it is inside one.

    def begin(self) -> None:
        """Derive who may be picked, when the pool is created."""
        watch(self, looks=False)
        if are_blocks_open():
            self._state.looks_for_blocks = True
        self.rebuild_locked()

    def look_for_blocks(self) -> None:
        """Make each call from now on check whether it is inside a block of `calling`."""
        state = self._state
        with state.after_lock, state.lock:
            watch(self, looks=True)
            state.looks_for_blocks = True
            self.reroute_locked()

    def _stop_looking(self) -> None:
        state = self._state
        with state.after_lock, state.lock:
            # In this order: a block that begins now finds this pool registered, and waits for the lock.
            watch(self, looks=False)
            state.looks_for_blocks = are_blocks_open()
            self.reroute_locked()

    def _looking(self, paths: _Paths[C]) -> _Paths[C]:
        """Return the same paths for calls outside blocks; calls inside take the slow path."""
        # Few programs have blocks.
        from connpool_runtime.checkout.call_options import outside_blocks

        state, inside, rest = self._state, self._state.slow_path_member, self._stop_looking
        fast, locked, by_call, locked_by_call = paths
        if fast[0] is not state.pick_slow_path:
            fast = (outside_blocks(fast[0], inside, rest), *fast[1:])
        if locked is not None:
            locked = (outside_blocks(locked[0], inside, rest), *locked[1:])
        if by_call is not None:
            by_call = outside_blocks(by_call, inside, rest)
        if locked_by_call is not None:
            locked_by_call = (outside_blocks(locked_by_call[0], inside, rest), *locked_by_call[1:])
        return _Paths(fast, locked, by_call, locked_by_call)

    def _announce_breaker_locked(self, member: Member[C], before: BreakerState) -> None:
        from connpool_runtime.events.types import BreakerChanged

        breaker = member.breaker
        event = BreakerChanged(
            pool=self._state.name,
            member=member.name,
            before=before,
            after=breaker.state,
            cause=None if breaker.cause is None else without_traceback(breaker.cause),
            enforced=breaker.enforced,
        )
        self._state.events.queue(event)

    def _announce_panic_locked(self) -> None:
        from connpool_runtime.events.types import PanicChanged

        panic = self._state.membership.panic
        self._state.events.queue(PanicChanged(pool=self._state.name, panic=panic))
