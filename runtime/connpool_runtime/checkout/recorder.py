"""Records the end of calls: for the member's breaker, for the counters, for waiting calls."""

from __future__ import annotations

from functools import partial
from typing import Any, Generic, TypeVar

from connpool_runtime._concurrency.interrupts import closes_coroutine
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime._tracebacks import kind_of
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.breaker.relative import RelativeEvidence
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.checkout.router import Router
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.classifiers.transport import is_disconnect
from connpool_runtime.classifiers.verdict import (
    OUT_OF_TIME,
    STALLED,
    SUCCESS,
    UNKNOWN,
    Verdict,
    failure,
)
from connpool_runtime.clients.source import CLEAN, EndOfUse, UseBrokenOff
from connpool_runtime.errors import cut_off_client
from connpool_runtime.members.member import Member
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.histogram import NO_BUCKET, Bucket, Histogram

__all__ = ["Recorder"]

C = TypeVar("C")
_CLOSED = BreakerState.CLOSED  # looking up a member of an enumeration costs as much as a call
_OPEN = BreakerState.OPEN
_OUTLIER = failure("unknown error that other members give less often")
_PROVEN = failure("the call succeeded on another member")
_STILL_ILL = failure("the error that it was ejected for")
_TOO_OFTEN_LATE = failure("runs out of time more often than the other members do")
_OUTLIERS = (_OUTLIER, _TOO_OFTEN_LATE)


