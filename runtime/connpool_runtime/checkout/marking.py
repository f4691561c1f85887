"""Members whose server was asked and does not answer: they get no calls, whatever their breaker says."""

from __future__ import annotations

from typing import Any

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.events.types import Event, HealthChanged
from connpool_runtime.members.member import Member

__all__ = ["mark_unhealthy", "mark_healthy", "emit"]


def mark_unhealthy(engine: Engine[Any], member: Member[Any], cause: BaseException) -> None:
    """Give a member no new calls until `mark_healthy`."""
    with engine.lock:
        was_well = member.unreachable is None
        member.fast_generation = None
        member.unreachable = cause
        engine.note_locked(member, member.breaker.state)
        if was_well:
            engine.events.queue(_changed(engine, member, cause))
    engine.act()


def mark_healthy(engine: Engine[Any], member: Member[Any]) -> None:
    """Let a member have calls again, also one that its breaker cut off; not one that was cut off by hand."""
    with engine.lock:
        was_ill = member.unreachable is not None
        before = member.breaker.state
        if before is not BreakerState.CLOSED and not member.breaker.forced_open:
            member.fast_generation = None
            member.breaker.recover(engine.clock())
        if was_ill:
            member.fast_generation = None
            member.unreachable = None
            engine.events.queue(_changed(engine, member, None))
        if was_ill or member.breaker.state is not before:
            engine.note_locked(member, before)
    engine.act()


def emit(engine: Engine[Any], event: Event) -> None:
    """Tell the pool's listeners."""
    with engine.lock:
        engine.events.queue(event)
    engine.act()


def _changed(
    engine: Engine[Any], member: Member[Any], cause: BaseException | None
) -> HealthChanged:
    return HealthChanged(pool=engine.name, member=member.name, healthy=cause is None, cause=cause)
