"""Gives a call a client: takes a member, waits in the queue and opens a client if necessary."""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime._concurrency.is_async import ASYNC
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import AnyLease, Lease
from connpool_runtime.checkout.checkout import AnyCheckout, Checkout
from connpool_runtime.checkout.opening import refuse_late
from connpool_runtime.checkout.time_limit import TimeLimit
from connpool_runtime.deadlines import remaining

__all__ = ["acquire"]

C = TypeVar("C")


async def acquire(checkout: Checkout[C], lease: Lease[C], call: Call) -> C:
    """Take a member for a call, waiting for one if necessary, and return its client.

    The wait queue, opening and validating share one limit: `checkout_timeout`, or what is left of the
    caller's deadline.

    Raises:
        Rejected: no member could be taken.
    """
    state = checkout.state
    seconds = min(state.settings.checkout_timeout, remaining())
    limit: TimeLimit | None = None  # created only if the call has to wait
    while True:
        waiter = checkout.claim(lease, call, seconds, _new_signal)
        if waiter is not None:
            limit = limit or TimeLimit(seconds, state.clock)
            while not waiter.over:
                if not await waiter.signal.wait(min(limit.left, checkout.patience())):
                    checkout.look_up(lease, limit.left, seconds)
            checkout.arrive(lease, waiter)
        if not lease.member.source.needs_preparation(lease, state.clock()):
            break
        late = limit is not None and limit.left <= 0.0
        if late or remaining() <= 0.0:
            raise refuse_late(checkout, lease, call, seconds)
        limit = limit or TimeLimit(seconds, state.clock)
        if await _prepare(checkout, lease, call, limit.left):
            lease.lent_at = state.clock()  # the time for opening a client does not count as its use
            break
        if ASYNC:
            # A factory may fail before it awaits anything, and with `connect_backoff=0` it is tried again at
            # once: other tasks, and one that cancels this task, get their turn first.
            from connpool_runtime._concurrency.tasks import sleep

            await sleep(0)
    call.begin(lease.member)
    lease.used = True
    return lease.client


# Imported by the first call that has to wait or to open a client; most programs have none.


def _new_signal() -> Any:
    from connpool_runtime._concurrency import tasks

    return tasks.Signal()


async def _prepare(checkout: AnyCheckout, lease: AnyLease, call: Call, limit: float) -> bool:
    from connpool_runtime.checkout.async_opener import prepare

    return await prepare(checkout, lease, call, limit)
