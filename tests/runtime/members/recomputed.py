"""Who may be picked, worked out from scratch: plain, slow, and right. The pool's own is held against it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from connpool_runtime._hashing import point_of
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.members.member import Member

AnyMember = Member[Any]


@dataclass
class Recomputed:
    """What follows from the members as they are."""

    panic: bool
    available: list[AnyMember]
    shares: list[float]
    warming: set[AnyMember]
    limited: bool
    wake_at: float = field(default=math.inf)


def recompute(
    members: Sequence[AnyMember], rules: Eligibility, now: float, *, panic: bool | None = None
) -> Recomputed:
    """Work everything out for the members of a pool, in the order in which they joined.

    Whether there is a panic is the whole pool's matter, so for some of its members it has to be told.
    """
    present = [member for member in members if not member.leaving]
    eligible = chosen(present, rules)
    panic = is_panic(eligible, rules) if panic is None else panic
    ready = {member for member in eligible if is_ready(member, panic)}
    groups = grouped(eligible, ready, rules)
    available = [member for _, group in groups for member in group]
    warming = {member for member in available if warm_at(member, rules) > now}
    if len(warming) == len(available):
        warming = set()  # if all are new there is nobody to spare them
    times = [member.wake_at for member in present]
    times += [warm_at(member, rules) for member in warming]
    return Recomputed(
        panic,
        available,
        [share for share, _ in groups],
        warming,
        any(member.limit != math.inf for member in present),
        min(times, default=math.inf),
    )


def is_spared(member: AnyMember, members: Sequence[AnyMember], rules: Eligibility) -> bool:
    """Whether so many others are cut off that a member must not be, too."""
    if rules.max_ejection_share == 1:
        return False
    others = [one for one in members if one is not member]
    ejected = sum(
        one.breaker.state is not BreakerState.CLOSED and not one.breaker.forced_open
        for one in others
    )
    allowed = int(rules.max_ejection_share * (len(others) + 1))
    return ejected >= (max(1, allowed) if rules.max_ejection_share else 0)


def chosen(present: Sequence[AnyMember], rules: Eligibility) -> list[AnyMember]:
    """Those that this client uses at all."""
    if rules.subset_size is None or len(present) <= rules.subset_size:
        return list(present)
    best = sorted(present, key=lambda member: point_of((rules.client_id, member.name)))
    return [member for member in present if member in best[: rules.subset_size]]


def is_panic(eligible: Sequence[AnyMember], rules: Eligibility) -> bool:
    """Whether too few of those that can be reached are well."""
    there = [member for member in eligible if member.unreachable is None]
    well = sum(member.breaker.admits for member in there)
    return rules.panic_threshold != 0 and well < rules.panic_threshold * len(there)


def is_ready(member: AnyMember, panic: bool) -> bool:
    """Whether a member may be called, given whether there is a panic."""
    let_in = member.breaker.admits or (panic and not member.breaker.forced_open)
    return let_in and member.unreachable is None and not member.leaving


def grouped(
    eligible: Sequence[AnyMember], ready: set[AnyMember], rules: Eligibility
) -> list[tuple[float, list[AnyMember]]]:
    """The groups that get calls, each with its share of them."""
    left, found = 1.0, []
    for _, level in groupby(sorted(eligible, key=rank(rules)), key=rank(rules)):
        members = list(level)
        here = [member for member in members if member in ready]
        takes = min(left, rules.overprovisioning_factor * len(here) / len(members))
        if takes > 0:
            found.append((takes, here))
            left -= takes
    total = sum(takes for takes, _ in found)
    return [(takes / total, here) for takes, here in found]


def rank(rules: Eligibility) -> Any:
    """Return what tells preferred members from others: the lower, the better."""
    return lambda member: (member.priority, rules.zone is not None and member.zone != rules.zone)


def warm_at(member: AnyMember, rules: Eligibility) -> float:
    """When a member has its whole weight."""
    return member.breaker.closed_at + rules.slow_start if rules.slow_start else -math.inf
