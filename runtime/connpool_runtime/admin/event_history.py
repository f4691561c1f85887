"""Keeps the latest events of all pools for readers of any speed.

A listener runs on the thread whose call brought the event about, so it only puts the event into a ring.
Readers look at the ring when they like, each from its own position; a reader that is too slow learns how
many events it has lost.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from functools import partial
from typing import Any, cast

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.admin.pool_owners import OwnedPools
from connpool_runtime.connectors.config.masking import masked
from connpool_runtime.events.types import Event
from connpool_runtime.pool.base import BasePool

__all__ = ["EventFeed", "EventRing"]

Told = dict[str, Any]


class EventRing:
    """The latest events, numbered from 1. Safe for threads.

    Arguments:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._lock = new_lock()
        self._kept: deque[Told] = deque(maxlen=size)
        self.last = 0

    def add(self, told: Told) -> None:
        """Number an event and keep it, in place of the oldest one if there are too many."""
        with self._lock:
            self.last += 1
            # An event from a worker already has a number of that worker.
            rest = {name: value for name, value in told.items() if name != "id"}
            self._kept.append({"id": self.last, **rest})

    def after(self, sequence: int) -> tuple[int, list[Told]]:
        """Return how many events after a number are lost, and those that are not.

        Arguments:
            sequence: the number of the last event that is known; 0 for all. A number that this process has
                not given, such as one of an earlier process, stands for all too.
        """
        with self._lock:
            if sequence > self.last:
                sequence = 0
            kept = [told for told in self._kept if told["id"] > sequence]
            missed = self.last - sequence - len(kept)
        return (missed if sequence else 0), kept


class EventFeed:
    """The latest events of the pools of an owner. Safe for threads.

    Arguments:
        pools: whose events.
        size: how many are kept.
        clock: seconds since 1970.
    """

    def __init__(
        self, pools: OwnedPools, size: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._pools = pools
        self._clock = clock
        self._lock = new_lock()
        self._ring = EventRing(size)
        self._followed: dict[str, tuple[BasePool[Any], Callable[[], None]]] = {}
        self.closed = False

    def follow(self) -> None:
        """Subscribe to new pools, and forget those that are gone."""
        now = self._pools.pools()
        with self._lock:
            if self.closed:
                return
            known = {name: pool for name, (pool, _) in self._followed.items()}
            gone = [name for name, pool in known.items() if now.get(name) is not pool]
            ends = [self._followed.pop(name)[1] for name in gone]
            new = {name: pool for name, pool in now.items() if known.get(name) is not pool}
            for name, pool in new.items():
                self._followed[name] = (pool, lambda: None)
        for end in ends:
            end()
        for name, pool in new.items():
            end = pool.subscribe(partial(self._put, name))
            with self._lock:
                # it was closed meanwhile
                known_now = self._followed.get(name)
                kept = known_now is not None and known_now[0] is pool
                if kept:
                    self._followed[name] = (pool, end)
            if not kept:
                end()

    @property
    def last(self) -> int:
        """The number of the latest event; 0 if there was none."""
        return self._ring.last

    def after(self, sequence: int) -> tuple[int, list[Told]]:
        """Return how many events after a number are lost, and those that are not; see `EventRing`."""
        return self._ring.after(sequence)

    def close(self) -> None:
        """Stop listening, and make streams end."""
        with self._lock:
            self.closed = True
            ends = [end for _, end in self._followed.values()]
            self._followed.clear()
        for end in ends:
            end()

    def note(self, service: str, kind: str, **details: Any) -> None:
        """Add an event for a change made by hand."""
        self._append({"type": kind, "service": service, **details})

    def _put(self, service: str, event: Event) -> None:
        self._append({"type": _kind(type(event)), "service": service, **_details(event)})

    def _append(self, told: Told) -> None:
        self._ring.add({"time": self._clock(), **told})


def _kind(event: type[Event]) -> str:
    """Return the type of an event in JSON style: "breaker_changed"."""
    name = event.__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


def _details(event: Event) -> Told:
    """Return the fields of an event. Of an error only its type is shown: its text may hold a secret."""
    return {
        field.name: _plain(getattr(event, field.name))
        for field in fields(event)
        if field.name != "pool"
    }


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    return masked(value) if isinstance(value, str) else value
