# Made by tools/derive_sync.py from async_fast_path.py; edit that.
"""The fast path of a call on members with a limit, used when one is free and no call waits.

One short look under the lock to take a member, and one to give it back: no object is made, nothing is
signalled. Whatever is out of the ordinary goes on with a lease, on the slow path. There is a function
for each kind of client source, each in one piece, because a function call more costs a tenth of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from connpool_runtime.breaker.breaker import Generation
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.middleware_chain import Invoke
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.state import LockedFastPath
from connpool_runtime.clients.pooled_client import PooledClient
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member

__all__ = ["BUSY", "FAST_CALLS", "Unfinished"]

C = TypeVar("C")
R = TypeVar("R")

BUSY: Any = object()
"""Stands for a result: no member was called, take the slow path."""


class Unfinished(NamedTuple):
    """Returned in place of a result: the first attempt failed, and the call may go on."""

    call: Call


def call_single(
    checkout: Checkout[C],
    path: LockedFastPath[C],
    member: Member[C],
    method: Method[C, R],
    args: tuple[Any, ...],
    may_go_on: bool = False,
    invoke: Invoke | None = None,
) -> R:
    """Run a method on the one client of a member if it is free; otherwise return `BUSY`.

    Of a call that goes on after a failure of its first attempt, only this attempt is ended, and an
    `Unfinished` is returned. `invoke` is run in the place of the method's own function, if it is given.
    """
    _, clock, latest, lock, waiters = path
    invoke = invoke or method.invoke
    lease: Lease[C] | None = None
    generation: Generation | None = None
    started, held = clock(), False
    try:
        try:
            with lock:
                free = not waiters and member.taken - member.served < member.limit
                if free and (generation := member.fast_generation) is not None:
                    member.taken, held = member.taken + 1, True
            if not held:
                return BUSY  # type: ignore[no-any-return]  # by its contract
            result = invoke(member.client, args)
            elapsed = clock() - started
            with lock:
                if member.steady_generation is generation and not waiters:
                    member.served, held = member.served + 1, False
            if held:
                lease = Lease(member, generation, None, started, started)
                lease.held, held = True, False
                checkout.end_attempt(lease, checkout.new_call(method, args), started)
                return result
        except BaseException as error:
            lease = lease or Lease(member, generation, None, started, started)
            lease.held, held = lease.held or held, False
            if may_go_on:
                return _unfinished(checkout, lease, method, args, started, error)  # type: ignore[return-value]  # by its contract
            checkout.end_attempt(lease, checkout.new_call(method, args), started, error)
            raise
    except BaseException:
        _drop(checkout, lease, member, generation, None, method, held)
        raise
    bucket = latest.get(method) or checkout.recorder.first_success(
        method, member, member.steady_generation, elapsed, as_use=True
    )
    if bucket.low < elapsed <= bucket.high:
        bucket.count, bucket.total = bucket.count + 1, bucket.total + elapsed
    else:
        checkout.recorder.other_duration(method, member, generation, elapsed, as_use=True)
    return result


def call_stored(  # noqa: C901  # in one piece, see above
    checkout: Checkout[C],
    path: LockedFastPath[C],
    member: Member[C],
    method: Method[C, R],
    args: tuple[Any, ...],
    may_go_on: bool = False,
    invoke: Invoke | None = None,
) -> R:
    """Run a method on a client of an endpoint that can take one more call; otherwise return `BUSY` or `Unfinished`, as above."""
    _, clock, latest, lock, waiters = path
    invoke = invoke or method.invoke
    store: ClientStore[C] = member.source  # type: ignore[assignment]  # by `FAST_CALLS`
    lease: Lease[C] | None = None
    entry: PooledClient[C] | None = None
    generation: Generation | None = None
    started, held = clock(), False
    try:
        try:
            with lock:
                if not waiters and (generation := member.fast_generation):
                    entry = store.peek_idle(started)
                if entry is not None:
                    member.taken, entry.uses, held = member.taken + 1, entry.uses + 1, True
                    if entry.uses >= store.max_uses:
                        store.idle.pop()
            if entry is None:
                return BUSY  # type: ignore[no-any-return]  # by its contract
            result = invoke(entry.client, args)
            elapsed = (now := clock()) - started
            with lock:
                if (
                    member.steady_generation is generation
                    and not waiters
                    and now < entry.expires_at
                ):
                    if entry.uses >= store.max_uses:
                        store.idle.append(entry)
                    member.served, entry.uses, held = member.served + 1, entry.uses - 1, False
                    entry.used_at = now
            if held:
                lease = Lease(member, generation, entry, started, started)
                lease.held, held = True, False
                checkout.end_attempt(lease, checkout.new_call(method, args), started)
                return result
        except BaseException as error:
            lease = lease or Lease(member, generation, entry, started, started)
            lease.held, held = lease.held or held, False
            if may_go_on:
                return _unfinished(checkout, lease, method, args, started, error)  # type: ignore[return-value]  # by its contract
            checkout.end_attempt(lease, checkout.new_call(method, args), started, error)
            raise
    except BaseException:
        _drop(checkout, lease, member, generation, entry, method, held)
        raise
    bucket = latest.get(method) or checkout.recorder.first_success(
        method, member, member.steady_generation, elapsed, as_use=True
    )
    if bucket.low < elapsed <= bucket.high:
        bucket.count, bucket.total = bucket.count + 1, bucket.total + elapsed
    else:
        checkout.recorder.other_duration(method, member, generation, elapsed, as_use=True)
    return result


FAST_CALLS: dict[type[Any], Any] = {SingleClient: call_single, ClientStore: call_stored}
"""The function for each kind of client source."""


def _unfinished(
    checkout: Checkout[C],
    lease: Lease[C],
    method: Method[C, Any],
    args: tuple[Any, ...],
    started: float,
    error: BaseException,
) -> Unfinished:
    """End the first attempt of a call that goes on."""
    call = checkout.new_call(method, args)
    call.begin(lease.member)
    checkout.settle(lease, call, error)
    call.spent = checkout.state.clock() - started
    call.fail_first(error)
    return Unfinished(call)


def _drop(
    checkout: Checkout[C],
    lease: Lease[C] | None,
    member: Member[C],
    generation: Generation | None,
    entry: PooledClient[C] | None,
    method: Method[C, Any],
    held: bool,
) -> None:
    """Give back what an interrupt kept from being given back; usually there is nothing."""
    lease = lease or Lease(member, generation, entry, checkout.state.clock())
    if held:
        lease.held = True  # the exception is already on its way to the caller, who held the member
    checkout.drop(lease, checkout.new_call(method))
