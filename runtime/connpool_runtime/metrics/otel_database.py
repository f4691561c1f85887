"""The metrics of database pools under the names of OpenTelemetry's semantic conventions.

The conventions know connections and their pools, and no members: all members of a pool are added up.
A member with one client, made by the user, is one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from connpool_runtime.stats.types import ClientStats, LatencyStats, MemberStats, PoolStats

__all__ = ["DATABASE_PREFIX", "DURATIONS", "NUMBERS", "POOL_NAME", "DatabaseNumber"]

DATABASE_PREFIX = "db.client.connection."
POOL_NAME = "db.client.connection.pool.name"
STATE = "db.client.connection.state"

Sample: TypeAlias = tuple[dict[str, str], int]


@dataclass(frozen=True, slots=True)
class DatabaseNumber:
    """One metric: its name without the prefix, what it counts, its samples."""

    name: str
    kind: Literal["counter", "up_down_counter"]
    unit: str
    text: str
    samples: Callable[[PoolStats], Iterable[Sample]]


def _count(pool: PoolStats) -> Iterable[Sample]:
    clients = [_clients(member) for member in pool.members]
    idle = sum(one.idle for one in clients)
    yield {STATE: "idle"}, idle
    yield {STATE: "used"}, sum(one.size - one.connecting for one in clients) - idle


def _clients(member: MemberStats) -> ClientStats:
    if member.clients is not None:
        return member.clients
    idle = int(member.in_flight == 0)
    return ClientStats(size=1, idle=idle, connecting=0, opened=1, failed=0, min_size=0, max_size=1)


def _timeouts(pool: PoolStats) -> Iterable[Sample]:
    yield {}, dict(pool.rejections).get("PoolTimeout", 0)


NUMBERS = (
    DatabaseNumber(
        "count", "up_down_counter", "{connection}", "Open connections by their state.", _count
    ),
    DatabaseNumber(
        "idle.min",
        "up_down_counter",
        "{connection}",
        "Connections that are kept open although they are idle.",
        lambda pool: [({}, sum(_clients(member).min_size for member in pool.members))],
    ),
    DatabaseNumber(
        "max",
        "up_down_counter",
        "{connection}",
        "Connections that may be open at a time.",
        lambda pool: [({}, sum(_clients(member).max_size for member in pool.members))],
    ),
    DatabaseNumber(
        "pending_requests",
        "up_down_counter",
        "{request}",
        "Callers that wait for a connection.",
        lambda pool: [({}, pool.waiting)],
    ),
    DatabaseNumber(
        "timeouts",
        "counter",
        "{timeout}",
        "Callers that got no connection in time.",
        _timeouts,
    ),
)

DURATIONS: tuple[tuple[str, str, Callable[[PoolStats], LatencyStats]], ...] = (
    ("create_time", "How long it took to open a connection.", lambda pool: pool.openings),
    (
        "wait_time",
        "How long callers waited for a connection that they got.",
        lambda pool: pool.waits,
    ),
    ("use_time", "How long callers held a connection.", lambda pool: pool.uses),
)
"""Histograms of seconds: name without the prefix, what they are about, and where they come from."""
