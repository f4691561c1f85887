"""How calls come by a member that only so many may use at a time: at once, or by waiting in line.

The colour-free part: what needs the pool's lock, and nothing that waits. A caller's place in the
line belongs to its lease, so giving the lease back, at whatever moment, leaves the line too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.wait_queue import Waiter
from connpool_runtime.errors import PoolExhausted, PoolTimeout, TooManyWaiting
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from connpool_runtime.checkout.engine import Engine

__all__ = ["arrive", "attend", "attend_locked", "claim", "expire", "patience", "poke"]

NewSignal = Callable[[], Any]


def claim(
    engine: Engine[Any],
    lease: Lease[Any],
    call: Call,
    limit: float,
    new_signal: NewSignal | None,
) -> Waiter | None:
    """Take a member for a call; return the place in the line if it has to wait for one.

    Arguments:
        engine: of the pool.
        lease: gets the member, or the place.
        call: what the member is for.
        limit: how long the call may wait, in seconds.
        new_signal: makes what wakes the caller; None if it cannot wait.

    Raises:
        Rejected: there is no member to take or to wait for, or no place in the line.
    """
    member, call.given = call.given, None
    if member is None or member is engine.slow_path_member:
        member = _choose(engine, call)
    while member is None or not engine.take(lease, member):
        if member is None and _stand_in_line(engine, lease, limit, new_signal):
            return lease.waiter
        member = _choose(engine, call)
    return None


def _choose(engine: Engine[Any], call: Call) -> Member[Any] | None:
    """Pick a member that can take one more call, unless others wait for it already."""
    candidates = engine.candidates()
    if not engine.limited:
        member: Member[Any] | None = engine.picking.choose(call, candidates)
    elif engine.line.waiters:
        return None
    else:
        member = engine.picking.choose_free(call, candidates)
    refusal = call.refusal(member)
    if refusal is not None:
        raise refusal
    return member


def _stand_in_line(
    engine: Engine[Any], lease: Lease[Any], limit: float, new_signal: NewSignal | None
) -> bool:
    """Join the line, unless a member became free meanwhile or there is none to wait for."""
    refusal = None
    with engine.lock:
        line, available = engine.line, engine.membership.available
        if not available or (not line.waiters and any(member.free for member in available)):
            return False
        refusal = _no_place(engine, limit, new_signal)
        if refusal is not None:
            engine.counts.reject(refusal)
        elif new_signal is not None:
            lease.waiter = waiter = Waiter(lease, new_signal(), engine.clock())
            line.join(waiter)
    engine.act()
    if refusal is not None:
        raise refusal
    return True


def _no_place(
    engine: Engine[Any], limit: float, new_signal: NewSignal | None
) -> PoolExhausted | None:
    busy = _busy(engine)
    if new_signal is None:
        return PoolExhausted(f"{busy}, and this form of call cannot wait", pool=engine.name)
    most = engine.settings.max_waiting
    if limit <= 0.0 or most == 0:
        return PoolExhausted(f"{busy}, and the call may not wait", pool=engine.name)
    if len(engine.line.waiters) >= most:
        return TooManyWaiting(
            f"{busy}, and {most} callers wait already, which is max_waiting", pool=engine.name
        )
    return None


def _busy(engine: Engine[Any]) -> str:
    available = engine.membership.available
    running = sum(member.in_flight for member in available)
    return (
        f"all {len(available)} available members of pool {engine.name!r} are busy"
        f" with {running} calls"
    )


def arrive(engine: Engine[Any], lease: Lease[Any], waiter: Waiter) -> None:
    """Leave the line with the member, or with the refusal.

    Raises:
        Rejected: so it was.
    """
    with engine.lock:
        engine.line.serve(waiter, engine.clock())
        lease.waiter = None
    if not lease.held and waiter.refusal is not None:
        raise waiter.refusal


def expire(engine: Engine[Any], waiter: Waiter, waited: float) -> None:
    """Refuse a waiter whose time is over, unless it got a member in the last moment."""
    with engine.lock:
        if not waiter.over and engine.line.leave(waiter):
            waiter.refusal = PoolTimeout(
                f"{_busy(engine)}, and none became free within {waited:.3g} s;"
                f" {len(engine.line.waiters)} other callers wait",
                pool=engine.name,
            )
            engine.counts.reject(waiter.refusal)
    engine.act()


def patience(engine: Engine[Any]) -> float:
    """Return the seconds until time alone may make a member available; `inf` if it never will."""
    wake_at = engine.membership.wake_at
    return math.inf if wake_at == math.inf else max(0.0, wake_at - engine.clock())


def poke(engine: Engine[Any]) -> None:
    """Do what time alone has made due, on behalf of those who wait."""
    with engine.lock:
        engine.line.free(*engine.membership.available)
    engine.act()


def attend(engine: Engine[Any]) -> None:
    """Hand free members to those who wait, or tell them that there is none to wait for."""
    with engine.lock:
        attend_locked(engine)


def attend_locked(engine: Engine[Any]) -> None:
    """The same where the lock is held already."""
    engine.wake_locked()
    line = engine.line
    while line.freed and line.waiters:
        _hand_out_locked(engine, line.freed[0])
        line.freed.popleft()
    if line.waiters and not engine.membership.available:
        _refuse_all_locked(engine)
    line.freed.clear()
    line.due = False


def _hand_out_locked(engine: Engine[Any], member: Member[Any]) -> None:
    line = engine.line
    while (waiter := line.first()) is not None:
        # Held already if an interrupt struck between the taking and the waking.
        if not waiter.lease.held and not (
            member.ready and member.free and engine.take_locked(waiter.lease, member)
        ):
            return
        if waiter.signal.set():
            line.serve(waiter, engine.clock())
        else:  # its event loop was closed: nobody will ever accept, so the next one gets it
            line.leave(waiter)
            engine.give_back_locked(waiter.lease, None)


def _refuse_all_locked(engine: Engine[Any]) -> None:
    for waiter in tuple(engine.line.waiters):
        if waiter.refusal is None and not waiter.lease.held:
            waiter.refusal = engine.membership.refusal(engine.clock())
            engine.counts.reject(waiter.refusal)
        waiter.signal.set()
        engine.line.leave(waiter)
