"""What a balancer may use beside the members: all that is not decided by them alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from connpool_runtime.members.member import Member

__all__ = ["AnyMember", "Guard", "Picker", "Random", "BalancerContext"]

AnyMember: TypeAlias = Member[Any]
Picker: TypeAlias = Callable[[], AnyMember]
Random: TypeAlias = Callable[[], float]
Guard: TypeAlias = AbstractContextManager[Any]


@dataclass(frozen=True, slots=True)
class BalancerContext:
    """Randomness, a lock of the picker's own, and the settings that balancers read.

    Arguments:
        random: floats in [0, 1).
        guard: for pickers whose state is more than one atomic step.
        clock: seconds.
        load_factor: how much more than its fair share of the calls in flight `consistent_hash` gives a member.
    """

    random: Random
    guard: Guard
    load_factor: float = 1.25
    clock: Callable[[], float] = float
