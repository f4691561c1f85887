"""How calls leave the short way: what `Pool.call` does not do itself, with the pool's lock."""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime.core.histogram import Bucket
from connpool_runtime.core.member import Member
from connpool_runtime.core.method import Method
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.engine import Engine

__all__ = ["ended", "failed", "record"]

C = TypeVar("C")
AnyMethod = Method[Any, Any]


def ended(engine: Engine[C], method: AnyMethod, member: Member[C], epoch: object) -> Bucket:
    """Take note of a success that may matter; return the bucket to try first for its duration.

    Called when `latest` does not know the method: on its first call, and while somebody waits
    for the end of calls.
    """
    with engine.lock:
        if member.calm is not epoch:
            before = member.breaker.state
            member.calm = None
            member.breaker.settle(None, epoch, Outcome.SUCCESS, engine.clock())
            engine.note_locked(member, before)
        bucket = engine.counts.of(method.name).last
        if not engine.watched:
            engine.latest[method] = bucket
    engine.act()
    return bucket


def record(engine: Engine[Any], method: AnyMethod, seconds: float) -> None:
    """Count a duration that is not in the latest bucket, and make its bucket the latest."""
    bucket = engine.counts.of(method.name).record(seconds)
    with engine.lock:
        if method in engine.latest:
            engine.latest[method] = bucket


def failed(
    engine: Engine[C],
    method: AnyMethod,
    member: Member[C],
    epoch: object,
    started: float,
    error: BaseException,
) -> None:
    """Take note of an error; the member was given back already."""
    outcome = method.classify(error)
    with engine.lock:
        now, before = engine.clock(), member.breaker.state
        member.calm = None
        member.breaker.settle(None, epoch, outcome, now, error)
        member.count(outcome)
        engine.counts.of(method.name).count(outcome, now - started)
        engine.note_locked(member, before)
    engine.act()
