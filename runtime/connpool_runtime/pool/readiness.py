"""The error that says why a pool is not ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.errors import NotReady
from connpool_runtime.members.member import Member

__all__ = ["not_ready"]

NAMED = 5  # members for which the message gives a reason


def not_ready(
    pool: str, members: Sequence[Member[Any]], wanted: int, seconds: float, others: int = 0
) -> NotReady:
    """Return the error of a caller that has waited for healthy members.

    Arguments:
        pool: its name.
        members: of the pool, that it uses.
        wanted: how many should have been healthy.
        seconds: how long the caller has waited.
        others: members outside its subset.
    """
    reasons = [(member, reason) for member in members if (reason := _reason(member)) is not None]
    well = len(members) - len(reasons)
    told = [f"{member.name!r} {reason}" for member, reason in reasons[:NAMED]]
    if len(reasons) > NAMED:
        told.append(f"and {len(reasons) - NAMED} more are not healthy")
    if not members:
        told = ["add_client, add_endpoint, add_connector or discover adds some"]
    which = f" in this client's subset ({others} others are not used)" if others else ""
    causes = [cause for member, _ in reasons if (cause := _cause(member)) is not None]
    return NotReady(
        f"{well} of {len(members)} members of pool {pool!r}{which} were healthy within {seconds:.3g} s, but"
        f" {wanted} were needed: {'; '.join(told) or 'the pool has no other members'}",
        pool=pool,
        cause=without_traceback(causes[-1]) if causes else None,
    )


def _reason(member: Member[Any]) -> str | None:
    """Return why a member is not healthy; None if it is."""
    cause = _cause(member)
    because = "" if cause is None else f": {type(cause).__name__}: {cause}"
    if member.leaving:
        return "is leaving"
    if member.source.unreachable or member.unreachable is not None:
        return f"cannot be reached{because}"
    if member.breaker.forced_open:
        return "was ejected by hand"
    if member.breaker.state is not BreakerState.CLOSED:
        return f"is ejected{because}"
    return None


def _cause(member: Member[Any]) -> BaseException | None:
    return member.unreachable or member.source.cause or member.breaker.cause
