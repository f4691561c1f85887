"""Applies a balancer to the available members for one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL, TIMED, Balancer
from connpool_runtime.balancing.base import BalancerContext, Guard, Picker, Random
from connpool_runtime.balancing.groups import draw_group, grouped_picker
from connpool_runtime.balancing.slow_start import slow_start_picker
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import Method
from connpool_runtime.errors import InvalidPick
from connpool_runtime.members.group import Candidates, Group, LivePicker
from connpool_runtime.members.member import AnyMember

if TYPE_CHECKING:
    from connpool_runtime.balancing.ring_hash import ByHash

__all__ = ["CallPicker", "PickerFactory", "untried"]

CallPicker = Callable[[Method[Any, Any], tuple[Any, ...]], AnyMember]
"""Picks for a method and its packed arguments."""
REDRAWS = (
    3  # draws before all members are searched: a retry should get another member, at a bounded cost
)


class PickerFactory:
    """Creates the pickers of a pool's groups when they are first needed.

    Each lives as long as its group has members, and is kept in it.

    Arguments:
        default: the balancer of the pool.
        random: floats in [0, 1).
        new_guard: makes a lock.
        guard_all: whether even an iterator's step is not atomic.
        load_factor: for `consistent_hash`.
        clock: seconds.
        changing: returns the lock under which groups change.
        pool: the pool's name.
        alone: returns whether the pool has one member only, to which all keys of a call belong.
    """

    def __init__(
        self,
        default: str | Balancer,
        random: Random,
        new_guard: Callable[[], Guard],
        *,
        guard_all: bool = False,
        load_factor: float = math.inf,
        clock: Callable[[], float] = float,
        changing: Callable[[], AbstractContextManager[Any]] | None = None,
        pool: str = "pool",
        alone: Callable[[], bool] = bool,
    ) -> None:
        self._pool = pool
        self._alone = alone
        self._default = default
        self._random = random
        self._new_guard = new_guard
        self._guard_all = new_guard() if guard_all else None
        self._load_factor = load_factor
        self._clock = clock
        self._changing: Callable[[], AbstractContextManager[Any]] = changing or nullcontext

    @property
    def needs_call(self) -> bool:
        """Whether the default balancer needs to see the call, or its end."""
        return not isinstance(self._default, str) or self._default in {*BY_CALL, *TIMED}

    @property
    def needs_time(self) -> bool:
        """Whether the default balancer needs to know how long attempts take."""
        return self._default in TIMED

    def picker(self, candidates: Candidates, name: str | None = None) -> Picker:
        """Return the picker of a balancer for some candidates; that of the default balancer if no name is given."""
        wanted = name or str(self._default)
        for _, group in candidates.groups:
            if wanted not in group.pickers:
                with self._changing():
                    return self.picker_locked(candidates, wanted)
        return self.picker_locked(candidates, wanted)

    def picker_locked(self, candidates: Candidates, name: str | None = None) -> Picker:
        """Return the same under the lock, where no member can change."""
        wanted = name or str(self._default)
        pickers = [self._made(group, wanted) for _, group in candidates.groups]
        pick: Picker = pickers[0].pick
        if len(pickers) > 1:
            pick = grouped_picker(candidates, pickers, self._random)
        if candidates.slow_start:
            pick = slow_start_picker(pick, candidates, self._random, self._clock)
        return pick if self._guard_all is None else _guarded(pick, self._guard_all)

    def _made(self, group: Group, name: str) -> LivePicker:
        made = group.pickers.get(name)
        if made is None:
            context = BalancerContext(
                self._random, self._new_guard(), self._load_factor, self._pool
            )
            made = group.pickers[name] = (BALANCERS.get(name) or BY_CALL[name])(group, context)
        return made

    def call_picker_locked(
        self, candidates: Candidates, if_busy: AnyMember | None = None
    ) -> CallPicker | None:
        """Return a picker for the fast path if the default balancer sees the call.

        None where a call needs more than that: a balancer of another kind, or several groups.

        Arguments:
            candidates: to pick from.
            if_busy: what to return in place of a member if none is free, where members have limits: a function is
                asked about the free ones only, as on the slow path.
        """
        default = self._default
        if len(candidates.groups) != 1 or self._guard_all is not None or candidates.slow_start:
            return None
        group = candidates.groups[0][1]
        if not isinstance(default, str):
            if if_busy is None:
                return _asking(default, candidates, self._pool)
            return _asking_about_free(default, candidates, self._pool, if_busy)
        if group.size == 1 and (default not in BY_CALL or self._alone()):
            (only,) = group.members
            return lambda _method, _args: only
        made = self._made(group, default)
        return cast("ByHash", made).for_calls() if default in BY_CALL else made.pick

    def _pick_by_call(
        self,
        name: str,
        candidates: Candidates,
        call: Call,
        passed_over: Sequence[AnyMember],
    ) -> AnyMember:
        if self._alone():
            return candidates.members[0]
        # The key also decides the group, so that a key always meets the same member.
        draw = self._random if call.key is None else partial(_share_of, call.key)
        group = draw_group(candidates, draw)
        if name not in group.pickers:
            with self._changing():
                return self._made(group, name).pick(call, passed_over)
        return self._made(group, name).pick(call, passed_over)

    def choose(self, call: Call, candidates: Candidates) -> AnyMember:
        """Pick a member for a call: with the call's own balancer if it has one, and preferably a member not tried yet.

        An excluded member is only returned if all are.
        """
        if not (excluded := call.excluded):
            return self._choose(call, candidates, call.tried)
        member = self._choose(call, candidates, [*call.tried, *excluded])
        return self._choose(call, candidates, list(excluded)) if member in excluded else member

    def _choose(
        self, call: Call, candidates: Candidates, passed_over: Sequence[AnyMember]
    ) -> AnyMember:
        balancer = self._default if call.balancer is None else call.balancer
        if not isinstance(balancer, str):
            group = candidates.members
            if len(candidates.groups) > 1:
                group = tuple(draw_group(candidates, self._random).members)
            return _ask(balancer, _without(group, passed_over), call)
        if balancer in BY_CALL:
            return self._pick_by_call(balancer, candidates, call, passed_over)
        return _draw(self.picker(candidates, balancer), candidates, passed_over)

    def choose_free(self, call: Call, candidates: Candidates) -> AnyMember | None:
        """Pick among the members that can take one more call; None if there are none."""
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
            return _ask(balancer, untried, call)
        if balancer in BY_CALL:
            busy = [member for member in candidates if member not in untried]
            return self._pick_by_call(balancer, candidates, call, busy)
        return untried[0]


def _asking(balancer: Balancer, candidates: Candidates, pool: str) -> CallPicker:
    """Return a picker that calls a user's balancer function."""

    def pick(method: Method[Any, Any], args: tuple[Any, ...]) -> AnyMember:
        call, members = Call(pool, method, args), candidates.members
        return _checked(balancer(members, call), members, call)

    return pick


