"""The numbers of a pool at one moment, taken so that calls hardly notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from connpool_runtime.core.freezing import freeze_member, freeze_method, freeze_pool
from connpool_runtime.core.stats import MemberStats, MethodStats, PoolStats
from connpool_runtime.engine import Engine
from connpool_runtime.layer_numbers import numbers_of

__all__ = ["stats_of"]

T = TypeVar("T")

SLICE = 16  # members or methods looked at under the lock at a time: some tens of microseconds


def stats_of(engine: Engine[Any]) -> PoolStats:
    """Return the numbers of this moment.

    The lock is held for a slice of the work at a time. A thousand members and their methods take
    milliseconds, for which no caller should have to wait.
    """
    with engine.lock:
        rest = freeze_pool(engine.name, engine.counts, engine.membership, engine.line)
        members, methods = engine.membership.members, engine.counts.methods
    frozen_members: list[MemberStats] = []
    for some in _slices(members):
        with engine.lock:
            now = engine.clock()
            frozen_members += [freeze_member(member, now) for member in some]
    frozen_methods: list[MethodStats] = []
    for few in _slices(methods):
        with engine.lock:
            frozen_methods += [freeze_method(name, counts) for name, counts in few]
    engine.act()
    return replace(
        rest,
        members=tuple(frozen_members),
        methods=tuple(frozen_methods),
        layers=numbers_of(engine.layers),
    )


def _slices(things: Sequence[T]) -> Iterator[Sequence[T]]:
    return (things[start : start + SLICE] for start in range(0, len(things), SLICE))
