"""Applies a balancer to the available members for one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from connpool_runtime.core.balance import BALANCERS, Balancer, Guard, Picker, Random
from connpool_runtime.core.call import Call
from connpool_runtime.core.member import Member
from connpool_runtime.errors import InvalidPick

__all__ = ["Picking"]

AnyMember = Member[Any]
REDRAWS = 3  # then a scan: a retry should meet another member, at a bounded price


class Picking:
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
    ) -> None:
        self._default = default
        self._random = random
        self._new_guard = new_guard
        self._guard_all = guard_all  # where even an iterator's step is not atomic
        self._made: dict[str, tuple[Sequence[AnyMember], Picker]] = {}

    @property
    def needs_call(self) -> bool:
        """Whether the default balancer wants to see the call."""
        return not isinstance(self._default, str)

    def picker(self, candidates: Sequence[AnyMember], name: str | None = None) -> Picker:
        """Return the picker of a named balancer, the default one if not given."""
        wanted = name or str(self._default)
        made = self._made.get(wanted)
        if made is None or made[0] is not candidates:
            pick = BALANCERS[wanted](candidates, self._random, self._new_guard())
            if self._guard_all:
                pick = _guarded(pick, self._new_guard())
            made = self._made[wanted] = (candidates, pick)
        return made[1]

    def choose(self, call: Call, candidates: Sequence[AnyMember]) -> AnyMember:
        """Pick for a call: by its own balancer if it brought one, and untried members first."""
        balancer = self._default if call.balancer is None else call.balancer
        if isinstance(balancer, str):
            return self._draw(self.picker(candidates, balancer), candidates, call)
        untried = [member for member in candidates if member not in call.tried]
        return _ask(balancer, untried or candidates, call)

    def choose_free(self, call: Call, candidates: Sequence[AnyMember]) -> AnyMember | None:
        """Do the same among those that can take one more call; None if there are none."""
        balancer = self._default if call.balancer is None else call.balancer
        if isinstance(balancer, str):
            pick = self.picker(candidates, balancer)
            for _ in range(1 + REDRAWS):
                if (member := pick()).free and member not in call.tried:
                    return member
        free = [member for member in candidates if member.free]
        if not free:
            return None
        untried = [member for member in free if member not in call.tried] or free
        return untried[0] if isinstance(balancer, str) else _ask(balancer, untried, call)

    def _draw(self, pick: Picker, candidates: Sequence[AnyMember], call: Call) -> AnyMember:
        member = pick()
        if member not in call.tried:
            return member
        for _ in range(REDRAWS):
            if (other := pick()) not in call.tried:
                return other
        return next((other for other in candidates if other not in call.tried), member)


def _guarded(pick: Picker, guard: Guard) -> Picker:
    def guarded() -> AnyMember:
        with guard:
            return pick()

    return guarded


def _ask(balancer: Balancer, candidates: Sequence[AnyMember], call: Call) -> AnyMember:
    member = balancer(tuple(candidates), call)
    if member not in candidates:
        names = ", ".join(candidate.name for candidate in candidates)
        raise InvalidPick(
            f"the balancer of pool {call.pool!r} returned {member!r}, not one of its candidates"
            f" ({names})",
            pool=call.pool,
        )
    return member
