"""The bookkeeping, under the pool's lock, of clients that are opened, validated and discarded.

Opening, checking and closing themselves happen without the lock, in `opener.py` and `async_opener.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import AnyLease
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.state import PoolState
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.errors import PoolTimeout
from connpool_runtime.members.member import Member

__all__ = [
    "close_late",
    "close_unused",
    "discard",
    "give_back_unused",
    "lend_opened",
    "opening_broke_off",
    "opening_failed",
    "opening_idle",
    "reopen_in_background",
    "refuse_late",
    "store_of",
    "stores_of",
    "trust",
]


def stores_of(state: PoolState[Any]) -> list[tuple[Member[Any], ClientStore[Any]]]:
    """Return the members whose clients are opened on demand, with their stores."""
    return [
        (member, member.source)
        for member in state.membership.members
        if isinstance(member.source, ClientStore)
    ]


def store_of(lease: AnyLease) -> ClientStore[Any]:
    """Return the store that a lease's client is from."""
    return cast("ClientStore[Any]", lease.member.source)


def discard(checkout: AnyCheckout, lease: AnyLease) -> None:
    """Give back a client that is not usable, to be closed."""
    state = checkout.state
    with state.after_lock, state.lock:
        if lease.entry is not None:
            store_of(lease).retire(lease.entry)
        checkout.give_back_locked(lease, None)


def trust(checkout: AnyCheckout, lease: AnyLease, source: SingleClient[Any]) -> None:
    """Note that the one client of a member was validated successfully."""
    state, member = checkout.state, lease.member
    with state.after_lock, state.lock:
        source.needs_validation = False
        checkout.router.changed_locked(member, member.breaker.state)


def give_back_unused(checkout: AnyCheckout, lease: AnyLease) -> None:
    """Give back a member whose client was not used."""
    state = checkout.state
    with state.after_lock, state.lock:
        checkout.give_back_locked(lease, None)


def lend_opened(checkout: AnyCheckout, lease: AnyLease, opened: list[Any]) -> None:
    """Move a client that a caller opened from a list into the store, lent to this caller."""
    state, store = checkout.state, store_of(lease)
    draw = state.settings.random()
    with state.after_lock, state.lock:
        entry = store.entry_of(opened[0], state.clock(), draw)
        # One statement, so that an interrupt finds the right to open and the client in the list, or neither.
        store.entries, store.opening_for_caller, entry.uses, lease.entry, opened[:] = (
            (*store.entries, entry),
            store.opening_for_caller - 1,
            1,
            entry,
            (),
        )
        store.put(entry)
        state.maintenance_due = True
        checkout.router.follow_locked(lease.member)  # the endpoint may be reachable again


def close_unused(checkout: AnyCheckout, store: ClientStore[Any], opened: list[Any]) -> None:
    """Close a client that was opened and is in no store, if there is one: its opening was broken off."""
    if opened:
        state = checkout.state
        with state.after_lock, state.lock:
            store.to_close.extend(opened)
            state.maintenance_due = True
        close_late(checkout, store)


def close_late(checkout: AnyCheckout, store: ClientStore[Any]) -> None:
    """Have the clients closed that an endpoint got after it had left: its own closing no longer includes them."""
    state = checkout.state
    if store.closed and state.housekeeper is not None:
        state.housekeeper.close_late(state.name, store)


def opening_failed(checkout: AnyCheckout, lease: AnyLease, call: Call, error: Exception) -> None:
    """Give back the right to open a client, after the opening failed."""
    state = checkout.state
    call.avoid(lease.member)
    draw = state.settings.random()
    with state.after_lock, state.lock:
        store_of(lease).refused(error, state.clock(), draw)
        checkout.give_back_locked(lease, None)
        # To follow up on who is reachable, and on the time of the next attempt.
        checkout.router.follow_locked(call.tried[-1])


def reopen_in_background(checkout: AnyCheckout, store: ClientStore[Any]) -> None:
    """Have a client opened in the background, after a caller broke off its opening: the next caller finds it open.

    Unless one is idle meanwhile, which another caller has opened and used.
    """
    state = checkout.state
    with state.after_lock, state.lock:
        store.reopen_due = not store.idle_entries()
        state.maintenance_due = True


def refuse_late(checkout: AnyCheckout, lease: AnyLease, call: Call, seconds: float) -> PoolTimeout:
    """Give back the right to open or validate a client because no time is left; return the refusal."""
    state, member = checkout.state, lease.member
    causes = [one.source.cause for one in call.tried if one.source.cause is not None]
    refusal = PoolTimeout(
        f"no client of pool {state.name!r} was opened and validated within {seconds:.3g} s;"
        f" {member.name!r} would have been next",
        pool=state.name,
        cause=without_traceback(causes[-1]) if causes else None,
    )
    with state.after_lock, state.lock:
        checkout.give_back_locked(lease, None)
        state.counters.reject(refusal)
    return refusal


def opening_broke_off(
    checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any], error: BaseException
) -> None:
    """Note that a background opening ended with an error that is no `Exception`; the next one waits as after any failure."""
    state = checkout.state
    draw = state.settings.random()
    with state.after_lock, state.lock:
        store.refused(error, state.clock(), draw)
        checkout.router.follow_locked(member)


@contextmanager
def opening_idle(
    checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]
) -> Generator[Callable[[list[Any]], None] | None, None, None]:
    """Reserve the right to open one client that no call waits for.

    Yields what moves the opened client from a list into the store; None if no client may be opened now.
    """
    state = checkout.state
    with state.after_lock, state.lock:
        allowed = (store.may_open or store.may_reopen) and not member.leaving
        if allowed:
            store.opening_idle += 1
    if not allowed:
        yield None
        return
    draw = state.settings.random()

    def put(opened: list[Any]) -> None:
        with state.after_lock, state.lock:
            entry = store.entry_of(opened[0], state.clock(), draw)
            # One statement, so that an interrupt finds the client in the list or in the store.
            store.entries, opened[:] = (*store.entries, entry), ()
            store.put(entry)

    try:
        yield put
    except Exception as error:
        with state.after_lock, state.lock:
            store.refused(error, state.clock(), draw)
        raise
    finally:
        with state.after_lock, state.lock:
            store.opening_idle -= 1
            state.queue.free(member)
            state.maintenance_due = True
            checkout.router.follow_locked(member)
