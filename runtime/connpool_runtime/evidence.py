"""What is known about the members, on its way to their breakers; with the pool's lock held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connpool_runtime.core.lease import Lease
from connpool_runtime.core.member import Member
from connpool_runtime.core.outcome import Outcome

if TYPE_CHECKING:
    from connpool_runtime.engine import Engine

__all__ = ["tell_locked", "tell_pace_locked"]


def tell_locked(
    engine: Engine[Any],
    member: Member[Any],
    caller: object,
    epoch: object,
    outcome: Outcome,
    cause: BaseException | None = None,
    *,
    seconds: float = 0.0,
) -> None:
    """Tell a member's breaker what a call came to; whoever does follows up with `note_locked`."""
    member.calm = None
    spare = engine.membership.spares(member)
    now = engine.clock()
    member.breaker.settle(caller, epoch, outcome, now, cause, seconds=seconds, spare=spare)


def tell_pace_locked(engine: Engine[Any], lease: Lease[Any], outcome: Outcome) -> float:
    """Tell a member how long an attempt took, and return that."""
    now = engine.clock()
    seconds = now - lease.began
    if outcome is not Outcome.NEUTRAL:
        lease.member.pace.observe(seconds, outcome is Outcome.FAILURE, now)
    return seconds
