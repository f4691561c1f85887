"""The base class of balancers for one group of members, and what they may use beside the members."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeAlias

from connpool_runtime.members.group import Group
from connpool_runtime.members.member import AnyMember

__all__ = ["BalancerContext", "GroupPicker", "Guard", "Picker", "Random"]

Picker: TypeAlias = Callable[[], AnyMember]
Random: TypeAlias = Callable[[], float]
Guard: TypeAlias = AbstractContextManager[Any]


class BalancerContext(NamedTuple):
    """Random numbers, a lock for the picker, and the settings that balancers read.

    Arguments:
        random: floats in [0, 1).
        guard: for pickers whose state is more than one atomic step.
        load_factor: how much more than its fair share of the calls in flight `consistent_hash` gives a member.
        pool: the pool's name.
    """

    random: Random
    guard: Guard
    load_factor: float = math.inf
    pool: str = ""


class GroupPicker:
    """Picks from one group; base of all balancers, and complete for those without an order to keep.

    `pick` is called without any lock, from any thread, once per call. `pause` and `resume` are called
    under the pool's lock, before and after each change of the group.
    """

    pick: Callable[..., AnyMember]

    def __init__(self, group: Group, context: BalancerContext) -> None:
        self._members = group.members  # changes in place
        self._numbers = group.numbers
        self._context = context

    def pause(self) -> None:
        """Note which member is next; the group is about to change."""

    def resume(self, member: AnyMember, *, joined: bool) -> None:
        """Continue from there: one member has joined or left the group."""
