"""The limit that bulkheads and adaptive limits share."""

import threading

from connpool_runtime._concurrency.fifo import Permit, PermitState
from connpool_runtime.middleware.concurrency import ConcurrencyLimiter


def test_leaving_waits_for_no_lock() -> None:
    """A permit is given back even where the lock is held, by the very thread or another one: later."""
    limiter = ConcurrencyLimiter(limit=1, max_waiting=0, max_wait=0.0)
    first, second = Permit(), Permit()
    assert limiter.enter(first)
    with limiter._lock:  # as when a finalizer interrupts the holder
        limiter.leave(first)
        limiter.leave(first)
        assert first.state is PermitState.INSIDE
    assert limiter.enter(second)
    assert first.state is PermitState.OUTSIDE
    limiter.leave(second)
    assert limiter.slots.inside == 0


def test_a_permit_that_was_left_goes_to_who_waits() -> None:
    """Whoever holds the lock meanwhile gives back what others left, and wakes who waits for it."""
    limiter = ConcurrencyLimiter(limit=1, max_waiting=1, max_wait=10.0)
    first, second, entered = Permit(), Permit(), list[bool]()
    limiter.enter(first)
    waiter = threading.Thread(target=lambda: entered.append(limiter.enter(second)))
    waiter.start()
    while not limiter.slots.waiting:
        pass
    with limiter._lock:
        limiter.leave(first)
    limiter.resize(1)  # any holder will do
    waiter.join(10.0)
    assert entered == [True]
    limiter.leave(second)
