"""Members whose server was asked and does not answer: they get no calls, whatever their breaker says."""

from __future__ import annotations

from typing import Any

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.events.types import Event, HealthChanged
from connpool_runtime.members.member import Member

__all__ = ["cut_off", "let_back", "tell"]


def cut_off(engine: Engine[Any], member: Member[Any], cause: BaseException) -> None:
    """Give a member no new calls until `let_back`."""
    with engine.lock:
        was_well = member.unreachable is None
        member.calm = None
        member.unreachable = cause
        engine.note_locked(member, member.breaker.state)
        if was_well:
            engine.announcer.put(_changed(engine, member, cause))
    engine.act()


def let_back(engine: Engine[Any], member: Member[Any]) -> None:
    """Let a member have calls again, also one that its breaker cut off; not one that was cut off by hand."""
    with engine.lock:
        was_ill = member.unreachable is not None
        before = member.breaker.state
        if before is not BreakerState.CLOSED and not member.breaker.by_hand:
            member.calm = None
            member.breaker.recover(engine.clock())
        if was_ill:
            member.calm = None
            member.unreachable = None
            engine.announcer.put(_changed(engine, member, None))
        if was_ill or member.breaker.state is not before:
            engine.note_locked(member, before)
    engine.act()


def tell(engine: Engine[Any], event: Event) -> None:
    """Tell the pool's listeners."""
    with engine.lock:
        engine.announcer.put(event)
    engine.act()


def _changed(
    engine: Engine[Any], member: Member[Any], cause: BaseException | None
) -> HealthChanged:
    return HealthChanged(pool=engine.name, member=member.name, healthy=cause is None, cause=cause)
