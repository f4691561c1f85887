"""Closes and checks what registries hold: pools, generated wrappers, shared clients, connectors."""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard, cast

from connpool_runtime.errors import NoMembers
from connpool_runtime.pool.base import BasePool
from connpool_runtime.sharing.base import BaseSharing

__all__ = ["Closable", "can_be_closed", "check_resource", "close_resource", "is_healthy", "pool_in"]


class Closable(Protocol):
    """A resource that can be closed; `close` may be a coroutine function in an `AsyncRegistry`."""

    def close(self) -> object:
        """Close it."""
        ...


def pool_in(resource: object) -> BasePool[Any] | None:
    """Return the pool that a resource is, or that a generated wrapper holds.

    A generated wrapper names the attribute that has its pool in `__connpool__`. An object of the
    user's that merely holds a pool is none: it knows itself what closing it takes.
    """
    attribute = getattr(type(resource), "__connpool__", None)
    found: object = getattr(resource, attribute, None) if isinstance(attribute, str) else resource
    return found if _is_pool(found) else None


def _is_pool(resource: object) -> TypeGuard[BasePool[Any]]:
    return isinstance(resource, BasePool)


def close_resource(resource: object, drain_timeout: float) -> object:
    """Drain and close a resource, or return the awaitable that does.

    Arguments:
        resource: a pool, a generated wrapper, shared clients, or anything with a method `close`.
        drain_timeout: seconds that calls and handles have to end, where there are any.

    Raises:
        TypeError: it has no method `close`.
        Exception: whatever closing it raised.
    """
    pool = pool_in(resource)
    closable: Any = can_be_closed(resource) if pool is None else pool
    if pool is not None or isinstance(resource, BaseSharing):
        return closable.close(drain_timeout)
    return closable.close()


def can_be_closed(resource: object) -> Closable:
    """Return a resource that a registry can close; refuse any other.

    Raises:
        TypeError: it has no method `close`.
    """
    if pool_in(resource) is None and not callable(getattr(resource, "close", None)):
        raise TypeError(
            f"{type(resource).__name__} has no method close: pass the registry a function that closes it, as close="
        )
    return cast("Closable", resource)


def is_healthy(resource: object) -> bool:
    """Return, without I/O, whether a pool has a member to call, or the result of a connector's last check."""
    pool = pool_in(resource)
    if pool is not None:
        return any(member.ready for member in pool.members)
    return bool(getattr(resource, "healthy", not getattr(resource, "closed", False)))


def check_resource(resource: object) -> object:
    """Check a connector's server, or whether a pool has a member to call; may return an awaitable.

    Raises:
        NoMembers: a pool has none.
        Exception: whatever the connector raised.
    """
    pool = pool_in(resource)
    if pool is None:
        check: Any = getattr(resource, "health_check", None)
        return check() if callable(check) else None
    if not is_healthy(pool):
        raise NoMembers(f"pool {pool.name!r} has no member to call", pool=pool.name)
    return None
