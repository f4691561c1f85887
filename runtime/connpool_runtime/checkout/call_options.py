"""Applies the options that a caller sets by `calling`, or refuses those that this pool cannot honour."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.calling import CallOptions, current_options
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.errors import InvalidCallOption, MemberUnavailable
from connpool_runtime.members.member import Member

__all__ = ["member_named", "outside_blocks"]

C = TypeVar("C")
P = ParamSpec("P")
QUIET = 1000
"""So many calls in a row are outside of all blocks before a pool looks for blocks no more."""


def member_named(state: PoolState[C], call: Call, options: CallOptions) -> Member[C] | None:
    """Return the member that the caller names; None if any will do.

    Raises:
        InvalidCallOption: the pool cannot do what is asked for.
        UnknownMember: no member has this name.
        MemberUnavailable: the member may not be called now.
    """
    if options.retry and not _has(state, "RETRY"):
        raise InvalidCallOption(
            f"calling(retry=...) needs a Retry, and pool {state.name!r} has none: register one",
            pool=state.name,
        )
    if options.timeout is not None:
        _require_limit(state, call)
    if options.member is None:
        if options.key is not None:
            _require_keys(state, call)
        return None
    member = state.membership.find(options.member)
    if not member.ready:
        cause = member.unreachable or member.breaker.cause
        wait = max(0.0, member.wake_at - state.clock())
        why = "is leaving" if member.leaving else "is ejected"
        raise _unavailable(state, member, why, wait, cause)
    if state.limited and (state.queue.waiters or not member.free):
        raise _unavailable(
            state, member, "is busy, and a call for one named member does not wait", math.inf, None
        )
    return member


def _unavailable(
    state: PoolState[C], member: Member[C], why: str, wait: float, cause: BaseException | None
) -> MemberUnavailable:
    return MemberUnavailable(
        f"member {member.name!r} of pool {state.name!r}, named by calling(member=...), {why}",
        pool=state.name,
        cause=cause,
        retry_after=wait,
    )


def _require_keys(state: PoolState[C], call: Call) -> None:
    balancer = state.settings.balancer if call.balancer is None else call.balancer
    if isinstance(balancer, str) and balancer != "consistent_hash":
        raise InvalidCallOption(
            f"pool {state.name!r} has the balancer {balancer!r}, which ignores calling(key=...); give the pool"
            " balancer='consistent_hash'",
            pool=state.name,
        )


def _require_limit(state: PoolState[C], call: Call) -> None:
    """Refuse a timeout that neither the client nor any middleware could enforce."""
    if call.method.deadline_parameter is not None:
        return
    if state.blocking or not _has(state, "TIMEOUT"):
        how = "" if state.blocking else ", and the pool has no Timeout"
        raise InvalidCallOption(
            f"{state.name}.{call.method.name} has no parameter through which calling(timeout=...) could reach its"
            f" client{how}",
            pool=state.name,
        )


def _has(state: PoolState[C], role: str) -> bool:
    """Return whether a middleware of a role is registered."""
    roles = [getattr(one.middleware, "role", None) for one in state.middleware]
    return any(getattr(found, "name", "") == role for found in roles)


def outside_blocks(
    pick: Callable[P, Member[Any]], inside: Member[Any], rest: Callable[[], object]
) -> Callable[P, Member[Any]]:
    """Return a picker for calls outside `calling` blocks; it sends calls inside them on the slow path.

    Arguments:
        pick: picks a member.
        inside: the member that sends a call on the slow path.
        rest: is called when there were no calls inside for long.
    """
    quiet = 0

    def look_and_pick(*call: P.args, **_: P.kwargs) -> Member[Any]:
        nonlocal quiet
        if current_options() is not None:
            quiet = 0
            return inside
        quiet += 1
        if quiet >= QUIET:
            quiet = 0
            rest()
        return pick(*call, **_)

    return look_and_pick
