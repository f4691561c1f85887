"""Changes, removes and restores many members at once, with one rebuild of the pickers.

The member itself stays, with its breaker, its counts and the calls that run on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.errors import PoolClosed
from connpool_runtime.members.labels import Labels
from connpool_runtime.members.member import Member

__all__ = ["Placement", "Replacing", "change_members"]


class Placement(NamedTuple):
    """What balancers and routes know about a member, beside its name: weight, priority, zone, labels."""

    weight: int
    priority: int
    zone: str | None
    labels: Labels


Replacing: TypeAlias = Callable[[Placement], Placement]
"""Returns what is to be known about a member, given what is."""


def change_members(
    checkout: AnyCheckout,
    *,
    place: Iterable[tuple[str, Replacing]] = (),
    release: Iterable[str] = (),
    restore: Iterable[str] = (),
    new_gate: Callable[[], Any],
) -> frozenset[str]:
    """Change members, let members go and restore members, all at the same moment.

    Names that no member has are passed over: it left meanwhile.

    Arguments:
        checkout: of the pool.
        place: members that stay, with a function that returns their new weight, priority, zone and labels.
        release: members that get no new calls; the last call on each closes its client.
        restore: released members that get calls again, if a call still keeps them from closing.
        new_gate: makes the gate that opens when a released member is drained.

    Returns:
        The names of those that were taken back.

    Raises:
        PoolClosed: the pool was closed.
    """
    state = checkout.state
    with state.after_lock, state.lock:
        if state.membership.closed:
            raise PoolClosed(f"pool {state.name!r} is closed", pool=state.name)
        there = state.membership.by_name
        back = [one for name in restore if (one := there.get(name)) and _restore_locked(state, one)]
        placed = [
            one
            for name, change in place
            if (one := there.get(name)) and _place_locked(state, one, change)
        ]
        gone = [
            one
            for name in release
            if (one := there.get(name)) and _release_locked(state, one, new_gate)
        ]
        checkout.router.changed_all_locked([*back, *placed, *gone])
        return frozenset(member.name for member in back)


def _place_locked(state: PoolState[Any], member: Member[Any], change: Replacing) -> bool:
    """Apply a placement to a member; return whether it changed anything."""
    now = Placement(member.weight, member.priority, member.zone, member.labels)
    placement = change(now)
    if now == placement:
        return False
    if placement.weight != member.weight:
        state.membership.weigh(member, placement.weight)
    member.priority, member.zone = placement.priority, placement.zone
    member.labels = placement.labels
    return True


def _release_locked(
    state: PoolState[Any], member: Member[Any], new_gate: Callable[[], Any]
) -> bool:
    if member.leaving:
        return False
    member.gate = new_gate()
    member.begin_change()
    member.leaving = member.orphaned = True
    if state.events.has_listeners:
        from connpool_runtime.events.types import MemberLeaving

        state.events.queue(MemberLeaving(pool=state.name, member=member.name))
    return True


def _restore_locked(state: PoolState[Any], member: Member[Any]) -> bool:
    # A drained member is being closed, and one that is not orphaned still has a waiter who closes it.
    if not member.leaving or member.drained or not member.orphaned:
        return False
    member.leaving = member.orphaned = False
    member.gate = None
    if state.events.has_listeners:
        from connpool_runtime.events.types import MemberAdded

        state.events.queue(MemberAdded(pool=state.name, member=member.name))
    return True
