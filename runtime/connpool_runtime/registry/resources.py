"""What registries hold: pools, generated wrappers, shared clients, connectors; how to close them and how they are."""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard, cast

from connpool_runtime.errors import NoMembers
from connpool_runtime.pool.base import BasePool
from connpool_runtime.sharing.base import BaseSharing

__all__ = ["Closable", "can_be_closed", "check_resource", "close_resource", "is_healthy", "pool_in"]


class Closable(Protocol):
    """What can be closed; a coroutine function will do where there is an event loop."""

    def close(self) -> object:
        """Close it."""
        ...


def pool_in(resource: object) -> BasePool[Any] | None:
    """Return a pool: the resource itself, or that of a generated wrapper, whatever its attribute is called."""
    attributes: dict[str, object] = getattr(resource, "__dict__", {})
    for candidate in (resource, *attributes.values()):
        if _is_pool(candidate):
            return candidate
    return None


def _is_pool(resource: object) -> TypeGuard[BasePool[Any]]:
    return isinstance(resource, BasePool)


def close_resource(resource: object, drain_timeout: float) -> object:
    """Drain and close a resource, or return the awaitable that does.

    Raises:
        TypeError: it is nothing that can be closed.
    """
    drained: Any = pool_in(resource)
    if drained is not None:
        return drained.close(drain_timeout)
    closable: Any = can_be_closed(resource)
    if isinstance(resource, BaseSharing):
        return closable.close(drain_timeout)
    return closable.close()


def can_be_closed(resource: object) -> Closable:
    """Return a resource, refusing what we would not know how to close.

    Raises:
        TypeError: it has no method `close`.
    """
    if pool_in(resource) is None and not callable(getattr(resource, "close", None)):
        raise TypeError(
            f"{type(resource).__name__} has no method close: give the registry a function, close="
        )
    return cast("Closable", resource)


def is_healthy(resource: object) -> bool:
    """Tell how a resource is, without I/O: whether a pool has a member to call, what a connector knows."""
    pool = pool_in(resource)
    if pool is not None:
        return any(member.ready for member in pool.members)
    return bool(getattr(resource, "healthy", not getattr(resource, "closed", False)))


def check_resource(resource: object) -> object:
    """Ask a connector's server how it is, or return the awaitable that does; look whether a pool has a member to call.

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
