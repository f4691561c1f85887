"""Applies a balancer to the available members for one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL, TIMED, Balancer, CallPicker
from connpool_runtime.balancing.groups import draw_group, grouped_picker
from connpool_runtime.balancing.types import BalancerContext, Guard, Picker, Random
from connpool_runtime.calls.call import Call
from connpool_runtime.errors import InvalidPick
from connpool_runtime.members.member import Member

__all__ = ["PickerFactory"]

AnyMember = Member[Any]
REDRAWS = 3  # then a scan: a retry should meet another member, at a bounded price


class PickerFactory:
    """The pickers of the present candidates, made when first wanted.

    Needs no lock: a picker is kept with the very tuple it was made for, so a stale one is seen.
    """

    def __init__(
        self,
        default: str | Balancer,
        random: Random,
        new_guard: Callable[[], Guard],
        *,
        guard_all: bool = False,
        load_factor: float = 1.25,
        clock: Callable[[], float] = float,
    ) -> None:
        self._default = default
        self._random = random
        self._new_guard = new_guard
        self._guard_all = guard_all  # where even an iterator's step is not atomic
        self._load_factor = load_factor
        self._clock = clock
        self._made: dict[str, tuple[Sequence[AnyMember], Any]] = {}

    @property
    def needs_call(self) -> bool:
        """Whether the default balancer wants to see the call, or its end."""
        return not isinstance(self._default, str) or self._default in {*BY_CALL, *TIMED}

    @property
    def needs_time(self) -> bool:
        """Whether the default balancer must know how long attempts take."""
        return self._default in TIMED

    def picker(self, candidates: Sequence[AnyMember], name: str | None = None) -> Picker:
        """Return the picker of a named balancer, the default one if not given."""
        wanted = name or str(self._default)
        made = self._made.get(wanted)
        if made is None or made[0] is not candidates:
            pick = grouped_picker(BALANCERS[wanted], candidates, self._tools())
            if self._guard_all:
                pick = _guarded(pick, self._new_guard())
            made = self._made[wanted] = (candidates, pick)
        picker: Picker = made[1]
        return picker

    def _pick_by_call(
        self,
        name: str,
        candidates: Sequence[AnyMember],
        call: Call,
        passed_over: Sequence[AnyMember],
    ) -> AnyMember:
        # A key has its group as it has its member.
        draw = self._random if call.key is None else partial(_share_of, call.key)
        index, group = draw_group(candidates, draw)
        place = f"{name} {index}"
        made = self._made.get(place)
        if made is None or made[0] is not group:
            made = self._made[place] = (group, BY_CALL[name](group, self._tools()))
        pick: CallPicker = made[1]
        return pick(call, passed_over)

    def _tools(self) -> BalancerContext:
        return BalancerContext(self._random, self._new_guard(), self._load_factor, self._clock)

    def choose(self, call: Call, candidates: Sequence[AnyMember]) -> AnyMember:
        """Pick for a call: by its own balancer if it brought one, and untried members first.

        An excluded member is only returned if all are.
        """
        if not (excluded := call.excluded):
            return self._choose(call, candidates, call.tried)
        member = self._choose(call, candidates, [*call.tried, *excluded])
        return self._choose(call, candidates, list(excluded)) if member in excluded else member

    def _choose(
        self, call: Call, candidates: Sequence[AnyMember], passed_over: Sequence[AnyMember]
    ) -> AnyMember:
        balancer = self._default if call.balancer is None else call.balancer
        if not isinstance(balancer, str):
            _, group = draw_group(candidates, self._random)
            return _ask(balancer, _without(group, passed_over), call)
        if balancer in BY_CALL:
            return self._pick_by_call(balancer, candidates, call, passed_over)
        return _draw(self.picker(candidates, balancer), candidates, passed_over)

    def choose_free(self, call: Call, candidates: Sequence[AnyMember]) -> AnyMember | None:
        """Do the same among those that can take one more call; None if there are none."""
        balancer = self._default if call.balancer is None else call.balancer
        if isinstance(balancer, str):
            for _ in range(1 + REDRAWS):
                if (member := self.choose(call, candidates)).free and member not in call.tried:
                    return member
        free = tuple(member for member in candidates if member.free)
        if not free:
            return None
        untried = _without(_without(free, list(call.excluded)), call.tried)
        if not isinstance(balancer, str):
            return self.choose(call, untried)
        if balancer in BY_CALL:
            busy = [member for member in candidates if member not in untried]
            return self._pick_by_call(balancer, candidates, call, busy)
        return untried[0]


def _share_of(key: object) -> float:
    """Return a number in [0, 1) that is the same for the same key, in every process."""
    from connpool_runtime.balancing.ring_hash import (
        point_of,  # its hash function takes 4 ms to import
    )

    return point_of(("share", key)) / 2**64


def _draw(
    pick: Picker, candidates: Sequence[AnyMember], passed_over: Sequence[AnyMember]
) -> AnyMember:
    member = pick()
    if member not in passed_over:
        return member
    for _ in range(REDRAWS):
        if (other := pick()) not in passed_over:
            return other
    return next((other for other in candidates if other not in passed_over), member)


def _guarded(pick: Picker, guard: Guard) -> Picker:
    def guarded() -> AnyMember:
        with guard:
            return pick()

    return guarded


def _without(
    candidates: Sequence[AnyMember], passed_over: Sequence[AnyMember]
) -> tuple[AnyMember, ...]:
    if not passed_over:
        return tuple(candidates)
    return tuple(one for one in candidates if one not in passed_over) or tuple(candidates)


def _ask(balancer: Balancer, candidates: tuple[AnyMember, ...], call: Call) -> AnyMember:
    member = balancer(candidates, call)
    if member not in candidates:
        names = ", ".join(candidate.name for candidate in candidates)
        raise InvalidPick(
            f"the balancer of pool {call.pool!r} returned {member!r}, not one of its candidates"
            f" ({names})",
            pool=call.pool,
        )
    return member
