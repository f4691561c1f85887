"""How calls leave the short way: what `Pool.call` does not do itself, with the pool's lock."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.members.member import Member
from connpool_runtime.stats.histogram import Bucket

if TYPE_CHECKING:
    from connpool_runtime.checkout.engine import Engine

__all__ = ["ended", "failed", "record", "tell_locked", "observe_latency_locked"]


def tell_locked(
    engine: Engine[Any],
    member: Member[Any],
    caller: object,
    generation: object,
    outcome: Outcome,
    cause: BaseException | None = None,
    *,
    seconds: float = 0.0,
) -> None:
    """Tell a member's breaker what a call came to; whoever does follows up with `note_locked`."""
    member.fast_generation = None
    spare = engine.membership.is_spared(member)
    now = engine.clock()
    member.breaker.settle(caller, generation, outcome, now, cause, seconds=seconds, spare=spare)


def observe_latency_locked(engine: Engine[Any], lease: Lease[Any], outcome: Outcome) -> float:
    """Tell a member how long an attempt took, and return that."""
    now = engine.clock()
    seconds = now - lease.began
    if outcome is not Outcome.NEUTRAL:
        lease.member.latency.observe(seconds, outcome is Outcome.FAILURE, now)
    return seconds


C = TypeVar("C")
AnyMethod = Method[Any, Any]
NO_BUCKET = Bucket(math.inf, -math.inf)  # nothing falls into it


def ended(
    engine: Engine[C], method: AnyMethod, member: Member[C], generation: object, seconds: float
) -> Bucket:
    """Take note of a success that may matter; return the bucket to try first for its duration.

    Called when `latest` does not know the method: on its first call, and while somebody waits
    for the end of calls.
    """
    with engine.lock:
        if member.fast_generation is not generation:
            before = member.breaker.state
            tell_locked(engine, member, None, generation, Outcome.SUCCESS, seconds=seconds)
            engine.note_locked(member, before)
        bucket = engine.counts.of(method.name).last
        if bucket.high > engine.slow_call_duration:
            bucket = NO_BUCKET
        elif not engine.anomalous:
            engine.latest[method] = bucket
    engine.act()
    return bucket


def record(
    engine: Engine[Any], method: AnyMethod, member: Member[C], generation: object, seconds: float
) -> None:
    """Count a duration that is not in the latest bucket, and make its bucket the latest.

    A bucket that slow calls fall into never is: so every slow call comes here to be noticed.
    """
    bucket = engine.counts.of(method.name).record(seconds)
    with engine.lock:
        # Where the member is not calm, `ended` has told its breaker already.
        if seconds > engine.slow_call_duration and member.fast_generation is generation:
            before = member.breaker.state
            tell_locked(engine, member, None, generation, Outcome.SUCCESS, seconds=seconds)
            engine.note_locked(member, before)
        elif method in engine.latest and bucket.high <= engine.slow_call_duration:
            engine.latest[method] = bucket
    engine.act()


def failed(
    engine: Engine[C],
    method: AnyMethod,
    member: Member[C],
    generation: object,
    started: float,
    error: BaseException,
) -> None:
    """Take note of an error; the member was given back already."""
    outcome = method.classify(error)
    with engine.lock:
        now, before = engine.clock(), member.breaker.state
        member.fast_generation = None
        spare = engine.membership.is_spared(member)
        member.breaker.settle(
            None, generation, outcome, now, error, seconds=now - started, spare=spare
        )
        member.count(outcome)
        engine.counts.of(method.name).count(outcome, now - started)
        engine.note_locked(member, before)
    engine.act()
