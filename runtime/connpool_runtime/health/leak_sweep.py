"""Searches a pool for leaks: reports clients that were not given back for `leak_threshold`."""

from __future__ import annotations

from typing import Any

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._log import extra, runtime_logger
from connpool_runtime.calls.lease import AnyLease
from connpool_runtime.calls.loan import Loan
from connpool_runtime.checkout.checkout import AnyCheckout

__all__ = ["LeakSweep"]


class LeakSweep:
    """Searches a pool for leaks, and remembers the suspects. For one thread or task at a time."""

    def __init__(self) -> None:
        self._suspected: dict[AnyLease, Loan] = {}
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget all suspects in a child process, to which no lease of the parent belongs."""
        self._suspected = {}

    def __call__(self, checkout: AnyCheckout) -> float:
        """Report clients that have been held for too long, and those of them that have come back since.

        Returns:
            When to look again, in seconds of the pool's clock.
        """
        state = checkout.state
        threshold = state.settings.leak_threshold
        with state.after_lock, state.lock:
            now = state.clock()
            loans = dict(state.loans or {})
            late = {
                lease: loan
                for lease, loan in loans.items()
                if not loan.told and now - loan.since >= threshold
            }
            state.counters.leaks += len(late)
            for loan in late.values():
                loan.told = True
        for lease, loan in late.items():
            _tell(checkout, lease, loan, now - loan.since)
        for lease in [lease for lease in self._suspected if not lease.held]:
            loan = self._suspected.pop(lease)
            runtime_logger().info(
                "pool %r: the client of %r that was taken for %s has been given back within %.3g s, and is no leak",
                state.name,
                lease.member.name,
                loan.method,
                now - loan.since,
                extra=_fields(
                    "leak_cleared", state.name, lease.member.name, loan, now - loan.since
                ),
            )
        self._suspected.update(late)
        waiting = (loan.since for loan in loans.values() if not loan.told)
        return min(waiting, default=now) + threshold


def _fields(event_name: str, pool: str, member: str, loan: Loan, seconds: float) -> dict[str, Any]:
    return extra(
        event_name=event_name, pool=pool, member=member, method=loan.method, seconds=seconds
    )


def _tell(checkout: AnyCheckout, lease: AnyLease, loan: Loan, seconds: float) -> None:
    state, member = checkout.state, lease.member.name
    stack = loan.lines()
    runtime_logger().warning(
        "pool %r: a client of %r was not given back for %.3g s, and may be leaked; it was taken for %s by\n%s",
        state.name,
        member,
        seconds,
        loan.method,
        "\n".join(stack),
        extra=_fields("leak_suspected", state.name, member, loan, seconds),
    )
    if not state.events.has_listeners:
        return
    from connpool_runtime.events.types import LeakSuspected

    event = LeakSuspected(
        pool=state.name, member=member, method=loan.method, seconds=seconds, stack=stack
    )
    with state.after_lock, state.lock:
        state.events.queue(event)
