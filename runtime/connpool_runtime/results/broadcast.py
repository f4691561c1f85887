"""Runs one lifecycle method on every member: what a generated `connect()` does for a pool."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar, cast

from connpool_runtime.calls.method import Method
from connpool_runtime.checkout.checkout import AnyCheckout, Checkout
from connpool_runtime.errors import NoMembers, PoolClosed
from connpool_runtime.members.member import Member

__all__ = ["broadcast", "broadcast_async"]

C = TypeVar("C")
R = TypeVar("R")


def broadcast(checkout: Checkout[C], method: Method[C, R], args: tuple[Any, ...]) -> R:
    """Run a method on all members, one after the other, and return the first one's result.

    Raises:
        PoolClosed, NoMembers: there is no member to run it on.
        Exception: what the only failing member raised.
        ExceptionGroup: several members failed; all were tried.
    """
    results: list[R] = []
    errors: list[Exception] = []
    for member in everybody(checkout):
        try:
            results.append(method.raw(member.client, args))
        except Exception as error:
            errors.append(error)
    return first_of(checkout, method, results, errors)


async def broadcast_async(
    checkout: Checkout[C], method: Method[C, Awaitable[R]], args: tuple[Any, ...]
) -> R:
    """Do the same for coroutines, in the same order."""
    results: list[R] = []
    errors: list[Exception] = []
    for member in everybody(checkout):
        try:
            results.append(await method.raw(member.client, args))
        except Exception as error:
            errors.append(error)
    return first_of(checkout, method, results, errors)


def everybody(checkout: Checkout[C]) -> tuple[Member[C], ...]:
    """Return the members that are not leaving.

    Nor do the clients of an endpoint with a factory, which opens them.
    """
    state = checkout.state
    with state.after_lock, state.lock:
        members, closed = state.membership.members, state.membership.closed
    staying = tuple(member for member in members if not member.leaving)
    if closed:
        raise PoolClosed(f"pool {checkout.state.name!r} is closed", pool=checkout.state.name)
    if not staying:
        name = checkout.state.name
        raise NoMembers(f"pool {name!r} has no members; add_client adds one", pool=name)
    return tuple(member for member in staying if not member.source.on_demand)


def first_of(
    checkout: AnyCheckout, method: Method[Any, Any], results: list[R], errors: list[Exception]
) -> R:
    """Return the first result, None if there was no member, or raise the first error."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(
            f"{method.name} failed on members of pool {checkout.state.name!r}", errors
        )
    return results[0] if results else cast("R", None)
