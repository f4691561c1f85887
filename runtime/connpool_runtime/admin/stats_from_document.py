"""Rebuilds the stats of a pool from a service in the document of `/stats`. Pure."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.stats.types import (
    ClientStats,
    DiscoveryStats,
    ErrorStats,
    ExemplarStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    MiddlewareStats,
    PoolStats,
)

__all__ = ["latency_of", "pool_stats_of"]

Document = dict[str, Any]

NO_TIMES = LatencyStats(count=0, total=0.0, buckets=())  # from a process of an older version


def pool_stats_of(name: str, service: Document) -> PoolStats:
    """Return the stats of a pool, named after its service.

    Arguments:
        name: of the service.
        service: what the document says about it.
    """
    return PoolStats(
        name=name,
        closed=service["closed"],
        members=tuple(map(_member, service["members"])),
        methods=tuple(map(_method, service["methods"])),
        rejections=_counts(service["rejections"]),
        joined=service["joined"],
        left=service["left"],
        transitions=_counts(service["transitions"]),
        waiting=service["waiting"],
        outlier_ejections=_counts(service["outlier_ejections"]),
        waits=latency_of(service["waits"]),
        openings=latency_of(service["openings"]),
        uses=latency_of(service["uses"]) if "uses" in service else NO_TIMES,
        leaks=service["leaks"],
        suspended=service["suspended"],
        middleware=tuple(map(_middleware, service["middleware"])),
        discovery=tuple(map(_discovery, service["discovery"])),
        health_checks=_counts(service["health_checks"]),
        exemplars=tuple(
            ExemplarStats(**_fields(ExemplarStats, one)) for one in service.get("exemplars", ())
        ),
    )


def latency_of(told: Document) -> LatencyStats:
    """Return a histogram from plain data; a bound of None is infinity."""
    buckets = tuple(
        (math.inf if bound is None else float(bound), int(count))
        for bound, count in told["buckets"]
    )
    return LatencyStats(count=told["count"], total=told["total"], buckets=buckets)


def _counts(told: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(told.items()))


def _member(told: Document) -> MemberStats:
    own = _fields(MemberStats, told)
    error, clients = told["last_error"], told["clients"]
    own["state"] = BreakerState(told["state"])
    own["last_error"] = None if error is None else ErrorStats(**_fields(ErrorStats, error))
    own["clients"] = None if clients is None else ClientStats(**_fields(ClientStats, clients))
    own["labels"] = tuple(sorted(told.get("labels", {}).items()))
    return MemberStats(**own)


def _method(told: Document) -> MethodStats:
    own = _fields(MethodStats, told)
    own["latency"] = latency_of(told["latency"])
    return MethodStats(**own)


def _middleware(told: Document) -> MiddlewareStats:
    own = _fields(MiddlewareStats, told)
    own["labels"] = tuple(told["labels"].items())
    return MiddlewareStats(**own)


def _discovery(told: Document) -> DiscoveryStats:
    own = _fields(DiscoveryStats, told)
    own["errors"] = _counts(told["errors"])
    return DiscoveryStats(**own)


def _fields(kind: type[Any], told: Document) -> Document:
    """Return the known fields of a record: a worker of a newer version may send more."""
    return {field.name: told[field.name] for field in fields(kind) if field.name in told}
