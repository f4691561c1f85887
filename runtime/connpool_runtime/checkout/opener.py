"""Opens, checks and closes the clients of endpoints with a factory; no lock is held meanwhile.

Each function has two colours. What a factory, a check or a closing raises stays here, as evidence
that the endpoint cannot be reached or that the client is unfit; it is raised again only as a cause.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from connpool_runtime._log import log_failure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.checkout.lending import (
    discard,
    lend,
    opening_idle,
    store_of,
    unopened,
)
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.errors import PoolExhausted
from connpool_runtime.members.member import Member

__all__ = [
    "clear_out",
    "clear_out_async",
    "closing_of",
    "prepare",
    "prepare_async",
    "refuse_opening",
    "open_one",
    "open_one_async",
]


def prepare(engine: Engine[Any], lease: Lease[Any], call: Call) -> bool:
    """See to it that a lease has a client that works; if that fails, give the lease back."""
    store = store_of(lease)
    if lease.entry is not None:
        if _passes(store, lease.entry.client):
            lease.entry.needs_validation = False
            return True
        discard(engine, lease)
        return False
    made: list[Any] = []
    try:
        made.append(store.factory())
        lend(engine, lease, made[0])
    except Exception as error:
        unopened(engine, lease, call, error)
        return False
    finally:
        if lease.entry is None:  # an interrupt came in between
            store.to_close.extend(made)
    return True


def _passes(store: ClientStore[Any], client: Any) -> bool:
    if store.validate is None:
        return True
    try:
        return store.validate(client) is not False
    except Exception:
        return False


async def prepare_async(engine: Engine[Any], lease: Lease[Any], call: Call, limit: float) -> bool:
    """Do the same in a task; opening may take as long as the call may wait for a member."""
    import asyncio

    store = store_of(lease)
    if lease.entry is not None:
        if await _passes_async(store, lease.entry.client):
            lease.entry.needs_validation = False
            return True
        discard(engine, lease)
        return False
    made: list[Any] = []
    try:
        async with asyncio.timeout(limit):
            made.append(await _result(store.factory()))
        lend(engine, lease, made[0])
    except Exception as error:
        unopened(engine, lease, call, error)
        return False
    finally:
        if lease.entry is None:
            store.to_close.extend(made)
    return True


async def _passes_async(store: ClientStore[Any], client: Any) -> bool:
    if store.validate is None:
        return True
    try:
        return await _result(store.validate(client)) is not False
    except Exception:
        return False


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def refuse_opening(engine: Engine[Any], lease: Lease[Any]) -> bool:
    """Give back what cannot be used without waiting.

    Raises:
        PoolExhausted: always.
    """
    with engine.lock:
        engine.give_back_locked(lease, None)
    engine.act()
    raise PoolExhausted(
        f"the next client of {lease.member.name!r} in pool {engine.name!r} has to be opened or"
        " checked first, and this form of call cannot wait for that",
        pool=engine.name,
    )


def open_one(engine: Engine[Any], member: Member[Any]) -> bool:
    """Open one client for the store, if one may be opened; tell whether it was.

    Raises:
        Exception: what the factory raised.
    """
    with opening_idle(engine, member) as put:
        if put is None or member.store is None:
            return False
        put(member.store.factory())
    return True


async def open_one_async(engine: Engine[Any], member: Member[Any]) -> bool:
    """Do the same in a task."""
    with opening_idle(engine, member) as put:
        if put is None or member.store is None:
            return False
        put(await _result(member.store.factory()))
    return True


def clear_out(pool: str, store: ClientStore[Any]) -> list[Exception]:
    """Close what is in the trash; return what went wrong, which is logged too."""
    errors: list[Exception] = []
    while store.to_close:
        client = store.to_close.popleft()
        try:
            if store.close is not None:
                store.close(client)
        except Exception as error:
            log_failure("closing a client of pool %r failed", pool)
            errors.append(error)
    return errors


async def clear_out_async(pool: str, store: ClientStore[Any]) -> list[Exception]:
    """Do the same in a task."""
    errors: list[Exception] = []
    while store.to_close:
        client = store.to_close.popleft()
        try:
            if store.close is not None:
                await _result(store.close(client))
        except Exception as error:
            log_failure("closing a client of pool %r failed", pool)
            errors.append(error)
    return errors


def closing_of(engine: Engine[Any], store: ClientStore[Any]) -> Callable[[], Any]:
    """Return what closes all clients of a member that has left: a coroutine function for tasks."""

    def close() -> None:
        with engine.lock:
            store.clear()
        _raise(engine.name, clear_out(engine.name, store))

    async def close_async() -> None:
        with engine.lock:
            store.clear()
        _raise(engine.name, await clear_out_async(engine.name, store))

    return close if engine.blocking else close_async


def _raise(pool: str, errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"closing clients of pool {pool!r}", errors)
