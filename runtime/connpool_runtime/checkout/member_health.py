"""Marks members unhealthy or healthy by the results of health checks, whatever their breakers say."""

from __future__ import annotations

from typing import Any

from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.events.types import Event, HealthChanged
from connpool_runtime.members.member import Member

__all__ = ["emit", "mark_healthy", "mark_unhealthy"]


def mark_unhealthy(checkout: AnyCheckout, member: Member[Any], cause: BaseException) -> None:
    """Give a member no new calls until it is marked healthy."""
    state = checkout.state
    with state.after_lock, state.lock:
        was_healthy = member.unreachable is None
        member.begin_change()
        member.unreachable = without_traceback(cause)
        checkout.router.changed_locked(member, member.breaker.state)
        if was_healthy:
            state.events.queue(_changed(state, member, without_traceback(cause)))


def mark_healthy(checkout: AnyCheckout, member: Member[Any]) -> None:
    """Give a member calls again, also one that its breaker ejected; not one that was ejected by hand."""
    state = checkout.state
    with state.after_lock, state.lock:
        was_unhealthy = member.unreachable is not None
        before = member.breaker.state
        if before is not BreakerState.CLOSED and not member.breaker.forced_open:
            member.begin_change()
            member.breaker.recover(state.clock())
        if was_unhealthy:
            member.begin_change()
            member.unreachable = None
            member.source.needs_validation = False
            state.events.queue(_changed(state, member, None))
        if was_unhealthy or member.breaker.state is not before:
            checkout.router.changed_locked(member, before)


def emit(checkout: AnyCheckout, event: Event) -> None:
    """Queue an event for the pool's listeners."""
    state = checkout.state
    with state.after_lock, state.lock:
        state.events.queue(event)


def _changed(
    state: PoolState[Any], member: Member[Any], cause: BaseException | None
) -> HealthChanged:
    return HealthChanged(pool=state.name, member=member.name, healthy=cause is None, cause=cause)
