"""The pools that an exporter reads, which may come and go while it runs.

The exporter holds its pools strongly, until they are closed or removed. If pools were held weakly, their last
counts would vanish at some moment that the garbage collector chooses, and nothing in the graph would explain
it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.types import PoolStats

__all__ = ["KEEP_CLOSED", "ExportedPools"]

FEW_POOLS = 16
KEEP_CLOSED = 300.0
"""Seconds for which a closed pool is still exported, so that every reader sees its last counts."""


class ExportedPools:
    """The pools of one exporter, each with a name of its own. Safe for threads.

    Arguments:
        clock: returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = new_lock()
        self._pools: dict[str, BasePool[Any]] = {}
        self._closed_since: dict[str, float] = {}  # by name: when a pool was first seen closed
        self._next_look = FEW_POOLS

    def add(self, *pools: BasePool[Any]) -> None:
        """Export more pools; pools that are exported already stay.

        Arguments:
            pools: the pools. A pool that takes the name of a closed one replaces it.

        Raises:
            TypeError: an argument is not a pool.
            ValueError: two pools that are open have one name. No pool was added then.
        """
        for pool in pools:
            _check(pool)
        with self._lock:
            self._forget_closed_in_turn_locked()
            added: dict[str, BasePool[Any]] = {}
            for pool in pools:
                there = added.get(pool.name) or self._pools.get(pool.name, pool)
                if there is not pool and not there.closed:
                    raise ValueError(_same_name(pool.name))
                added[pool.name] = pool
            for name, pool in added.items():
                if self._pools.get(name) is not pool:
                    self._closed_since.pop(name, None)
            self._pools.update(added)

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop exporting pools, including their last counts; others are ignored.

        Arguments:
            pools: the pools. They stay as they are, and may be added again.
        """
        with self._lock:
            for pool in pools:
                if self._pools.get(pool.name) is pool:
                    self._forget_locked(pool.name)

    def stats(self) -> list[PoolStats]:
        """Return the current stats of all pools, including those closed a short time ago."""
        with self._lock:
            self._forget_closed_locked()
            pools = tuple(self._pools.values())
        return [pool.stats() for pool in pools]  # calls user middleware, so not under the lock

    def _forget_closed_in_turn_locked(self) -> None:
        """Forget pools that were closed where nobody scrapes; looking at all of them once per doubling is cheap."""
        if len(self._pools) >= self._next_look:
            self._forget_closed_locked()
            self._next_look = max(FEW_POOLS, 2 * len(self._pools))

    def _forget_closed_locked(self) -> None:
        now = self._clock()
        for name in [name for name, pool in self._pools.items() if pool.closed]:
            if now - self._closed_since.setdefault(name, now) > KEEP_CLOSED:
                self._forget_locked(name)

    def _forget_locked(self, name: str) -> None:
        del self._pools[name]
        self._closed_since.pop(name, None)


def _check(pool: object) -> None:
    if not isinstance(pool, BasePool):
        kind = type(pool).__name__
        raise TypeError(f"{kind} is not a pool; for a wrapper, pass its pool, as in wrapper.pool")


def _same_name(name: str) -> str:
    return (
        f"another open pool named {name!r} is already exported, and their series could not be told apart."
        " Give each pool a name of its own, as in Pool('eu') or, for a wrapper, ShopPool(name='eu'); or"
        " remove() the other pool first"
    )
