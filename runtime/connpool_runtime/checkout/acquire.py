# Made by tools/derive_sync.py from async_acquire.py; edit that.
"""A call gets a client: takes a member, waiting in the queue and opening a client if need be."""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.deadlines import remaining

__all__ = ["acquire"]

C = TypeVar("C")


def acquire(checkout: Checkout[C], lease: Lease[C], call: Call) -> C:
    """Take a member for a call, waiting for one if need be, and return its client.

    Raises:
        Rejected: no member could be taken.
    """
    state = checkout.state
    limit = left = min(state.settings.checkout_timeout, remaining())
    while True:
        waiter = checkout.claim(lease, call, left, _new_signal)
        if waiter is not None:
            while not waiter.over:
                step = min(left, checkout.patience())
                if not waiter.signal.wait(step):
                    left -= step
                    checkout.look_up(lease, left, limit)
            checkout.arrive(lease, waiter)
        ready = not lease.member.source.needs_preparation(lease, state.clock())
        if ready or _prepare(checkout, lease, call, limit):
            call.begin(lease.member)
            return lease.client


# Imported by the first call that has to wait, or to open a client; most programs have none.


def _new_signal() -> Any:
    from connpool_runtime._concurrency import threads

    return threads.Signal()


def _prepare(checkout: Checkout[Any], lease: Lease[Any], call: Call, limit: float) -> bool:
    from connpool_runtime.checkout.opener import prepare

    return prepare(checkout, lease, call, limit)
