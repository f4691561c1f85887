"""The short way of an attempt on members with a limit: a client that is ready is lent, and taken back, with one look under the lock each.

For attempts that have a lease, because middleware has to see their call. Whatever is out of the ordinary is left to
`acquire.py` and to the recorder: calls that wait, a client that has to be opened or checked, an error, a breaker that
has to hear of a success. Nothing here waits.
"""

from __future__ import annotations

from typing import TypeVar

from connpool_runtime.balancing.picker import untried
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.state import LockedFastPath
from connpool_runtime.classifiers.verdict import SUCCESS

__all__ = ["give_back_success", "try_acquire"]

C = TypeVar("C")


def try_acquire(
    checkout: Checkout[C], path: LockedFastPath[C], lease: Lease[C], call: Call
) -> bool:
    """Lend a client that is ready to an attempt, if no call waits; return whether there was one.

    If there was none, the slow path begins with the member that was picked, which may only have to open a client:
    it would otherwise be passed over as often as the balancer picks it here.

    Arguments:
        checkout: of the pool.
        path: its locked fast path.
        lease: of the attempt; gets the client.
        call: whose attempt it is; it may be fast.

    Raises:
        Rejected: there is no member to pick.
    """
    pick, clock, _, lock, waiters = path
    if call.tried:
        pick = untried(pick, call.tried, checkout.state.slow_path_member)
    call.given = member = pick()
    with lock:
        if waiters or (generation := member.fast_generation) is None:
            return False
        # These mean nothing until the lease is held, which the source sets in one statement.
        lease.taken_from, lease.generation = member, generation
        lease.lent_at = lease.began = now = clock()
        if not member.source.lend_ready(member, lease, now):
            return False
    call.given = None
    call.begin(member)
    lease.used = True
    return True


def give_back_success(
    checkout: Checkout[C], path: LockedFastPath[C], lease: Lease[C], call: Call
) -> bool:
    """Take back the client of an attempt that succeeded, if nothing else follows from it; return whether that was done.

    Arguments:
        checkout: of the pool.
        path: by which the client was lent.
        lease: of the attempt.
        call: whose attempt it is.
    """
    state, member = checkout.state, lease.member
    _, clock, _, lock, waiters = path
    with lock:
        if waiters or member.steady_generation is not lease.generation:
            return False
        seconds = (now := clock()) - lease.lent_at
        if seconds > state.slow_call_duration:
            return False
        if not member.source.take_back_ready(member, lease, now):
            return False
        if state.observes_latency:
            member.latency.observe(seconds, False, now)
        if state.membership.limited:
            state.counters.other_uses.record(seconds)
    call.verdict = SUCCESS
    if call.suspects:
        checkout.recorder.record_proof(call, member)
    return True
