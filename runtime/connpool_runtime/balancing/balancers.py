"""Who serves the next call: the balancers by name.

A balancer is given the available members, and only those, whenever they change, and answers with
a picker: a function that is called without any lock, from any thread, once per call.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate, cycle
from typing import TypeAlias

from connpool_runtime._validation import whole_number
from connpool_runtime.balancing.p2c import least_request, peak_ewma
from connpool_runtime.balancing.types import AnyMember, BalancerContext, Picker
from connpool_runtime.calls.call import Balancer, Call

__all__ = [
    "BALANCERS",
    "BY_CALL",
    "TIMED",
    "WEIGHTED",
    "Balancer",
    "CallPicker",
    "check_balancer",
    "check_weight",
    "uses_weights",
]

CallPicker: TypeAlias = Callable[[Call, Sequence[AnyMember]], AnyMember]
"""Picks for a call one of the candidates, of those to be passed over only if there is no other."""

Factory: TypeAlias = Callable[[Sequence[AnyMember], BalancerContext], Picker]
CallFactory: TypeAlias = Callable[[Sequence[AnyMember], BalancerContext], CallPicker]


def round_robin(members: Sequence[AnyMember], _tools: BalancerContext) -> Picker:
    """One after the other; weights are ignored. Each step is one atomic step of an iterator."""
    # Starting anew after each change would favour the first member of a pool that often changes.
    start = sum(member.taken for member in members) % len(members)
    return cycle([*members[start:], *members[:start]]).__next__


def random(members: Sequence[AnyMember], tools: BalancerContext) -> Picker:
    """Any, with equal chances; weights are ignored."""
    count, random = len(members), tools.random

    def pick() -> AnyMember:
        return members[int(random() * count)]

    return pick


def weighted_random(members: Sequence[AnyMember], tools: BalancerContext) -> Picker:
    """Any, with chances in proportion to the weights; the search takes log2(members) steps."""
    edges = list(accumulate(member.weight for member in members))
    total, random = edges[-1], tools.random

    def pick() -> AnyMember:
        return members[bisect(edges, random() * total)]

    return pick


def weighted_round_robin(members: Sequence[AnyMember], tools: BalancerContext) -> Picker:
    """In proportion to the weights and evenly spread, as nginx does it: a a b a c a a for 5, 1, 1.

    Each pick costs time in proportion to the number of members.
    """
    weights = [member.weight for member in members]
    total, guard = sum(weights), tools.guard
    credit = [0] * len(members)

    def pick() -> AnyMember:
        with guard:
            for index, weight in enumerate(weights):
                credit[index] += weight
            best = credit.index(max(credit))
            credit[best] -= total
        return members[best]

    return pick


def by_hash(members: Sequence[AnyMember], tools: BalancerContext) -> CallPicker:
    """The same member for the same key; see `balancing/ring_hash.py`."""
    from connpool_runtime.balancing.ring_hash import (
        hashed,  # its hash function takes 4 ms to import
    )

    return hashed(members, tools)


BALANCERS: dict[str, Factory] = {
    "round_robin": round_robin,
    "random": random,
    "weighted_random": weighted_random,
    "weighted_round_robin": weighted_round_robin,
    "least_request": least_request,
    "peak_ewma": peak_ewma,
}

# Those that must know how long attempts take: only the long way tells.
TIMED = {"peak_ewma"}

# Those that must see the call: with one of them as the default, every call goes the long way.
BY_CALL: dict[str, CallFactory] = {"consistent_hash": by_hash}


# Those that look at the weights of members; the others would silently ignore them.
WEIGHTED = {
    "weighted_random",
    "weighted_round_robin",
    "least_request",
    "peak_ewma",
    "consistent_hash",
}


def uses_weights(balancer: str | Balancer) -> bool:
    """Tell whether a balancer looks at the weights of members; a function of the user's own may."""
    return not isinstance(balancer, str) or balancer in WEIGHTED


def check_weight(weight: object, balancer: str | Balancer) -> None:
    """Refuse a weight that is none, or that the balancer would ignore.

    Raises:
        ValueError: so it is; the message names the balancers that know weights.
    """
    whole_number("weight", weight, least=1)
    if weight != 1 and not uses_weights(balancer):
        known = ", ".join(repr(name) for name in (*BALANCERS, *BY_CALL) if name in WEIGHTED)
        raise ValueError(
            f"weight must be 1 with the balancer {balancer!r}, which ignores weights, not {weight};"
            f" balancers that know weights are {known}"
        )


def check_balancer(wanted: object) -> None:
    """Refuse what is neither the name of a balancer nor a function.

    Raises:
        ValueError: so it is; the message lists the names and the nearest one.
    """
    known = [*BALANCERS, *BY_CALL]
    if wanted in known if isinstance(wanted, str) else callable(wanted):
        return
    import difflib  # only for this message

    names = ", ".join(map(repr, known))
    near = difflib.get_close_matches(str(wanted), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"balancer must be {names} or a function, not {wanted!r}{hint}")
