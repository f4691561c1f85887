"""Changes options of a running pool; its members and its running and waiting calls stay."""

from __future__ import annotations

import math
from typing import Any

from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.errors import PoolClosed
from connpool_runtime.members.member import Member
from connpool_runtime.settings import PoolSettings

__all__ = ["change_settings"]


def change_settings(checkout: AnyCheckout, settings: PoolSettings) -> None:
    """Make a pool use other settings from now on.

    An ejected member stays ejected for as long as planned. A member whose limit was the pool's gets the new
    limit; calls beyond it end normally. Where the buckets of the histograms change, or whether methods are
    counted apart, the counts begin anew.

    Arguments:
        checkout: of the pool.
        settings: the new ones; clock and random are those of the old ones.

    Raises:
        ValueError: a setting differs that cannot change in a running pool.
        PoolClosed: the pool was closed.
    """
    state, router = checkout.state, checkout.router
    _refuse_fixed(state.settings, settings)
    with state.after_lock, state.lock:
        if state.membership.closed:
            raise PoolClosed(f"pool {state.name!r} is closed", pool=state.name)
        before = state.settings
        settings = settings.replaced(clock=before.clock, random=before.random)
        state.follow_settings(settings)
        for member in state.membership.members:
            _change_member_locked(state, member, before)
        checkout.recorder.follow_settings(before)
        router.rebuild_locked()
        for member in state.membership.members:
            router.refresh_locked(member)
        state.latest.clear()
        state.latest_uses.clear()
        state.queue.free(*state.membership.may_serve)


def _refuse_fixed(before: PoolSettings, after: PoolSettings) -> None:
    was, now = before.options(), after.options()
    for name, option in PoolSettings.declared.items():
        if not option.reloadable and name not in _KEPT and was[name] != now[name]:
            raise ValueError(
                f"{name} cannot change in a running pool, where it is {was[name]!r}: create a new pool"
            )


_KEPT = {"clock", "random"}  # only for tests; never changed in a running pool


def _change_member_locked(state: PoolState[Any], member: Member[Any], before: PoolSettings) -> None:
    member.begin_change()
    member.breaker.follow_settings(state.settings.breaker_settings())
    source = member.source
    if isinstance(source, SingleClient) and source.limit == _limit(before):
        source.limit = member.limit = _limit(state.settings)


def _limit(settings: PoolSettings) -> float:
    return math.inf if settings.max_concurrency is None else settings.max_concurrency
