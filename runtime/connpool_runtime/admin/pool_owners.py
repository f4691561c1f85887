"""The pools that an admin application works on: those of a manager, of a registry, or of a mapping of names."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from connpool_runtime.errors import NotFound, PoolClosed
from connpool_runtime.manager.async_manager import AsyncManager
from connpool_runtime.manager.base import BaseManager
from connpool_runtime.pool.async_pool import AsyncPool
from connpool_runtime.pool.base import BasePool
from connpool_runtime.registry.async_registry import AsyncRegistry
from connpool_runtime.registry.base import BaseRegistry
from connpool_runtime.registry.resources import pool_in

__all__ = ["Reloadable", "ReloadResult", "ShowsConfig", "PoolOwner", "OwnedPools"]


class ReloadResult(Protocol):
    """The result of a reload."""

    @property
    def applied(self) -> bool:
        """Whether the new config is in force; if not, the old one still is."""
        ...

    @property
    def version(self) -> int:
        """The number of the config in force; 1 is the first."""
        ...

    @property
    def changes(self) -> tuple[str, ...]:
        """What has changed, one line each."""
        ...

    @property
    def errors(self) -> tuple[str, ...]:
        """Why the config was not applied, one line each."""
        ...


@runtime_checkable
class Reloadable(Protocol):
    """A manager that can reload its config; `reload` may be a coroutine function."""

    def reload(self) -> ReloadResult | Awaitable[ReloadResult]:
        """Read the config again and apply it."""
        ...


@runtime_checkable
class ShowsConfig(Protocol):
    """A manager that has a config and can show it without its secrets."""

    def shown_config(self) -> Mapping[str, Any]:
        """Return the config in force, with secrets masked."""
        ...


PoolOwner: TypeAlias = BaseManager[Any, Any] | BaseRegistry[Any] | Mapping[str, object]


class OwnedPools:
    """The pools of an owner by the name of their service. Safe for threads.

    Arguments:
        owner: a `Manager` or `AsyncManager`, a `Registry` or `AsyncRegistry`, or a mapping of names to
            pools and generated wrappers. The owner is asked again each time, so pools may come and go.

    Raises:
        TypeError: `owner` is none of these, or the mapping holds something else.
    """

    def __init__(self, owner: PoolOwner) -> None:
        given = cast("object", owner)
        kind = type(given).__name__
        if pool_in(given) is not None:
            raise TypeError(f"{kind} is one pool: give it a name, as in {{'shop': pool}}")
        if not isinstance(given, (BaseManager, BaseRegistry, Mapping)):
            raise TypeError(
                f"expected a manager, a registry or a mapping of names to pools, not {kind}"
            )
        self.owner: PoolOwner = owner
        if isinstance(owner, Mapping):
            wrong = [name for name, one in owner.items() if pool_in(one) is None]
            if wrong:
                kind = type(owner[wrong[0]]).__name__
                raise TypeError(f"{wrong[0]!r} is neither a pool nor a generated wrapper: {kind}")

    @property
    def closed(self) -> bool:
        """Whether a manager or registry was stopped; a mapping never is."""
        return not isinstance(self.owner, Mapping) and self.owner.closed

    @property
    def known(self) -> tuple[str, ...]:
        """The names of all services, sorted, whether they have a pool or not."""
        if isinstance(self.owner, BaseManager):
            return self.owner.services
        return tuple(sorted(self.pools()))

    @property
    def has_tasks(self) -> bool:
        """Whether the pools belong to an event loop, as far as that is known now."""
        if isinstance(self.owner, AsyncManager | AsyncRegistry):
            return True
        return any(isinstance(pool, AsyncPool) for pool in self.pools().values())

    def pools(self) -> dict[str, BasePool[Any]]:
        """Return the pools that exist now, sorted by the name of their service."""
        owner = self.owner
        if isinstance(owner, BaseManager):
            return dict(owner.pools())
        found: dict[str, BasePool[Any]] = {}
        if isinstance(owner, BaseRegistry):
            for name in owner.list():
                with suppress(NotFound, PoolClosed):  # removed a moment ago
                    self._put(found, name, owner.get(name))
        else:
            for name, resource in sorted(owner.items()):
                self._put(found, name, resource)
        return found

    @staticmethod
    def _put(found: dict[str, BasePool[Any]], name: str, resource: object) -> None:
        pool = pool_in(resource)
        if pool is not None:
            found[name] = pool
