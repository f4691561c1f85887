"""Caches the stats of all pools for a short time, so that many requests cost one look at the pools."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.admin.health import (
    Health,
    MemberHealth,
    ServiceHealth,
    counted,
    health_of,
    member_health,
)
from connpool_runtime.admin.pool_owners import OwnedPools
from connpool_runtime.admin.stats_document import Document, document_of, encoded, service_document
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import BasePool

__all__ = ["StatsCache"]


class StatsCache:
    """The stats of all pools, with a maximum age. Safe for threads; reading them takes milliseconds.

    Arguments:
        pools: which.
        name: of the process.
        age: seconds.
        clock: monotonic seconds.
        keep: called with each document before it is sent, as JSON.
    """

    def __init__(
        self,
        pools: OwnedPools,
        name: str,
        age: float,
        clock: Callable[[], float] = time.monotonic,
        keep: Callable[[bytes], None] | None = None,
    ) -> None:
        self._pools = pools
        self._name = name
        self._age = age
        self._clock = clock
        self._keep = keep
        self._started = time.time()
        # held while stats are read: other requests wait and share the result
        self._looking = new_lock()
        self._taken_at: float | None = None
        self._document: Document = {}
        self._text = b""

    def document(self) -> Document:
        """Return the document of `/stats`; it must not be changed."""
        return self._latest()[0]

    def text(self) -> bytes:
        """Return the document of `/stats` as JSON."""
        return self._latest()[1]

    def _latest(self) -> tuple[Document, bytes]:
        with self._looking:
            now = self._clock()
            if self._taken_at is None or now - self._taken_at >= self._age:
                self._document = self._look()
                self._text = encoded(self._document)
                if self._keep is not None:
                    self._keep(self._text)
                self._taken_at = self._clock()
            return self._document, self._text

    def forget(self) -> None:
        """Drop the cached stats, since something was changed by hand."""
        self._taken_at = None

    def health(self, required: tuple[str, ...] | None) -> Health:
        """Return the current health of the services, not a cached one."""
        services = [_service_health(name, pool) for name, pool in self._pools.pools().items()]
        return health_of(services, stopped=self._pools.closed, required=required)

    def _look(self) -> Document:
        services = {
            name: service_document(pool, pool.stats()) for name, pool in self._pools.pools().items()
        }
        process = {
            "name": self._name,
            "pid": os.getpid(),  # each time: a child of a fork has its own
            "host": platform.node(),
            "python": platform.python_version(),
            "started": self._started,
            "stopped": self._pools.closed,
            "services": list(self._pools.known),
        }
        return document_of(services, process, time.time())


def _service_health(name: str, pool: BasePool[Any]) -> ServiceHealth:
    members = counted(map(_member_health, pool.members))
    return ServiceHealth(name, pool.closed, members)


def _member_health(member: Member[Any]) -> MemberHealth:
    return member_health(
        ready=member.ready,
        state=member.breaker.state.value,
        ejected=member.breaker.forced_open,
        healthy=member.unreachable is None,
        leaving=member.leaving,
    )
