"""Replaces a member's client: name, weight and ejection by hand stay, the old client drains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.members.member import Member

__all__ = ["replace_client"]


def replace_client(
    checkout: AnyCheckout,
    old: Member[Any],
    client: Any,
    *,
    close: Callable[[], object],
    validate: Callable[[], object] | None,
    new_gate: Callable[[], Any],
) -> Member[Any] | None:
    """Replace a member by one with a new client; the old client is closed after its last call.

    Everything that refers to the member's name stays valid: keys of consistent hashing, series of metrics,
    ejections by hand. A member that was ejected stays ejected.

    Arguments:
        checkout: of the pool.
        old: the member that is replaced.
        client: the new client.
        close: closes it when its member leaves.
        validate: checks whether it may be used again after a call was broken off; None if it cannot be checked.
        new_gate: makes the gate that opens when the old member is drained.

    Returns:
        The new member; None if the old one has left the pool.

    Raises:
        PoolClosed: the pool was closed; the client is still the caller's to close.
    """
    state = checkout.state
    rules = state.settings.breaker_settings()
    new = Member(old.name, client, old.weight, rules, close, old.limit, validate=validate)
    new.priority, new.zone, new.labels = old.priority, old.zone, old.labels
    with state.after_lock, state.lock:
        if not state.membership.replace(old, new):
            return None
        new.breaker.closed_at = state.clock()
        if old.breaker.forced_open:
            new.breaker.open()
            new.refresh()
        old.gate = old.gate or new_gate()
        old.orphaned = True
        checkout.router.changed_locked(old, old.breaker.state)
        checkout.router.follow_locked(old, new)
    return new
