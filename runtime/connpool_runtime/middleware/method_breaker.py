"""A breaker per method and member: ejects a member for the one method that fails on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime._concurrency.deferred_work import DeferredWork
from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime._tracebacks import kind_of, without_traceback
from connpool_runtime.breaker.breaker import Breaker, BreakerSettings, BreakerState
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.breaker.relative import RelativeEvidence
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.calls.phases import CallCount
from connpool_runtime.classifiers.verdict import UNKNOWN, Verdict, neutral
from connpool_runtime.errors import AllMembersOpen
from connpool_runtime.members.member import AnyMember
from connpool_runtime.middleware.role import Role
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["MethodBreaker", "MethodBreakers", "BreakerPermit"]

_NOT_MADE = neutral("no attempt was made")
_BY_KEY = neutral("unknown error of a call whose key decides its member")


class BreakerPermit:
    """The state of the breakers when an attempt began; its identity marks the attempt's probes.

    Attributes:
        ejected: the members that are ejected for the method.
        retry_after: seconds until the first of them is probed again.
        cause: the error that ejected the last of them.
        generations: of the breakers, so that late results are known.
        probes: the members that it may be a probe of.
        has_end: whether its end is queued, or will be when its stream or context ends.
        settled: whether the breakers know how it ended.
    """

    __slots__ = ("cause", "ejected", "generations", "has_end", "probes", "retry_after", "settled")

    def __init__(self) -> None:
        self.generations: dict[AnyMember, object] = {}
        self.probes: list[AnyMember] = []
        self.ejected: frozenset[AnyMember] = frozenset()
        self.retry_after = 0.0
        self.cause: BaseException | None = None
        self.has_end = self.settled = False

    def refusal(self, pool: str, method: str) -> AllMembersOpen:
        """Return the error for a call when all members are ejected for its method."""
        return AllMembersOpen(
            f"all members of pool {pool!r} are ejected for {method} for {self.retry_after:.3g} s",
            pool=pool,
            # A copy: raising an error adds frames to it.
            cause=None if self.cause is None else without_traceback(self.cause),
            retry_after=self.retry_after,
        )


class MethodBreakers:
    """The breakers of those pairs of method and member that have failed. Guarded by the owner's lock.

    Attributes:
        breakers: the breakers, by method and member; nothing, or an empty dictionary, for a method without failures.
        counts: of the attempts that have ended, by method and member.
    """

    def __init__(self, rules: BreakerSettings) -> None:
        self._settings = rules
        self.breakers: dict[str, dict[AnyMember, Breaker]] = {}
        # Unknown errors are compared per method.
        self.counts: dict[str, dict[AnyMember, CallCount]] = {}
        self._relative: dict[str, RelativeEvidence[AnyMember]] = {}

    def ended(self, method: str, member: AnyMember) -> CallCount:
        """Return the count of a method's ended attempts on a member."""
        counts = self.counts.get(method)
        if counts is None:
            counts = self.counts.setdefault(method, {})
        # Each step is atomic: two threads get the same count.
        return counts.get(member) or counts.setdefault(member, CallCount())

    def forget(self) -> None:
        """Forget all failures."""
        self.breakers, self.counts, self._relative = {}, {}, {}

    def begin(self, method: str, now: float, trial: BreakerPermit | None = None) -> BreakerPermit:
        """Return the permit of an attempt, the given one or another, before a member is picked for it.

        The attempt becomes the probe of each pair whose cooldown is over. As the member is not picked yet,
        the attempt may go to another member; then the probe is given back.
        """
        trial = trial or BreakerPermit()
        pairs = self.breakers.get(method)
        if not pairs:
            return trial
        for member in [member for member in pairs if member.leaving]:
            del pairs[member]
        ejected: dict[AnyMember, Breaker] = {}
        for member, breaker in pairs.items():
            breaker.wake(now)
            trial.generations[member] = breaker.generation
            if not breaker.admits:
                ejected[member] = breaker
            elif breaker.state is BreakerState.HALF_OPEN:
                trial.probes.append(member)  # first, so that no interrupt loses the probe
                if not breaker.admit(trial, now):
                    trial.probes.remove(member)
        if ejected:
            trial.ejected = frozenset(ejected)
            trial.retry_after = max(0.0, min(one.wake_at for one in ejected.values()) - now)
            trial.cause = max(ejected.values(), key=lambda one: one.opened_at).cause
        return trial

    def end(
        self,
        method: str,
        trial: BreakerPermit,
        member: AnyMember | None,
        verdict: Verdict,
        now: float,
        cause: BaseException | None = None,
    ) -> bool:
        """Record the end of an attempt, without a member if none was made; return whether a breaker opened."""
        pairs = self.breakers.setdefault(method, {})
        for probe in trial.probes:
            if probe is not member and probe in pairs:
                pairs[probe].settle(trial, pairs[probe].generation, Outcome.NEUTRAL, now)
        if member is None:
            return False
        outlier = self._is_outlier(method, member, verdict, now, cause)
        if member not in pairs and not outlier and verdict.outcome is not Outcome.FAILURE:
            return False
        breaker = pairs.setdefault(member, Breaker(self._settings))
        trips = breaker.trips
        generation = trial.generations.get(member, breaker.generation)
        if outlier and cause is not None and breaker.state is BreakerState.CLOSED:
            breaker.eject_outlier(generation, now, cause)
        else:
            outcome = Outcome.FAILURE if outlier else verdict.outcome
            breaker.settle(trial, generation, outcome, now, cause)
        # A breaker that has opened before has a grown cooldown, and is kept.
        if breaker.is_steady and not breaker.trips:
            del pairs[member]
        return breaker.trips > trips

    def _is_outlier(
        self,
        method: str,
        member: AnyMember,
        verdict: Verdict,
        now: float,
        cause: BaseException | None,
    ) -> bool:
        """Count an attempt; return whether its unknown error is one that other members do not give."""
        self.ended(method, member).calls += 1
        ended = self.counts[method]
        if member.leaving:
            del ended[member]
            return False
        if verdict is not UNKNOWN or cause is None or not self._settings.max_fails:
            return False
        evidence = self._relative.get(method)
        if evidence is None:
            window, least = self._settings.sliding_window_seconds, self._settings.max_fails
            evidence = RelativeEvidence(
                window, least, lambda: {one: count.calls for one, count in tuple(ended.items())}
            )
            self._relative[method] = evidence
        breaker = self.breakers[method].get(member)
        if breaker is not None and breaker.state is BreakerState.HALF_OPEN:
            return kind_of(cause) is kind_of(breaker.cause)
        if not evidence.is_outlier(member, ended[member].calls, (kind_of(cause),), now):
            return False
        evidence.forget(member)
        return True


