"""Who serves the next call.

A balancer is given the available members, and only those, whenever they change, and answers with
a picker: a function that is called without any lock, from any thread, once per call.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, cycle
from typing import Any, TypeAlias

from connpool_runtime.core.call import Call
from connpool_runtime.core.member import Member

__all__ = ["BALANCERS", "Balancer", "Picker", "check_balancer"]

AnyMember: TypeAlias = Member[Any]
Picker: TypeAlias = Callable[[], AnyMember]
Random: TypeAlias = Callable[[], float]
Guard: TypeAlias = AbstractContextManager[Any]
Factory: TypeAlias = Callable[[Sequence[AnyMember], Random, Guard], Picker]

Balancer: TypeAlias = Callable[[Sequence[AnyMember], Call], AnyMember]
"""A balancer of the user's own: given the available members and the call, return one of them."""


def round_robin(members: Sequence[AnyMember], _random: Random, _guard: Guard) -> Picker:
    """One after the other; weights are ignored. Each step is one atomic step of an iterator."""
    # Starting anew after each change would favour the first member of a pool that often changes.
    start = sum(member.taken for member in members) % len(members)
    return cycle([*members[start:], *members[:start]]).__next__


def random(members: Sequence[AnyMember], random: Random, _guard: Guard) -> Picker:
    """Any, with equal chances; weights are ignored."""
    count = len(members)

    def pick() -> AnyMember:
        return members[int(random() * count)]

    return pick


def weighted_random(members: Sequence[AnyMember], random: Random, _guard: Guard) -> Picker:
    """Any, with chances in proportion to the weights."""
    edges = list(accumulate(member.weight for member in members))
    total = edges[-1]

    def pick() -> AnyMember:
        return members[bisect(edges, random() * total)]

    return pick


def smooth(members: Sequence[AnyMember], _random: Random, guard: Guard) -> Picker:
    """In proportion to the weights and evenly spread, as nginx does it: a a b a c a a for 5, 1, 1.

    Each pick costs time in proportion to the number of members.
    """
    weights = [member.weight for member in members]
    total = sum(weights)
    credit = [0] * len(members)

    def pick() -> AnyMember:
        with guard:
            for index, weight in enumerate(weights):
                credit[index] += weight
            best = credit.index(max(credit))
            credit[best] -= total
        return members[best]

    return pick


BALANCERS: dict[str, Factory] = {
    "round_robin": round_robin,
    "random": random,
    "weighted_random": weighted_random,
    "smooth": smooth,
}


def check_balancer(wanted: object) -> None:
    """Refuse what is neither the name of a balancer nor a function.

    Raises:
        ValueError: so it is; the message lists the names and the nearest one.
    """
    if wanted in BALANCERS if isinstance(wanted, str) else callable(wanted):
        return
    import difflib  # only for this message

    names = ", ".join(repr(name) for name in BALANCERS)
    near = difflib.get_close_matches(str(wanted), BALANCERS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"balancer must be {names} or a function, not {wanted!r}{hint}")
