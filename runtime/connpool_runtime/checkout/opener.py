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
from connpool_runtime.checkout.lending import discard, lend, restocking, stock_of, unopened
from connpool_runtime.clients.store import Stock
from connpool_runtime.errors import PoolExhausted
from connpool_runtime.members.member import Member

__all__ = [
    "clear_out",
    "clear_out_async",
    "closing_of",
    "fit",
    "fit_async",
    "refuse_opening",
    "open_one",
    "open_one_async",
]


def fit(engine: Engine[Any], lease: Lease[Any], call: Call) -> bool:
    """See to it that a lease has a client that works; if that fails, give the lease back."""
    stock = stock_of(lease)
    if lease.entry is not None:
        if _passes(stock, lease.entry.client):
            lease.entry.doubtful = False
            return True
        discard(engine, lease)
        return False
    made: list[Any] = []
    try:
        made.append(stock.factory())
        lend(engine, lease, made[0])
    except Exception as error:
        unopened(engine, lease, call, error)
        return False
    finally:
        if lease.entry is None:  # an interrupt came in between
            stock.trash.extend(made)
    return True


def _passes(stock: Stock[Any], client: Any) -> bool:
    if stock.validate is None:
        return True
    try:
        return stock.validate(client) is not False
    except Exception:
        return False


async def fit_async(engine: Engine[Any], lease: Lease[Any], call: Call, limit: float) -> bool:
    """Do the same in a task; opening may take as long as the call may wait for a member."""
    import asyncio

    stock = stock_of(lease)
    if lease.entry is not None:
        if await _passes_async(stock, lease.entry.client):
            lease.entry.doubtful = False
            return True
        discard(engine, lease)
        return False
    made: list[Any] = []
    try:
        async with asyncio.timeout(limit):
            made.append(await _result(stock.factory()))
        lend(engine, lease, made[0])
    except Exception as error:
        unopened(engine, lease, call, error)
        return False
    finally:
        if lease.entry is None:
            stock.trash.extend(made)
    return True


async def _passes_async(stock: Stock[Any], client: Any) -> bool:
    if stock.validate is None:
        return True
    try:
        return await _result(stock.validate(client)) is not False
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
    """Open one client for the stock, if one may be opened; tell whether it was.

    Raises:
        Exception: what the factory raised.
    """
    with restocking(engine, member) as put:
        if put is None or member.stock is None:
            return False
        put(member.stock.factory())
    return True


async def open_one_async(engine: Engine[Any], member: Member[Any]) -> bool:
    """Do the same in a task."""
    with restocking(engine, member) as put:
        if put is None or member.stock is None:
            return False
        put(await _result(member.stock.factory()))
    return True


def clear_out(pool: str, stock: Stock[Any]) -> list[Exception]:
    """Close what is in the trash; return what went wrong, which is logged too."""
    errors: list[Exception] = []
    while stock.trash:
        client = stock.trash.popleft()
        try:
            if stock.close is not None:
                stock.close(client)
        except Exception as error:
            log_failure("closing a client of pool %r failed", pool)
            errors.append(error)
    return errors


async def clear_out_async(pool: str, stock: Stock[Any]) -> list[Exception]:
    """Do the same in a task."""
    errors: list[Exception] = []
    while stock.trash:
        client = stock.trash.popleft()
        try:
            if stock.close is not None:
                await _result(stock.close(client))
        except Exception as error:
            log_failure("closing a client of pool %r failed", pool)
            errors.append(error)
    return errors


def closing_of(engine: Engine[Any], stock: Stock[Any]) -> Callable[[], Any]:
    """Return what closes all clients of a member that has left: a coroutine function for tasks."""

    def close() -> None:
        with engine.lock:
            stock.clear()
        _raise(engine.name, clear_out(engine.name, stock))

    async def close_async() -> None:
        with engine.lock:
            stock.clear()
        _raise(engine.name, await clear_out_async(engine.name, stock))

    return close if engine.blocking else close_async


def _raise(pool: str, errors: list[Exception]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"closing clients of pool {pool!r}", errors)
