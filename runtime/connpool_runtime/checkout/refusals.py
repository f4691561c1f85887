"""Says why none of the members that a call is for may be called."""

from __future__ import annotations

import math
from typing import Any

from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.calls.call import Call
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.errors import NoMemberForRoute, PoolError
from connpool_runtime.members.labels import Selector, shown
from connpool_runtime.members.member import Member

__all__ = ["no_member_for"]


def no_member_for(state: PoolState[Any], call: Call, steps: tuple[Selector, ...]) -> PoolError:
    """Return the error of a call for which none of the members that it is for may be called.

    Arguments:
        state: of the pool, whose lock is held.
        call: for its name.
        steps: the labels of the members that it is for.
    """
    membership, now = state.membership, state.clock()
    if membership.closed or not any(not member.leaving for member in membership.members):
        return membership.refusal(now)
    wanted = " or ".join(map(shown, steps))
    there = dict.fromkeys(one for selector in steps for one in membership.with_labels(selector))
    for_whom = f"this call of {call.pool}.{call.method.name} is for members with {wanted}"
    if not there:
        return NoMemberForRoute(
            f"{for_whom}, and none of the {len(membership.members)} members has these labels;"
            " add_client(labels=...) and set_labels give them",
            pool=state.name,
        )
    last = max(there, key=lambda one: (one.breaker.cause is not None, one.breaker.opened_at))
    wait = min(max(0.0, one.wake_at - now) for one in there)
    until = "" if wait == math.inf else f" for {wait:.3g} s"
    names = ", ".join(f"{member.name!r} {_why(member)}" for member in list(there)[:3])
    more = f" and {len(there) - 3} more" if len(there) > 3 else ""
    cause = last.unreachable or last.source.cause or last.breaker.cause
    return NoMemberForRoute(
        f"{for_whom}, of which none may be called{until}: {names}{more}",
        pool=state.name,
        cause=None if cause is None else without_traceback(cause),
        retry_after=wait,
    )


def _why(member: Member[Any]) -> str:
    if member.breaker.forced_open:
        return "is ejected by hand"
    if member.unreachable is not None or member.source.unreachable:
        return "cannot be reached"
    return "is cut off"
