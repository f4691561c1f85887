"""Whether a process is alive, and whether it should get traffic. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Health", "MemberHealth", "ServiceHealth", "counted", "health_of", "member_health"]

MemberHealth = Literal["ready", "ejected", "open", "half_open", "unreachable", "leaving"]

_WORDS: Mapping[MemberHealth, str] = {
    "open": "ejected by its breaker",
    "half_open": "tried out by its breaker",
    "ejected": "ejected by hand",
    "unreachable": "not reached by health checks",
    "leaving": "leaving",
}


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One service at one moment: how many members are in each state."""

    name: str
    closed: bool
    members: Mapping[MemberHealth, int]

    @property
    def ready(self) -> bool:
        """Whether a call would find a member."""
        return not self.closed and self.members.get("ready", 0) > 0

    @property
    def reason(self) -> str:
        """Return why the service is not fully healthy; "" if it is."""
        total = sum(self.members.values())
        if self.closed:
            return f"service {self.name!r}: its pool is closed"
        if not total:
            return f"service {self.name!r}: it has no members"
        bad = [
            f"{self.members[kind]} {words}"
            for kind, words in _WORDS.items()
            if self.members.get(kind)
        ]
        if not bad:
            return ""
        ready = self.members.get("ready", 0)
        return f"service {self.name!r}: {ready} of {total} members ready, {', '.join(bad)}"


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a process: "ok"; "degraded" if some member is not ready; "unavailable" if calls would fail."""

    status: Literal["ok", "degraded", "unavailable"]
    reasons: tuple[str, ...] = ()


def member_health(
    *, ready: bool, state: str, ejected: bool, healthy: bool, leaving: bool
) -> MemberHealth:
    """Return the state of a member in one word."""
    if leaving:
        return "leaving"
    if ready:
        return "ready"
    if ejected:
        return "ejected"
    if not healthy:
        return "unreachable"
    return "half_open" if state == "half_open" else "open"


def health_of(
    services: Iterable[ServiceHealth], *, stopped: bool, required: tuple[str, ...] | None
) -> Health:
    """Derive the health of a process from that of its services.

    Arguments:
        services: those that have a pool.
        stopped: whether the manager was stopped.
        required: the services without which the process is of no use; None for each that has a pool.
    """
    if stopped:
        return Health("unavailable", ("the manager was stopped",))
    there = {service.name: service for service in services}
    wanted = tuple(there) if required is None else required
    missing = [f"service {name!r}: it has no pool" for name in wanted if name not in there]
    down = [there[name].reason for name in wanted if name in there and not there[name].ready]
    if missing or down:
        return Health("unavailable", (*missing, *down))
    reasons = tuple(filter(None, (service.reason for service in there.values())))
    return Health("degraded" if reasons else "ok", reasons)


def counted(kinds: Iterable[MemberHealth]) -> Mapping[MemberHealth, int]:
    """Count members by state."""
    return Counter(kinds)
