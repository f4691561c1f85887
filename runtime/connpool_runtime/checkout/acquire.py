"""Where a call waits until it has a client: on its thread, or in its task."""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime._concurrency.threads import Signal
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.checkout.lending import needs_look
from connpool_runtime.checkout.queue import arrive, claim, expire, patience, poke
from connpool_runtime.deadlines import remaining

__all__ = ["admit", "admit_async"]

C = TypeVar("C")


def admit(engine: Engine[C], lease: Lease[C], call: Call) -> C:
    """Take a member for a call, waiting in line if need be, and return its client.

    In an `AsyncPool` it neither waits nor opens or checks a client: the event loop's thread is not
    to be blocked.

    Raises:
        Rejected: no member could be taken.
    """
    limit = left = min(engine.settings.checkout_timeout, remaining())
    while True:
        waiter = claim(engine, lease, call, left, Signal if engine.blocking else None)
        if waiter is not None:
            while not waiter.over:
                step = min(left, patience(engine))
                if not waiter.signal.wait(step):
                    left -= step
                    _look_up(engine, lease, left, limit)
            arrive(engine, lease, waiter)
        if not needs_look(engine, lease) or _prepare(engine, lease, call):
            call.begin(lease.member)
            return lease.client


def _prepare(engine: Engine[Any], lease: Lease[Any], call: Call) -> bool:
    from connpool_runtime.checkout.opener import prepare, refuse_opening

    return prepare(engine, lease, call) if engine.blocking else refuse_opening(engine, lease)


async def admit_async(engine: Engine[C], lease: Lease[C], call: Call) -> C:
    """Do the same in a task, which may wait.

    Raises:
        Rejected: no member could be taken.
    """
    if not engine.limited:  # then nobody waits, and asyncio is not needed
        claim(engine, lease, call, 0.0, None)
        call.begin(lease.member)
        return lease.client
    from connpool_runtime._concurrency.tasks import Signal as AsyncSignal
    from connpool_runtime.checkout.opener import prepare_async

    limit = left = min(engine.settings.checkout_timeout, remaining())
    while True:
        waiter = claim(engine, lease, call, left, AsyncSignal)
        if waiter is not None:
            while not waiter.over:
                step = min(left, patience(engine))
                if not await waiter.signal.wait(step):
                    left -= step
                    _look_up(engine, lease, left, limit)
            arrive(engine, lease, waiter)
        if not needs_look(engine, lease) or await prepare_async(engine, lease, call, limit):
            call.begin(lease.member)
            return lease.client


def _look_up(engine: Engine[C], lease: Lease[C], left: float, limit: float) -> None:
    """Look what has become of a caller whose signal did not come so far."""
    if lease.waiter is None or left > 0.0:
        poke(engine)
    else:
        expire(engine, lease.waiter, limit)
