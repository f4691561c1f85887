"""What the end of a call means: for its member's breaker, for the counters, for those who wait."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.router import Router
from connpool_runtime.checkout.state import AnyMethod, PoolState
from connpool_runtime.members.member import Member
from connpool_runtime.stats.histogram import Bucket

__all__ = ["Recorder"]

C = TypeVar("C")
NO_BUCKET = Bucket(math.inf, -math.inf)  # nothing falls into it


class Recorder(Generic[C]):
    """Records how attempts and calls end. Safe for threads."""

    def __init__(self, state: PoolState[C], router: Router[C]) -> None:
        self._state = state
        self._router = router

    def record_end_locked(
        self,
        member: Member[C],
        generation: object,
        outcome: Outcome | None,
        error: BaseException | None = None,
        *,
        seconds: float = 0.0,
        lease: Lease[C] | None = None,
    ) -> None:
        """Record the end of an attempt on a member.

        Arguments:
            member: which was taken.
            generation: of its breaker when the attempt began; a later one takes no notice.
            outcome: what the attempt came to; None if the member was not used at all.
            error: which ended the attempt.
            seconds: how long it took, if somebody asks.
            lease: holds the member and gives it back here; None where that was done already.
        """
        state, before = self._state, member.breaker.state
        routine = (
            outcome is Outcome.SUCCESS
            and member.fast_generation is generation
            and seconds <= state.slow_call_duration
        )
        # 1. The breaker hears of it first: an interrupt after this finds the lease held, and repeats all.
        if not routine:
            verdict = outcome or Outcome.NEUTRAL
            self._tell_breaker_locked(member, lease, generation, verdict, error, seconds)
        # 2. Those who wait may have the member, and 3. it is given back: from here on nothing is repeated.
        if lease is not None:
            state.queue.free(member)
            broken_off = error is not None and not isinstance(error, Exception)
            failed = outcome is Outcome.FAILURE
            member.source.give_back(
                member, lease, state.clock(), failed=failed, broken_off=broken_off
            )
            state.maintenance_due = state.maintenance_due or member.source.maintenance_due
        # 4. The member's counters.
        if outcome is not None:
            member.count(outcome)
        # 5. Whatever changed about the member: who may be picked, events, the end of a drain.
        if not routine:
            self._router.changed_locked(member, before)

    def _tell_breaker_locked(
        self,
        member: Member[C],
        caller: object,
        generation: object,
        outcome: Outcome,
        error: BaseException | None,
        seconds: float,
    ) -> None:
        member.fast_generation = None  # until `changed_locked`; see there
        state = self._state
        member.breaker.settle(
            caller,
            generation,
            outcome,
            state.clock(),
            error,
            seconds=seconds,
            spare=state.membership.is_spared(member),
        )

    def observe_latency_locked(self, lease: Lease[C], outcome: Outcome) -> float:
        """Tell a member how long an attempt took, and return that in seconds."""
        now = self._state.clock()
        seconds = now - lease.began
        if outcome is not Outcome.NEUTRAL:
            lease.member.latency.observe(seconds, outcome is Outcome.FAILURE, now)
        return seconds

    def record_call(
        self, method: AnyMethod, started: float, error: BaseException | None = None
    ) -> None:
        """Count a whole call, whatever its attempts were."""
        outcome = Outcome.SUCCESS if error is None else method.classify(error)
        state = self._state
        with state.after_lock, state.lock:
            self.count_call_locked(method, started, outcome)

    def count_call_locked(self, method: AnyMethod, started: float, outcome: Outcome) -> None:
        """Count a whole call under the lock."""
        self._state.counters.of(method.name).count(outcome, self._state.clock() - started)

    # The ends of calls on the fast path, which gave their member back already.

    def first_success(
        self, method: AnyMethod, member: Member[C], generation: object, seconds: float
    ) -> Bucket:
        """Record a success that may matter; return the bucket to try first for its duration.

        Called when `latest` does not know the method: on its first call, and while the end of a call
        may change something about a member.
        """
        state = self._state
        with state.after_lock, state.lock:
            if member.fast_generation is not generation:
                self._success_locked(member, generation, seconds)
            bucket = state.counters.of(method.name).last
            if bucket.high > state.slow_call_duration:
                bucket = NO_BUCKET
            elif not state.anomalous:
                state.latest[method] = bucket
        return bucket

    def other_duration(
        self, method: AnyMethod, member: Member[C], generation: object, seconds: float
    ) -> None:
        """Count a duration that is not in the latest bucket, and make its bucket the latest.

        Buckets above `slow_call_duration` never are the latest, so that every slow call comes here.
        """
        state = self._state
        bucket = state.counters.of(method.name).record(seconds)
        with state.after_lock, state.lock:
            # Where the member has another generation, `first_success` has told its breaker already.
            if seconds > state.slow_call_duration and member.fast_generation is generation:
                self._success_locked(member, generation, seconds)
            elif method in state.latest and bucket.high <= state.slow_call_duration:
                state.latest[method] = bucket

    def _success_locked(self, member: Member[C], generation: object, seconds: float) -> None:
        """Tell the breaker of a success that the member's own counters know already."""
        before = member.breaker.state
        self._tell_breaker_locked(member, None, generation, Outcome.SUCCESS, None, seconds)
        self._router.changed_locked(member, before)

    def failure(
        self,
        method: AnyMethod,
        member: Member[C],
        generation: object,
        started: float,
        error: BaseException,
    ) -> None:
        """Record an error of a call on the fast path."""
        outcome = method.classify(error)
        state = self._state
        with state.after_lock, state.lock:
            seconds = (now := state.clock()) - started
            if state.timed and outcome is not Outcome.NEUTRAL:
                member.latency.observe(seconds, outcome is Outcome.FAILURE, now)
            self.count_call_locked(method, started, outcome)
            self.record_end_locked(member, generation, outcome, error, seconds=seconds)
