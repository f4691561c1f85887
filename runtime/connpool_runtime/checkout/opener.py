# Made by tools/derive_sync.py from async_opener.py; edit that.
"""Opens, validates and closes the clients of endpoints with a factory; holds no lock meanwhile.

Errors of factories, checks and closings do not leave this module: they are evidence that an endpoint cannot
be reached or that a client is not usable, and are raised only as the cause of another error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime._concurrency.threads import (
    call_later,
    is_cancellation,
    must_end,
    ran_out,
    run_all,
    time_limit,
)
from connpool_runtime._log import log_failure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.lease import AnyLease
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.member_health import mark_unhealthy
from connpool_runtime.checkout.opening import (
    close_late,
    close_unused,
    discard,
    give_back_unused,
    lend_opened,
    opening_failed,
    opening_idle,
    reopen_in_background,
    store_of,
    trust,
)
from connpool_runtime.clients.pooled_client import PooledClient
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member

__all__ = ["close_discarded", "closing_of", "open_idle", "prepare", "reset_returned"]

A_MOMENT = 0.01  # seconds after a cancellation, in which an event loop that ends has ended
CLOSED_AT_ONCE = 16  # clients of a leaving endpoint that are closed at a time


def prepare(checkout: AnyCheckout, lease: AnyLease, call: Call, limit: float) -> bool:
    """Make sure that the client of a lease is open and works; if that fails, give the lease back.

    Arguments:
        checkout: of the pool.
        lease: which has a client to be validated, or the right to open one.
        call: what the client is for.
        limit: seconds that this may take; a blocking call of threads cannot be cut off.
    """
    source = lease.member.source
    lease.used = True  # validation that is interrupted leaves an answer on its way, too
    if isinstance(source, SingleClient):
        if source.reopen is not None:
            return _reopen_single(checkout, lease, call, source.reopen, limit)
        return _validate_single(checkout, lease, source, limit)
    store = store_of(lease)
    if lease.entry is not None:
        if _error_of_validation(store.validate, limit, lease.entry.client) is None:
            lease.entry.needs_validation = False
            return True
        discard(checkout, lease)
        return False
    opened: list[Any] = []
    timer = time_limit(limit)
    try:
        with timer:
            _open(checkout, store, opened)
        lend_opened(checkout, lease, opened)
    except Exception as error:
        opening_failed(checkout, lease, call, error)
        if ran_out(timer):
            reopen_in_background(checkout, store)
        return False
    except BaseException as error:
        if is_cancellation(error):
            # Not at once: an event loop that ends cancels its threads, and must not get new ones.
            call_later(A_MOMENT, partial(reopen_in_background, checkout, store))
        raise
    finally:
        close_unused(checkout, store, opened)
    return True


def _open(checkout: AnyCheckout, store: ClientStore[Any], opened: list[Any]) -> None:
    """Open one client, configure it, and note how long that took.

    The client is in the list from the moment it is open. If a `configure` that fails or an interrupt breaks
    this off, the caller finds the client in the list, and closes it.
    """
    state = checkout.state
    started = state.clock()
    opened.append(store.factory())
    try:
        checkout.client_types.check_opened(opened[0])
    except TypeError:
        opened.clear()  # nothing that could be closed
        raise
    if store.configure is not None:
        store.configure(opened[0])
    with state.after_lock, state.lock:
        state.openings.record(state.clock() - started)


def _validate_single(
    checkout: AnyCheckout, lease: AnyLease, source: SingleClient[Any], limit: float
) -> bool:
    error = _error_of_validation(source.validate, limit)
    if error is None:
        trust(checkout, lease, source)
        return True
    mark_unhealthy(checkout, lease.member, error)
    give_back_unused(checkout, lease)
    return False


def _reopen_single(
    checkout: AnyCheckout,
    lease: AnyLease,
    call: Call,
    reopen: Callable[[float], object],
    limit: float,
) -> bool:
    try:
        with time_limit(limit):
            reopen(limit)
    except Exception as error:
        call.avoid(lease.member)
        if lease.member.source.needs_validation:  # no other attempt succeeded meanwhile
            mark_unhealthy(checkout, lease.member, error)
        give_back_unused(checkout, lease)
        return False
    return True


def _error_of_validation(
    validate: Callable[..., object] | None, limit: float, *client: object
) -> Exception | None:
    """Return the error of a client's validation; None if the client is usable."""
    if validate is None:
        return None
    try:
        with time_limit(limit):
            fit = validate(*client) is not False
    except Exception as error:
        return error
    return None if fit else ConnectionError("`validate` reported that the client is not usable")


