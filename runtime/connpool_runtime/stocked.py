"""The quick way of a call on an endpoint with a factory, for when a client is idle and nobody waits.

The same as for members with a limit, except that a client is taken and put back, too.
"""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime.core.breaker import Epoch
from connpool_runtime.core.call import Call
from connpool_runtime.core.entry import Entry
from connpool_runtime.core.lease import Lease
from connpool_runtime.core.member import Member
from connpool_runtime.core.method import Method
from connpool_runtime.core.stock import Stock
from connpool_runtime.engine import Engine
from connpool_runtime.exits import ended, record
from connpool_runtime.limited import BUSY, drop
from connpool_runtime.state import QuickWay

__all__ = ["call_stocked"]

C = TypeVar("C")
R = TypeVar("R")


def call_stocked(
    engine: Engine[C],
    way: QuickWay[C],
    member: Member[C],
    stock: Stock[C],
    method: Method[C, R],
    args: tuple[Any, ...],
) -> R:
    """Run a method on an idle client of a member, as `Pool.call` does; or return `BUSY`.

    In one piece, because each function more would cost a tenth of it.
    """
    _, clock, latest, lock, waiters = way
    lease: Lease[C] | None = None
    entry: Entry[C] | None = None
    epoch: Epoch | None = None
    started, held = clock(), False
    try:
        try:
            with lock:
                if not waiters and (epoch := member.calm) and (entry := stock.at_hand(started)):
                    member.taken, entry.uses, held = member.taken + 1, 1, True
                    stock.idle.pop()
            if entry is None:
                return BUSY  # type: ignore[no-any-return]  # by its contract
            result = method.invoke(entry.client, args)
            elapsed = (now := clock()) - started
            with lock:
                if member.calm is epoch and not waiters and now < entry.expires_at:
                    stock.idle.append(entry)
                    member.served, entry.uses, held = member.served + 1, 0, False
                    entry.used_at = now
            if held:
                lease = Lease(member, epoch, engine.generation, entry)
                lease.held, held = True, False
                engine.end(lease, Call(engine.name, method, args), started)
                return result
        except BaseException as error:
            lease = lease or Lease(member, epoch, engine.generation, entry)
            lease.held, held = lease.held or held, False
            engine.end(lease, Call(engine.name, method, args), started, error)
            raise
    except BaseException:
        drop(engine, lease or Lease(member, epoch, engine.generation, entry), method, held)
        raise
    bucket = latest.get(method) or ended(engine, method, member, member.calm, elapsed)
    if bucket.low < elapsed <= bucket.high:
        bucket.count, bucket.total = bucket.count + 1, bucket.total + elapsed
    else:
        record(engine, method, member, epoch, elapsed)
    return result
