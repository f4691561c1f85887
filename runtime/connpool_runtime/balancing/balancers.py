"""The table of balancers by name, and the checks of names and weights.

A balancer is a class of pickers. A picker is made for a group of members that may be picked, and only
those; it is notified of changes, and its `pick` is called without any lock, from any thread, once per
call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from connpool_runtime.balancing.base import BalancerContext, GroupPicker
from connpool_runtime.balancing.p2c import LeastRequest, PeakEwma
from connpool_runtime.balancing.round_robin import AtRandom, RoundRobin
from connpool_runtime.balancing.weight_limits import MOST_WEIGHT, MOST_WEIGHT_ON_RING
from connpool_runtime.balancing.weighted import WeightedRandom, WeightedRoundRobin
from connpool_runtime.calls.call import Balancer
from connpool_runtime.members.group import Group
from connpool_runtime.options.validation import closest, refused, whole_number

__all__ = [
    "BALANCERS",
    "BY_CALL",
    "TIMED",
    "WEIGHTED",
    "Balancer",
    "check_balancer",
    "check_weight",
    "most_weight",
    "uses_weights",
]

Factory: TypeAlias = Callable[[Group, BalancerContext], GroupPicker]


def by_hash(group: Group, context: BalancerContext) -> GroupPicker:
    """Pick the same member for the same key; see `balancing/ring_hash.py`."""
    from connpool_runtime.balancing.ring_hash import (
        ByHash,  # its hash function takes 4 ms to import
    )

    return ByHash(group, context)


BALANCERS: dict[str, Factory] = {
    "round_robin": RoundRobin,
    "random": AtRandom,
    "weighted_random": WeightedRandom,
    "weighted_round_robin": WeightedRoundRobin,
    "least_request": LeastRequest,
    "peak_ewma": PeakEwma,
}

# Balancers that need to know how long attempts take.
TIMED = {"peak_ewma"}

# Balancers that need to see the call: they get the members to pass over, and pick one of these only if there
# is no other.
BY_CALL: dict[str, Factory] = {"consistent_hash": by_hash}


# Balancers that use the weights of members; the others would silently ignore them.
WEIGHTED = {
    "weighted_random",
    "weighted_round_robin",
    "least_request",
    "peak_ewma",
    "consistent_hash",
}


def uses_weights(balancer: str | Balancer) -> bool:
    """Return whether a balancer uses the weights of members; a function may."""
    return not isinstance(balancer, str) or balancer in WEIGHTED


def most_weight(balancer: str | Balancer) -> int:
    """Return the largest weight that a balancer takes; 1 if it ignores weights."""
    if not uses_weights(balancer):
        return 1
    on_ring = isinstance(balancer, str) and balancer in BY_CALL
    return MOST_WEIGHT_ON_RING if on_ring else MOST_WEIGHT


def check_weight(weight: object, balancer: str | Balancer) -> None:
    """Refuse a weight that is invalid, too large for the balancer, or ignored by it.

    Raises:
        ValueError: the weight is refused; the message lists the balancers that use weights.
    """
    given = whole_number("weight", weight, least=1)
    if given != 1 and not uses_weights(balancer):
        known = ", ".join(repr(name) for name in (*BALANCERS, *BY_CALL) if name in WEIGHTED)
        raise ValueError(
            f"weight must be 1 with the balancer {balancer!r}, which ignores weights, not {given};"
            f" balancers that use weights are {known}"
        )
    if given > (most := most_weight(balancer)):
        raise refused("weight", given, f"at most {most:,} with the balancer {balancer!r}")


def check_balancer(wanted: object) -> None:
    """Refuse a balancer that is neither a known name nor a function.

    Raises:
        ValueError: it is neither; the message lists the known names and suggests the nearest one.
    """
    known = [*BALANCERS, *BY_CALL]
    if wanted in known if isinstance(wanted, str) else callable(wanted):
        return
    names = ", ".join(map(repr, known))
    near = closest(str(wanted), known)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"balancer must be {names} or a function, not {wanted!r}{hint}")