def open_idle(checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]) -> bool:
    """Open one client for the store if that is allowed; return whether it was opened.

    It may take as long as in a call, `checkout_timeout`; a blocking call of threads ends by itself.

    Raises:
        Exception: what the factory raised.
    """
    opened: list[Any] = []
    try:
        with opening_idle(checkout, member, store) as put:
            if put is None:
                return False
            with time_limit(checkout.state.settings.checkout_timeout):
                _open(checkout, store, opened)
            put(opened)
    finally:
        close_unused(checkout, store, opened)
    close_late(checkout, store)
    return True


def reset_returned(checkout: AnyCheckout, member: Member[Any], store: ClientStore[Any]) -> None:
    """Reset returned clients one after the other; a client that cannot be reset is closed.

    A reset may take as long as a checkout; a blocking one of threads ends by itself.
    """
    while (entry := _next_to_reset(checkout, store)) is not None:
        fit = False
        try:
            with time_limit(checkout.state.settings.checkout_timeout):
                _reset(store, entry.client)
            fit = True
        except Exception:
            log_failure(
                "resetting a client of %r in pool %r failed",
                *(member.name, checkout.state.name),
                event_name="reset_failed",
                pool=checkout.state.name,
                member=member.name,
            )
        finally:
            _was_reset(checkout, member, store, entry, fit)


def _reset(store: ClientStore[Any], client: Any) -> object:
    return None if store.reset is None else store.reset(client)


def _next_to_reset(checkout: AnyCheckout, store: ClientStore[Any]) -> PooledClient[Any] | None:
    state = checkout.state
    with state.after_lock, state.lock:
        entry = store.next_to_reset
        if entry is not None:
            entry.resetting = True
        return entry


def _was_reset(
    checkout: AnyCheckout,
    member: Member[Any],
    store: ClientStore[Any],
    entry: PooledClient[Any],
    fit: bool,
) -> None:
    state = checkout.state
    with state.after_lock, state.lock:
        store.was_reset(entry, state.clock(), fit=fit)
        state.queue.free(member)
        state.maintenance_due = True
    close_late(checkout, store)


def close_discarded(pool: str, store: ClientStore[Any]) -> None:
    """Close discarded clients one after the other; errors are logged."""
    while (client := _next_discarded(store)) is not None:
        try:
            _close(store, client[0])
        except BaseException as error:  # of a user's code
            if must_end(error):
                raise
            log_failure(
                "closing a client of pool %r failed", pool, event_name="close_failed", pool=pool
            )


def _next_discarded(store: ClientStore[Any]) -> tuple[Any] | None:
    """Return the next client to close, in a tuple because the client may be any object."""
    try:
        return (store.to_close.popleft(),)
    except IndexError:  # other helpers take from it, too
        return None


def _close(store: ClientStore[Any], client: Any) -> object:
    return None if store.close is None else store.close(client)


def closing_of(checkout: AnyCheckout, store: ClientStore[Any]) -> Callable[[], None]:
    """Return a function that closes all clients of a member that has left, several at a time."""

    def close() -> None:
        state, own = checkout.state, store.latest
        with state.after_lock, state.lock:
            own.clear()
            # a client less may let other endpoints open one
            state.queue.free(*state.membership.may_serve)
            clients = [*own.to_close]
            own.to_close.clear()
        found = run_all(lambda client: _close(store, client), clients, at_once=CLOSED_AT_ONCE)
        errors = [error for error in found if error is not None]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup(f"closing clients of pool {state.name!r}", errors)

    return close