class MethodBreaker:
    """Keeps a breaker for each pair of method and member, beside the breaker of each member.

    For servers on which one method can be broken while the others are healthy: a report that times
    out, a permission that is missing. Calls of that method go to other members, and are refused by
    `AllMembersOpen` when all of them are ejected for it; other methods notice nothing. Give the
    pool `max_fails=0` if no method's failures shall eject a whole member.

    It judges single attempts, so it belongs inside `Retry`. A pair whose cooldown is over is probed
    by the next call of the method that is sent there. Callers that wait in the queue for a member with a
    limit take the first free one, even if it is ejected for the method. Safe for threads.

    Arguments:
        max_fails: failures of a method on a member in a row that eject it there; 5, as for
            members.
        cooldown: seconds that this lasts at first, 5.0; it grows and is jittered as that of members.
        random: floats in [0, 1), for the jitter.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.METHOD_BREAKER

    def __init__(
        self,
        max_fails: int = 5,
        cooldown: float = 5.0,
        *,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = PoolSettings.of({"max_fails": max_fails, "cooldown": cooldown, "random": random})
        self._pairs = MethodBreakers(settings.breaker_settings())
        self._clock = clock
        self._lock = new_lock()
        # A finalizer may end a call on a thread that holds our lock, and must not wait for it. So ends are only
        # queued, for the next attempt, which is the first one that they matter to.
        self._ends = DeferredWork()
        self._tally = MiddlewareCounters(
            method_ejections="Times that a member was ejected for a method.",
            method_rejections="Calls of a method for which all members were ejected.",
        )
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process, which has members of its own."""
        self._ends = DeferredWork()
        self._pairs.forget()

    # The common case is inlined, because a function call costs as much as the rest of it: no breaker has a
    # failure of the method, before and after, and the attempt is counted.

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        pairs, method, attempts = self._pairs, call.method.name, call.attempt
        trial: BreakerPermit | None = None
        if attempts:
            call.run_on_close(self)  # from an attempt that failed after it had begun
        try:
            try:
                if self._ends.work or pairs.breakers.get(method) or FREE_THREADED:
                    trial = BreakerPermit()  # before it is a probe, so that it always has an owner
                    self._begin(call, trial)
                result = proceed(call)
            except BaseException as error:
                self._end(call, trial or BreakerPermit(), attempts, error)
                raise
            member = call.member
            if trial is not None or self._ends.work or pairs.breakers.get(method) or call.held:
                self._passed(call, trial or BreakerPermit(), attempts)
            elif call.attempt > attempts and member is not None:
                if member.leaving:
                    self._passed(call, BreakerPermit(), attempts)
                    return result
                try:
                    count = pairs.counts[method][member]
                except KeyError:
                    count = pairs.ended(method, member)
                count.calls += 1
            return result
        finally:
            if trial is not None and not trial.has_end:  # an interrupt struck in between
                self._end(call, trial, attempts)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        pairs, method, attempts = self._pairs, call.method.name, call.attempt
        trial: BreakerPermit | None = None
        if attempts:
            call.run_on_close(self)  # from an attempt that failed after it had begun
        if self._ends.work or pairs.breakers.get(method) or FREE_THREADED:
            trial = BreakerPermit()
            self._begin(call, trial)
        try:
            result = await proceed(call)
        except BaseException as error:
            self._end(call, trial or BreakerPermit(), attempts, error)
            raise
        member = call.member
        if trial is not None or self._ends.work or pairs.breakers.get(method) or call.held:
            self._passed(call, trial or BreakerPermit(), attempts)
        elif call.attempt > attempts and member is not None:
            if member.leaving:
                self._passed(call, BreakerPermit(), attempts)
                return result
            try:
                count = pairs.counts[method][member]
            except KeyError:
                count = pairs.ended(method, member)
            count.calls += 1
        return result

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        with self._lock:
            self._ends.run_locked()
        return self._tally.numbers()

    def _begin(self, call: Call, trial: BreakerPermit) -> None:
        """Fill in the permit of an attempt."""
        with self._lock:
            self._ends.run_locked()
            self._pairs.begin(call.method.name, self._clock(), trial)
        if trial.ejected:
            refusal = partial(trial.refusal, call.pool, call.method.name)
            call.exclude(self, lambda: trial.ejected, refusal)

    def _passed(self, call: Call, trial: BreakerPermit, attempts: int) -> None:
        if call.held:  # the outcome of a stream is known at its end
            call.on_close(self, partial(self._end, call, trial, attempts))
            trial.has_end = True
        else:
            self._end(call, trial, attempts)

    def _end(
        self, call: Call, trial: BreakerPermit, attempts: int, error: BaseException | None = None
    ) -> None:
        method, member = call.method.name, call.member if call.attempt > attempts else None
        call.readmit(self)
        if member is None and trial.ejected and error is not None:
            self._tally.add("method_rejections", method=method)
        verdict = call.verdict or _NOT_MADE
        if verdict is UNKNOWN and call.has_key:
            verdict = _BY_KEY
        # Kept until the next attempt, which may never come: so without the frames of this call.
        counts = error is not None and (verdict is UNKNOWN or verdict.outcome is Outcome.FAILURE)
        cause = without_traceback(error) if counts and error is not None else None
        end = partial(self._settle, method, trial, member, verdict, self._clock(), cause)
        self._ends.add(end)
        trial.has_end = True

    def _settle(self, method: str, trial: BreakerPermit, *end: Any) -> None:
        """Inform the breakers of the end of an attempt; the lock must be held. Calling it again does nothing."""
        settled, trial.settled = trial.settled, True
        if not settled and self._pairs.end(method, trial, *end):
            self._tally.add("method_ejections", method=method)