def _asking_about_free(
    balancer: Balancer, candidates: Candidates, pool: str, if_busy: AnyMember
) -> CallPicker:
    """Do the same about the members that can take one more call; `if_busy` is picked if there are none."""

    def pick(method: Method[Any, Any], args: tuple[Any, ...]) -> AnyMember:
        members = tuple(member for member in candidates.members if member.free)
        if not members:
            return if_busy
        call = Call(pool, method, args)
        return _checked(balancer(members, call), members, call)

    return pick


def _share_of(key: object) -> float:
    """Return a number in [0, 1) that is the same for the same key in every process."""
    from connpool_runtime._hashing import point_of, text_of  # takes 4 ms to import

    return point_of(("share", text_of(key))) / 2**64


def _draw(pick: Picker, candidates: Candidates, passed_over: Sequence[AnyMember]) -> AnyMember:
    member = pick()
    if member not in passed_over:
        return member
    for _ in range(REDRAWS):
        if (other := pick()) not in passed_over:
            return other
    return next((other for other in candidates if other not in passed_over), member)


def untried(pick: Picker, tried: Sequence[AnyMember], otherwise: AnyMember) -> Picker:
    """Return a picker that draws a few times for a member not tried yet, and then returns `otherwise`."""

    def draw() -> AnyMember:
        for _ in range(1 + REDRAWS):
            if (member := pick()) not in tried:
                return member
        return otherwise

    return draw


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
    return _checked(balancer(candidates, call), candidates, call)


def _checked(member: AnyMember, candidates: tuple[AnyMember, ...], call: Call) -> AnyMember:
    if member not in candidates:
        names = ", ".join(candidate.name for candidate in candidates)
        raise InvalidPick(
            f"the balancer of pool {call.pool!r} returned {member!r}, not one of its candidates"
            f" ({names})",
            pool=call.pool,
        )
    return member
