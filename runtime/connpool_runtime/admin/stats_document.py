"""Builds the document of `/stats`: plain data, as the schema `stats.schema.json` describes it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from connpool_runtime.admin.quantiles import quantile
from connpool_runtime.connectors.config.masking import masked
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.types import (
    DiscoveryStats,
    LatencyStats,
    MemberStats,
    MethodStats,
    PoolStats,
)

__all__ = ["VERSION", "Document", "document_of", "encoded", "service_document"]

Document = dict[str, Any]

VERSION = 1
"""Of the form. What is added later leaves it alone; what would break a reader makes it grow."""

_SLICE = 32  # members after which other threads get a turn


def _let_others_run() -> None:
    """Release the GIL: a thread that only computes keeps it for 5 ms at a time."""
    time.sleep(0)


def document_of(services: Mapping[str, Document], process: Document, now: float) -> Document:
    """Return the whole document.

    Arguments:
        services: those of `service_document`, by name.
        process: the process that answers.
        now: seconds since 1970.
    """
    return {"version": VERSION, "time": now, "process": process, "services": dict(services)}


def service_document(
    pool: BasePool[Any], stats: PoolStats, pause: Callable[[], None] = _let_others_run
) -> Document:
    """Return the part of the document about one service.

    Arguments:
        pool: its pool, for what is no number: settings, places of members.
        stats: its numbers.
        pause: called now and then, so that a thousand members stop no caller.
    """
    places = {member.name: member for member in pool.members}
    members: list[Document] = []
    for number, member in enumerate(stats.members, 1):
        members.append(_of_member(member, places.get(member.name)))
        if number % _SLICE == 0:
            pause()
    methods = [_of_method(method) for method in stats.methods if _was_called(method)]
    balancer = pool.settings.balancer
    return {
        "pool": stats.name,
        "closed": stats.closed,
        "balancer": balancer if isinstance(balancer, str) else "function",
        "metrics_only": pool.metrics_only,
        "in_flight": stats.in_flight,
        "waiting": stats.waiting,
        "joined": stats.joined,
        "left": stats.left,
        "rejections": dict(stats.rejections),
        "transitions": dict(stats.transitions),
        "health_checks": dict(stats.health_checks),
        "outlier_ejections": dict(stats.outlier_ejections),
        "leaks": stats.leaks,
        "suspended": stats.suspended,
        "waits": _of_latency(stats.waits),
        "openings": _of_latency(stats.openings),
        "uses": _of_latency(stats.uses),
        "members": members,
        "methods": methods,
        "middleware": [{**asdict(one), "labels": dict(one.labels)} for one in stats.middleware],
        "exemplars": [asdict(one) for one in stats.exemplars],
        "discovery": [_of_discovery(one) for one in stats.discovery],
    }


def _was_called(method: MethodStats) -> bool:
    """Return whether a method was called: a client may have 400 methods, of which ten are used."""
    return bool(method.latency.count or method.neutrals)


def _of_member(stats: MemberStats, member: Member[Any] | None) -> Document:
    clients = stats.clients
    return {
        "name": masked(stats.name),
        "weight": stats.weight,
        "priority": 0 if member is None else member.priority,
        "zone": None if member is None else member.zone,
        "labels": dict(stats.labels),
        "limit": stats.limit,
        "state": stats.state.value,
        "ejected": member is not None and member.breaker.forced_open,
        "leaving": stats.leaving,
        "healthy": stats.healthy,
        "in_flight": stats.in_flight,
        "successes": stats.successes,
        "failures": stats.failures,
        "neutrals": stats.neutrals,
        "answers": stats.answers,
        "overloads": stats.overloads,
        "unknowns": stats.unknowns,
        "last_error": None if stats.last_error is None else asdict(stats.last_error),
        "consecutive_failures": stats.consecutive_failures,
        "trips": stats.trips,
        "spared": stats.spared,
        "retry_in": None if stats.retry_in == math.inf else stats.retry_in,
        "clients": None if clients is None else asdict(clients),
    }


def _of_method(stats: MethodStats) -> Document:
    return {
        "name": stats.name,
        "successes": stats.successes,
        "failures": stats.failures,
        "neutrals": stats.neutrals,
        "answers": stats.answers,
        "overloads": stats.overloads,
        "unknowns": stats.unknowns,
        "latency": _of_latency(stats.latency),
    }


def _of_latency(latency: LatencyStats) -> Document:
    """Return a histogram as plain data; the bound of the last bucket is None, since JSON has no infinity."""
    return {
        "count": latency.count,
        "total": latency.total,
        "p50": quantile(latency.buckets, 0.5),
        "p99": quantile(latency.buckets, 0.99),
        "buckets": [
            [None if bound == math.inf else bound, count] for bound, count in latency.buckets
        ],
    }


def _of_discovery(stats: DiscoveryStats) -> Document:
    error = stats.last_error
    return {
        **asdict(stats),
        "source": masked(stats.source),
        "errors": dict(stats.errors),
        "last_error": None if error is None else masked(error),
    }


def encoded(document: Document, pause: Callable[[], None] = _let_others_run) -> bytes:
    """Return a document as JSON, encoded in steps between which other threads get a turn."""
    return b"".join(_parts(document, pause))


def _parts(document: Document, pause: Callable[[], None]) -> Iterator[bytes]:
    head = json.dumps({name: value for name, value in document.items() if name != "services"})
    yield head[:-1].encode() + b', "services": {'
    for number, (name, service) in enumerate(document["services"].items()):
        rest = json.dumps({key: value for key, value in service.items() if key != "members"})
        yield b", " * bool(number) + json.dumps(name).encode() + b": "
        yield rest[:-1].encode() + b', "members": ['
        members: list[Document] = service["members"]
        for start in range(0, len(members), _SLICE):
            text = json.dumps(members[start : start + _SLICE])
            yield b", " * bool(start) + text[1:-1].encode()
            pause()
        yield b"]}"
    yield b"}}"
