"""What is due on a stock without anybody calling: which clients to close, how many to open, when next."""

from __future__ import annotations

import math
from typing import Any

from connpool_runtime.clients.store import Stock

__all__ = ["missing", "next_chore", "prune"]


def prune(stock: Stock[Any], now: float) -> None:
    """Retire idle clients that are too old, and surplus ones that were not used for long."""
    rules = stock.settings
    stock.sweep()
    for entry in stock.idle_entries():
        unused = rules.idle_timeout != 0 and now - entry.used_at >= rules.idle_timeout
        if entry.expires_at <= now or (unused and len(stock.entries) > rules.min_size):
            stock.retire(entry)


def missing(stock: Stock[Any]) -> bool:
    """Whether a client must be opened to keep `min_size`."""
    return stock.begun and stock.size < stock.settings.min_size and stock.may_open


def next_chore(stock: Stock[Any]) -> float:
    """Return when time alone will make something due; `inf` if it never will."""
    rules = stock.settings
    times = [entry.expires_at for entry in stock.entries if entry.uses == 0]
    if rules.idle_timeout != 0 and len(stock.entries) > rules.min_size:
        idle = (entry.used_at for entry in stock.entries if entry.uses == 0)
        times += (used_at + rules.idle_timeout for used_at in idle)
    if stock.begun and stock.resting and stock.size < rules.min_size:
        times.append(stock.retry_at)
    return min(times, default=math.inf)