class Recorder(Generic[C]):
    """Records how attempts and calls end. Safe for threads."""

    def __init__(self, state: PoolState[C], router: Router[C]) -> None:
        self._state = state
        self._router = router
        self._relative = self._new_evidence()

    def after_fork(self) -> None:
        """Start comparing the members anew in a child process."""
        self._relative = self._new_evidence()

    def follow_settings(self, before: PoolSettings) -> None:
        """Start comparing the members anew, under the lock, if the settings about unknown errors have changed."""
        now = self._state.settings
        names = ("unknown_errors", "max_fails", "sliding_window_seconds")
        if any(getattr(before, name) != getattr(now, name) for name in names):
            self._relative = self._new_evidence()

    def _new_evidence(self) -> RelativeEvidence[Member[C]] | None:
        settings = self._state.settings
        if settings.unknown_errors != "relative" or not settings.max_fails:
            return None
        window, least = settings.sliding_window_seconds, settings.max_fails
        return RelativeEvidence(window, least, self._ended)

    def _ended(self) -> dict[Member[C], int]:
        return {member: member.ended for member in self._state.membership.members}

    def record_end_locked(
        self,
        member: Member[C],
        generation: object,
        verdict: Verdict | None,
        error: BaseException | None = None,
        *,
        seconds: float = 0.0,
        lease: Lease[C] | None = None,
        call: Call | None = None,
        method: AnyMethod | None = None,
    ) -> Verdict | None:
        """Record the end of an attempt on a member; return the verdict that counts.

        Arguments:
            member: which was taken.
            generation: of its breaker when the attempt began; a later generation ignores the result.
            verdict: on the attempt; None if the member was not used at all.
            error: which ended the attempt.
            seconds: how long it took, where durations are needed.
            lease: holds the member and gives it back here; None where that was done already.
            call: of the attempt, if it has a record.
            method: of the call; unknown errors of one method are compared with each other.
        """
        state, before = self._state, member.breaker.state
        routine = (
            verdict is SUCCESS
            and member.steady_generation is generation
            and seconds <= state.slow_call_duration
        )
        only_counts = _may_only_count(member) and (lease is None or member.is_plain)
        gave_up = verdict is OUT_OF_TIME or verdict is STALLED  # the answer may still arrive
        # 1. An unknown error, or a missed deadline, counts if the other members give it less often.
        compared = verdict if verdict is UNKNOWN or gave_up else None
        if compared is not None and error is not None and method is not None:
            verdict = self._compared_locked(member, generation, method, error, call, compared)
        # 2. The breaker is informed. After an interrupt here the lease is still held, and all of it is
        # repeated.
        if not routine:
            self._tell_breaker_locked(member, lease, generation, verdict, error, seconds)
        # 3. Waiting calls may have the member, and 4. it is given back: from here on nothing is repeated.
        if lease is not None:
            state.queue.free(member)
            # stored, since after an interrupt the error does not tell it again
            lease.broken_off = lease.broken_off or self._broke_off(lease, error)
            end = _end_of_use(verdict, gave_up=gave_up, broken_off=lease.broken_off)
            if member.unreachable is None and member.source.is_spoiled_by(end):
                self._eject_broken_off_locked(member)
            now = state.clock()
            member.source.give_back(member, lease, now, end)
            state.maintenance_due = state.maintenance_due or member.source.maintenance_due
            if lease.used and state.membership.limited:
                state.counters.other_uses.record(now - lease.lent_at)
        # 5. The member's counters.
        if verdict is not None:
            counted_as = verdict.counted_as
            member.count(counted_as)
            if error is not None:
                member.last_error = (_name_of(error), counted_as, verdict.reason)
                self._look_elsewhere_locked(call, verdict)
        # 6. Changes of the member are followed up: who may be picked, events, the end of a drain.
        if not routine:
            self._follow_up_locked(member, before, only_counts=only_counts)
        return verdict

    def _follow_up_locked(
        self, member: Member[C], before: BreakerState, *, only_counts: bool
    ) -> None:
        """Follow up on what the end of an attempt has changed; `only_counts` is the answer of `_may_only_count` before."""
        if only_counts and member.breaker.state is _CLOSED:
            self._router.refresh_locked(member)
        else:
            self._router.changed_locked(member, before)

    def _look_elsewhere_locked(self, call: Call | None, verdict: Verdict) -> None:
        """Note for a retry whether a call whose member asks to wait could go on with another one."""
        if call is not None and verdict.retry_after is not None:
            call.may_go_elsewhere = self._router.has_untried_locked(call)

    def _broke_off(self, lease: Lease[C], error: BaseException | None) -> bool:
        """Return whether an interrupt or a cancellation broke off the use of the client."""
        if not lease.used or error is None:
            return False
        if isinstance(error, Exception):
            return cut_off_client(error)
        # A task is cancelled where it awaits, and the runtime awaits only the client.
        return not self._state.blocking or not _struck_in_runtime(error)

    def _eject_broken_off_locked(self, member: Member[C]) -> None:
        """Take a client out of use until a health check succeeds or `uneject` is called."""
        member.begin_change()
        member.unreachable = cause = UseBrokenOff()
        self._state.ejections_to_tell.append(member.name)
        self._state.maintenance_due = True
        if self._state.events.has_listeners:
            from connpool_runtime.events.types import HealthChanged

            name = self._state.name
            event = HealthChanged(pool=name, member=member.name, healthy=False, cause=cause)
            self._state.events.queue(event)

    def _compared_locked(
        self,
        member: Member[C],
        generation: object,
        method: AnyMethod,
        error: BaseException,
        call: Call | None,
        verdict: Verdict,
    ) -> Verdict:
        """Return the verdict on an unknown error, after comparing the member with the others."""
        breaker = member.breaker
        if breaker.state is BreakerState.HALF_OPEN and type(error) is kind_of(breaker.cause):
            return _STILL_ILL
        # Where a key decides which calls a member gets, its errors say nothing about the member.
        if self._relative is None or self._goes_by_key(method, call):
            return verdict
        late = verdict is not UNKNOWN
        if call is not None and not late:
            call.suspects = [*(call.suspects or ()), (member, generation, error)]
        kind = (method.name, verdict if late else type(error))
        if self._relative.is_outlier(member, member.ended + 1, kind, self._state.clock()):
            return _TOO_OFTEN_LATE if late else _OUTLIER
        return verdict

    def _goes_by_key(self, method: AnyMethod, call: Call | None) -> bool:
        balancer = None if call is None else call.balancer
        if balancer is None:
            balancer = self._state.settings.balancer
        # A user's function may use the key too; the other balancers do not.
        if isinstance(balancer, str) and balancer != "consistent_hash":
            return False
        return method.has_key if call is None else call.has_key

    def _tell_breaker_locked(
        self,
        member: Member[C],
        caller: object,
        generation: object,
        verdict: Verdict | None,
        error: BaseException | None,
        seconds: float,
    ) -> None:
        member.begin_change()
        state, breaker = self._state, member.breaker
        before = breaker.state
        spare = state.membership.is_spared(member)
        if verdict in _OUTLIERS and error is not None:
            breaker.eject_outlier(generation, state.clock(), error, spare=spare)
            if self._relative is not None:
                self._relative.forget(member)
        else:
            outcome = Outcome.NEUTRAL if verdict is None else verdict.outcome
            breaker.settle(
                caller, generation, outcome, state.clock(), error, seconds=seconds, spare=spare
            )
        if breaker.state is _OPEN and before is not _OPEN:
            member.latency.forget()

    def record_proof(self, call: Call, member: Member[C]) -> None:
        """Count unknown errors of a call's other members as failures, since the call succeeded on this one."""
        suspects, call.suspects = call.suspects or (), None
        state = self._state
        with state.after_lock, state.lock:
            for suspect, generation, error in suspects:
                if suspect is not member:
                    before = suspect.breaker.state
                    self._tell_breaker_locked(suspect, None, generation, _PROVEN, error, 0.0)
                    self._router.changed_locked(suspect, before)

    def observe_latency_locked(self, lease: Lease[C], outcome: Outcome) -> float:
        """Add the duration of an attempt to the member's latency, and return it in seconds."""
        now = self._state.clock()
        seconds = now - lease.began
        current = lease.generation is lease.member.breaker.generation
        if current and outcome is not Outcome.NEUTRAL:
            lease.member.latency.observe(seconds, outcome is Outcome.FAILURE, now)
        return seconds

    def record_call(self, call: Call, started: float, error: BaseException | None = None) -> None:
        """Count a whole call, however many attempts it had."""
        state, verdict = self._state, call.judge(error)
        if closes_coroutine(error):
            state.defer(partial(self.count_call_locked, call.method, started, verdict))
            return
        with state.after_lock, state.lock:
            self.count_call_locked(call.method, started, verdict)

    def count_call_locked(self, method: AnyMethod, started: float, verdict: Verdict) -> None:
        """Count a whole call; the lock must be held."""
        seconds = self._state.clock() - started
        self._state.counters.of(method.name).count(verdict.counted_as, seconds)

    # The end of calls on the fast path, which have given their member back already.

    def first_success(
        self,
        method: AnyMethod,
        member: Member[C],
        generation: object,
        seconds: float,
        *,
        as_use: bool = False,
    ) -> Bucket:
        """Record a success that may matter; return the bucket to try first for its duration.

        Called when `latest` does not know the method: on its first call, and while the end of a call
        may change something about a member. `as_use` is for calls that held a client of a member with a
        limit for as long as they lasted, see `Counters`.
        """
        state = self._state
        with state.after_lock, state.lock:
            if member.steady_generation is not generation:
                self._success_locked(member, generation, seconds)
            counters, latest = self._durations(method, as_use)
            bucket = counters.last
            if bucket.high > state.slow_call_duration or FREE_THREADED:
                bucket = NO_BUCKET
            elif not state.anomalous:
                latest[method] = bucket
        return bucket

    def other_duration(
        self,
        method: AnyMethod,
        member: Member[C],
        generation: object,
        seconds: float,
        *,
        as_use: bool = False,
    ) -> None:
        """Count a duration that is not in the latest bucket, and make its bucket the latest one.

        Buckets above `slow_call_duration` never become the latest one, so that every slow call is noticed here.
        """
        state = self._state
        counters, latest = self._durations(method, as_use)
        bucket = NO_BUCKET if FREE_THREADED else counters.record(seconds)
        with state.after_lock, state.lock:
            if FREE_THREADED:  # an addition without the lock may be lost
                bucket = counters.record(seconds)
            # The locked fast path leaves that to this method.
            if as_use and state.observes_latency:
                member.latency.observe(seconds, False, state.clock())
            # If the member's generation has changed, `first_success` has already informed its breaker.
            if seconds > state.slow_call_duration and member.steady_generation is generation:
                self._success_locked(member, generation, seconds)
            elif method in latest and bucket.high <= state.slow_call_duration:
                latest[method] = bucket

    def _durations(
        self, method: AnyMethod, as_use: bool
    ) -> tuple[Histogram, dict[AnyMethod, Bucket]]:
        """Return the histogram for the durations of a method, and the table of its latest buckets."""
        state = self._state
        # Without the GIL, calls take the locked path also where no member has a limit.
        if as_use and state.membership.limited:
            return state.counters.uses_of(method.name), state.latest_uses
        return state.counters.of(method.name), state.latest

    def _success_locked(self, member: Member[C], generation: object, seconds: float) -> None:
        """Inform the breaker of a success that the member's own counters include already."""
        before = member.breaker.state
        only_counts = _may_only_count(member)
        self._tell_breaker_locked(member, None, generation, SUCCESS, None, seconds)
        self._follow_up_locked(member, before, only_counts=only_counts)

    def failure(
        self,
        method: AnyMethod,
        member: Member[C],
        generation: object,
        started: float,
        error: BaseException,
    ) -> None:
        """Record an error of a call on the fast path."""
        state = self._state
        verdict = state.judge(method, error)

        def record() -> None:
            recorded = self._failed_locked(method, member, generation, started, error, verdict)
            self.count_call_locked(method, started, recorded or verdict)

        if closes_coroutine(error):
            state.defer(record)
            return
        with state.after_lock, state.lock:
            record()

    def failed_attempt(
        self,
        call: Call,
        member: Member[C],
        generation: object,
        started: float,
        error: BaseException,
    ) -> None:
        """Record an error of an attempt on the fast path, whose call may go on."""
        state = self._state
        call.verdict = verdict = call.judge(error)
        attempt = (call.method, member, generation, started, error, verdict, call)
        if closes_coroutine(error):
            state.defer(partial(self._failed_locked, *attempt))
            return
        with state.after_lock, state.lock:
            self._failed_locked(*attempt)

    def _failed_locked(
        self,
        method: AnyMethod,
        member: Member[C],
        generation: object,
        started: float,
        error: BaseException,
        verdict: Verdict,
        call: Call | None = None,
    ) -> Verdict | None:
        """Record the end of an attempt that has given its member back already; return the verdict that counts."""
        state = self._state
        seconds = (now := state.clock()) - started
        # What began before the breaker's state changed teaches nothing about the member as it is now.
        current = generation is member.breaker.generation
        if state.timed and current and verdict.outcome is not Outcome.NEUTRAL:
            member.latency.observe(seconds, verdict.outcome is Outcome.FAILURE, now)
        cut_off_client(error)  # no matter here, since calls share the client
        return self.record_end_locked(
            member, generation, verdict, error, seconds=seconds, call=call, method=method
        )

    # The end of calls that run inside middleware.

    def notable_success(self, member: Member[C], generation: object, seconds: float) -> None:
        """Inform a member's breaker of a success that may matter to it: after a failure, or a slow call."""
        state = self._state
        with state.after_lock, state.lock:
            self._success_locked(member, generation, seconds)

    def count_success(self, method: AnyMethod, seconds: float) -> None:
        """Count a call that succeeded, however many attempts it had."""
        state, counters = self._state, self._state.counters.of(method.name)
        if FREE_THREADED:  # an addition without the lock may be lost
            with state.after_lock, state.lock:
                counters.record(seconds)
            return
        bucket = counters.record(seconds)
        if bucket.high <= state.slow_call_duration:
            with state.after_lock, state.lock:
                if not state.anomalous:
                    state.latest[method] = bucket


