"""The quick way of a call on members with a limit, for when one is free and nobody waits.

One short look under the lock to take a member, and one to give it back: no object is made, nothing
is signalled. Whatever is out of the ordinary goes on with a lease, the long way.
"""

from __future__ import annotations

from typing import Any, TypeVar

from connpool_runtime.breaker.breaker import Generation
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.calls.method import Method
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.checkout.recorder import ended, record
from connpool_runtime.checkout.state import LockedFastPath
from connpool_runtime.clients.store import ClientStore, PooledClient
from connpool_runtime.members.member import Member

__all__ = ["BUSY", "call_single", "call_stored", "drop"]

C = TypeVar("C")
R = TypeVar("R")


def call_stored(
    engine: Engine[C],
    way: LockedFastPath[C],
    member: Member[C],
    store: ClientStore[C],
    method: Method[C, R],
    args: tuple[Any, ...],
) -> R:
    """Run a method on an idle client of a member, as `Pool.call` does; or return `BUSY`.

    In one piece, because each function more would cost a tenth of it.
    """
    _, clock, latest, lock, waiters = way
    lease: Lease[C] | None = None
    entry: PooledClient[C] | None = None
    generation: Generation | None = None
    started, held = clock(), False
    try:
        try:
            with lock:
                if (
                    not waiters
                    and (generation := member.fast_generation)
                    and (entry := store.peek_idle(started))
                ):
                    member.taken, entry.uses, held = member.taken + 1, 1, True
                    store.idle.pop()
            if entry is None:
                return BUSY  # type: ignore[no-any-return]  # by its contract
            result = method.invoke(entry.client, args)
            elapsed = (now := clock()) - started
            with lock:
                if member.fast_generation is generation and not waiters and now < entry.expires_at:
                    store.idle.append(entry)
                    member.served, entry.uses, held = member.served + 1, 0, False
                    entry.used_at = now
            if held:
                lease = Lease(member, generation, engine.fork_generation, entry)
                lease.held, held = True, False
                engine.end(lease, Call(engine.name, method, args), started)
                return result
        except BaseException as error:
            lease = lease or Lease(member, generation, engine.fork_generation, entry)
            lease.held, held = lease.held or held, False
            engine.end(lease, Call(engine.name, method, args), started, error)
            raise
    except BaseException:
        drop(
            engine, lease or Lease(member, generation, engine.fork_generation, entry), method, held
        )
        raise
    bucket = latest.get(method) or ended(engine, method, member, member.fast_generation, elapsed)
    if bucket.low < elapsed <= bucket.high:
        bucket.count, bucket.total = bucket.count + 1, bucket.total + elapsed
    else:
        record(engine, method, member, generation, elapsed)
    return result


BUSY: Any = object()
"""Stands for a result: no member was called, go the long way."""


def call_single(
    engine: Engine[C],
    way: LockedFastPath[C],
    member: Member[C],
    method: Method[C, R],
    args: tuple[Any, ...],
) -> R:
    """Run a method on a member if it is free, as `Pool.call` does; or return `BUSY`.

    In one piece, because each function more would cost a tenth of it.
    """
    _, clock, latest, lock, waiters = way
    lease: Lease[C] | None = None
    started = clock()
    generation: Generation | None = None
    held = False
    try:
        try:
            with lock:
                free = not waiters and member.taken - member.served < member.limit
                if free and (generation := member.fast_generation) is not None:
                    member.taken, held = member.taken + 1, True
            if not held:
                return BUSY  # type: ignore[no-any-return]  # by its contract
            result = method.invoke(member.client, args)
            elapsed = clock() - started
            with lock:
                if member.fast_generation is generation and not waiters:
                    member.served, held = member.served + 1, False
            if held:
                lease = Lease(member, generation, engine.fork_generation)
                lease.held, held = True, False
                engine.end(lease, Call(engine.name, method, args), started)
                return result
        except BaseException as error:
            lease = lease or Lease(member, generation, engine.fork_generation)
            if held:
                lease.held, held = True, False
            engine.end(lease, Call(engine.name, method, args), started, error)
            raise
    except BaseException:
        drop(engine, lease or Lease(member, generation, engine.fork_generation), method, held)
        raise
    bucket = latest.get(method) or ended(engine, method, member, member.fast_generation, elapsed)
    if not bucket.low < elapsed <= bucket.high:
        record(engine, method, member, generation, elapsed)
        return result
    bucket.count += 1
    bucket.total += elapsed
    return result


def drop(engine: Engine[C], lease: Lease[C], method: Method[C, Any], held: bool) -> None:
    """Give back what an interrupt kept from being given back; mostly nothing."""
    if held:
        lease.held = True  # the caller, who held the member, is on its way out
    engine.drop(lease, Call(engine.name, method))
