"""Members with a stock: lending its clients, and what became of those that were opened or checked.

What needs the pool's lock; opening, checking and closing happen elsewhere, without it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import Lease
from connpool_runtime.clients.store import Stock
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from connpool_runtime.checkout.engine import Engine

__all__ = [
    "borrow_locked",
    "discard",
    "lend",
    "needs_look",
    "return_locked",
    "stock_of",
    "restocking",
    "unopened",
]


def borrow_locked(
    engine: Engine[Any], lease: Lease[Any], member: Member[Any], stock: Stock[Any]
) -> bool:
    """Take an idle client for a call, or the right to open one; tell whether there was either."""
    entry = stock.top(engine.clock())
    engine.chores = engine.chores or bool(stock.trash)
    if entry is None and not stock.may_open:
        return False
    lease.entry = entry  # which says nothing before the lease is held
    # One statement, as for any member.
    if entry is None:
        member.taken, lease.held, lease.taken_from, stock.lending = (
            *(member.taken + 1, True, member),
            stock.lending + 1,
        )
    else:
        member.taken, lease.held, lease.taken_from, entry.uses = (
            *(member.taken + 1, True, member),
            entry.uses + 1,
        )
        stock.lend(entry)
    return True


def return_locked(
    engine: Engine[Any],
    lease: Lease[Any],
    member: Member[Any],
    stock: Stock[Any],
    outcome: Outcome | None,
    error: BaseException | None,
) -> None:
    """Take a client back from a call, or the right to open one."""
    entry = lease.entry
    if entry is None:
        member.taken, lease.held, stock.lending = member.taken - 1, False, stock.lending - 1
        return
    stock.put_back(entry, engine.clock(), doubtful=_casts_doubt(stock, outcome, error))
    member.taken, lease.held, entry.uses = member.taken - 1, False, entry.uses - 1
    stock.sweep()
    engine.chores = engine.chores or bool(stock.trash)


def _casts_doubt(stock: Stock[Any], outcome: Outcome | None, error: BaseException | None) -> bool:
    """Whether a client may be broken: it failed, or its only user broke off in the middle."""
    broken_off = error is not None and not isinstance(error, Exception)
    return outcome is Outcome.FAILURE or (broken_off and stock.settings.max_concurrency == 1)


def needs_look(engine: Engine[Any], lease: Lease[Any]) -> bool:
    """Whether a client has to be opened or validated before the call can use it."""
    stock = lease.member.stock
    if stock is None:
        return False
    return lease.entry is None or stock.questionable(lease.entry, engine.clock())


def stock_of(lease: Lease[Any]) -> Stock[Any]:
    """Return the stock that a lease is from."""
    stock = lease.member.stock
    assert stock is not None
    return stock


def discard(engine: Engine[Any], lease: Lease[Any]) -> None:
    """Give back a client that is not fit for use, to be closed."""
    with engine.lock:
        if lease.entry is not None:
            stock_of(lease).retire(lease.entry)
        engine.give_back_locked(lease, None)
    engine.act()


def lend(engine: Engine[Any], lease: Lease[Any], client: Any) -> None:
    """Put a client that the caller opened on the stock, lent to the caller."""
    stock = stock_of(lease)
    draw = engine.settings.random()
    with engine.lock:
        entry = stock.entry_of(client, engine.clock(), draw)
        # One statement, so that an interrupt finds the right to open, or the client.
        stock.entries, stock.lending, entry.uses, lease.entry = (
            *((*stock.entries, entry), stock.lending - 1),
            *(1, entry),
        )
        stock.put(entry)
        engine.chores = True
        engine.rebuild_locked()  # it may be reachable again
    engine.act()


def unopened(engine: Engine[Any], lease: Lease[Any], call: Call, error: Exception) -> None:
    """Give back the right to open a client, which could not be used."""
    call.tried.append(lease.member)
    draw = engine.settings.random()
    with engine.lock:
        stock_of(lease).refused(error, engine.clock(), draw)
        engine.give_back_locked(lease, None)
        engine.rebuild_locked()  # for who is reachable, and for the time to wake up
    engine.act()


@contextmanager
def restocking(
    engine: Engine[Any], member: Member[Any]
) -> Generator[Callable[[Any], None] | None, None, None]:
    """Hold the right to open a client for the stock; give what puts it there, None without it."""
    stock = member.stock
    with engine.lock:
        allowed = stock is not None and stock.may_open and not member.leaving
        if stock is not None and allowed:
            stock.restocking += 1
    if stock is None or not allowed:
        yield None
        return
    draw = engine.settings.random()

    def put(client: Any) -> None:
        with engine.lock:
            entry = stock.entry_of(client, engine.clock(), draw)
            stock.entries = (*stock.entries, entry)
            stock.put(entry)

    try:
        yield put
    except Exception as error:
        with engine.lock:
            stock.refused(error, engine.clock(), draw)
        raise
    finally:
        with engine.lock:
            stock.restocking -= 1
            engine.line.free(member)
            engine.chores = True
            engine.rebuild_locked()
        engine.act()
