"""The error of a call for which no member on its route may be called."""

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
    """Return the error of a call for which no member on its route may be called.

    Arguments:
        state: of the pool, whose lock is held.
        call: for its name.
        steps: the labels of the members that it is for.
    """
    membership, now = state.membership, state.clock()
    if membership.closed or all(member.leaving for member in membership.by_name.values()):
        return membership.refusal(now)
    wanted = " or ".join(map(shown, steps))
    there, last, wake_at = membership.unavailable_with(steps)
    for_whom = f"this call of {call.pool}.{call.method.name} is for members with {wanted}"
    if last is None:
        return NoMemberForRoute(
            f"{for_whom}, and none of the {len(membership.by_name)} members has these labels;"
            " add_client(labels=...) and set_labels give them",
            pool=state.name,
        )
    wait = max(0.0, wake_at - now)
    until = "" if wait == math.inf else f" for {wait:.3g} s"
    names = ", ".join(f"{member.name!r} {_why(member)}" for member in there[:3])
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
    return "is ejected"
