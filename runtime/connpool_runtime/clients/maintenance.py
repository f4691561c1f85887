"""Idle expiry and minimum size of a store: which clients to close, how many to open, when to look again."""

from __future__ import annotations

import math
from typing import Any

from connpool_runtime.clients.pooled_client import PooledClient
from connpool_runtime.clients.store import ClientStore

__all__ = ["shortfall", "next_due", "retire_expired"]


def retire_expired(store: ClientStore[Any], now: float) -> None:
    """Retire idle clients that are too old, and surplus ones that have been idle for long."""
    rules = store.settings
    going: list[PooledClient[Any]] = []
    for entry in store.idle_entries():
        unused = rules.idle_timeout != 0 and now - entry.used_at >= rules.idle_timeout
        surplus = len(store.entries) - len(going) > rules.min_size
        if entry.expires_at <= now or (unused and surplus):
            going.append(entry)
    store.retire(*going)


def shortfall(store: ClientStore[Any]) -> bool:
    """Return whether a client has to be opened to keep `min_size`, or in the place of one that a caller broke off."""
    too_few = store.begun and store.size < store.settings.min_size
    return (too_few and store.may_open) or store.may_reopen


def next_due(store: ClientStore[Any]) -> float:
    """Return when time alone will make maintenance due; `inf` if it never will."""
    rules = store.settings
    times = [entry.expires_at for entry in store.entries if entry.uses == 0]
    if rules.idle_timeout != 0 and len(store.entries) > rules.min_size:
        idle = (entry.used_at for entry in store.entries if entry.uses == 0)
        times += (used_at + rules.idle_timeout for used_at in idle)
    if store.begun and store.backing_off and store.size < rules.min_size:
        times.append(store.retry_at)
    return min(times, default=math.inf)
