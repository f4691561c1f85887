"""Members with a store: lending its clients, and what became of those that were opened or checked.

What needs the pool's lock; opening, checking and closing happen elsewhere, without it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from connpool_runtime.checkout.engine import Engine

__all__ = [
    "borrow_locked",
    "discard",
    "lend",
    "needs_look",
    "return_locked",
    "store_of",
    "opening_idle",
    "unopened",
]


def borrow_locked(
    engine: Engine[Any], lease: Lease[Any], member: Member[Any], store: ClientStore[Any]
) -> bool:
    """Take an idle client for a call, or the right to open one; tell whether there was either."""
    entry = store.borrowable(engine.clock())
    engine.maintenance_due = engine.maintenance_due or bool(store.to_close)
    if entry is None and not store.may_open:
        return False
    lease.entry = entry  # which says nothing before the lease is held
    # One statement, as for any member.
    if entry is None:
        member.taken, lease.held, lease.taken_from, store.opening_for_caller = (
            *(member.taken + 1, True, member),
            store.opening_for_caller + 1,
        )
    else:
        member.taken, lease.held, lease.taken_from, entry.uses = (
            *(member.taken + 1, True, member),
            entry.uses + 1,
        )
        store.lend(entry)
    return True


def return_locked(
    engine: Engine[Any],
    lease: Lease[Any],
    member: Member[Any],
    store: ClientStore[Any],
    outcome: Outcome | None,
    error: BaseException | None,
) -> None:
    """Take a client back from a call, or the right to open one."""
    entry = lease.entry
    if entry is None:
        member.taken, lease.held, store.opening_for_caller = (
            member.taken - 1,
            False,
            store.opening_for_caller - 1,
        )
        return
    store.put_back(entry, engine.clock(), needs_validation=_casts_doubt(store, outcome, error))
    member.taken, lease.held, entry.uses = member.taken - 1, False, entry.uses - 1
    store.sweep()
    engine.maintenance_due = engine.maintenance_due or bool(store.to_close)


def _casts_doubt(
    store: ClientStore[Any], outcome: Outcome | None, error: BaseException | None
) -> bool:
    """Whether a client may be broken: it failed, or its only user broke off in the middle."""
    broken_off = error is not None and not isinstance(error, Exception)
    return outcome is Outcome.FAILURE or (broken_off and store.settings.max_concurrency == 1)


def needs_look(engine: Engine[Any], lease: Lease[Any]) -> bool:
    """Whether a client has to be opened or validated before the call can use it."""
    store = lease.member.store
    if store is None:
        return False
    return lease.entry is None or store.questionable(lease.entry, engine.clock())


def store_of(lease: Lease[Any]) -> ClientStore[Any]:
    """Return the store that a lease is from."""
    store = lease.member.store
    assert store is not None
    return store


def discard(engine: Engine[Any], lease: Lease[Any]) -> None:
    """Give back a client that is not fit for use, to be closed."""
    with engine.lock:
        if lease.entry is not None:
            store_of(lease).retire(lease.entry)
        engine.give_back_locked(lease, None)
    engine.act()


def lend(engine: Engine[Any], lease: Lease[Any], client: Any) -> None:
    """Put a client that the caller opened on the store, lent to the caller."""
    store = store_of(lease)
    draw = engine.settings.random()
    with engine.lock:
        entry = store.entry_of(client, engine.clock(), draw)
        # One statement, so that an interrupt finds the right to open, or the client.
        store.entries, store.opening_for_caller, entry.uses, lease.entry = (
            *((*store.entries, entry), store.opening_for_caller - 1),
            *(1, entry),
        )
        store.put(entry)
        engine.maintenance_due = True
        engine.rebuild_locked()  # it may be reachable again
    engine.act()


def unopened(engine: Engine[Any], lease: Lease[Any], call: Call, error: Exception) -> None:
    """Give back the right to open a client, which could not be used."""
    call.tried.append(lease.member)
    draw = engine.settings.random()
    with engine.lock:
        store_of(lease).refused(error, engine.clock(), draw)
        engine.give_back_locked(lease, None)
        engine.rebuild_locked()  # for who is reachable, and for the time to wake up
    engine.act()


@contextmanager
def opening_idle(
    engine: Engine[Any], member: Member[Any]
) -> Generator[Callable[[Any], None] | None, None, None]:
    """Hold the right to open a client for the store; give what puts it there, None without it."""
    store = member.store
    with engine.lock:
        allowed = store is not None and store.may_open and not member.leaving
        if store is not None and allowed:
            store.opening_idle += 1
    if store is None or not allowed:
        yield None
        return
    draw = engine.settings.random()

    def put(client: Any) -> None:
        with engine.lock:
            entry = store.entry_of(client, engine.clock(), draw)
            store.entries = (*store.entries, entry)
            store.put(entry)

    try:
        yield put
    except Exception as error:
        with engine.lock:
            store.refused(error, engine.clock(), draw)
        raise
    finally:
        with engine.lock:
            store.opening_idle -= 1
            engine.line.free(member)
            engine.maintenance_due = True
            engine.rebuild_locked()
        engine.act()