def _may_only_count(member: Member[Any]) -> bool:
    """Return whether the end of an attempt changes counts only, and not who may be picked, unless it opens the breaker.

    That is so while calls may take the fast path: the breaker is closed, the member stays, and no change of it waits
    to be followed up because of an interrupt.
    """
    return member.fast_generation is not None


def _end_of_use(verdict: Verdict | None, *, gave_up: bool, broken_off: bool) -> EndOfUse:
    """Return what the end of an attempt says about its client."""
    failed = verdict is not None and verdict.outcome is Outcome.FAILURE
    if not (failed or gave_up or broken_off):
        return CLEAN
    disconnected = failed and verdict is not None and is_disconnect(verdict)
    return EndOfUse(failed or gave_up, disconnected, broken_off)


_RUNTIME = __file__.rpartition("checkout")[0]


def _struck_in_runtime(error: BaseException) -> bool:
    """Whether an interrupt struck a line of the runtime, before or after the client's method."""
    trace = error.__traceback__
    if trace is None:  # created by the runtime, where an interrupt had kept it from its work
        return isinstance(error, GeneratorExit)
    while trace.tb_frame.f_code.co_filename.startswith(_RUNTIME):
        here, inner = trace.tb_frame, trace.tb_next
        # If the next frame was given this very frame, it is a signal handler and not the client.
        if inner is None or any(value is here for value in inner.tb_frame.f_locals.values()):
            return True
        trace = inner
    return False


def _name_of(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
