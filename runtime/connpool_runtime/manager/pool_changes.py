# Made by tools/derive_sync.py from async_pool_changes.py; edit that.
"""Applies a new config of a service to its running pool, as far as that can change in place."""

from __future__ import annotations

from typing import Any, cast

from connpool_runtime.config.differences import ServiceDifference
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.connectors.kinds import CUSTOM, connector_of
from connpool_runtime.pool.base import BasePool
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.middleware import go_on_counting

__all__ = ["change_pool", "give_middleware"]


def give_middleware(pool: BasePool[Any], service: ServiceConfig) -> None:
    """Add the configured middleware of a service to its pool, unless the builder has done so.

    Raises:
        ValueError: the pool has one of the same role that was registered by hand; the message says so.
        TypeError: one is not for pools of this kind.
    """
    if not service.middleware or pool.named_middleware:
        return
    try:
        pool.set_middleware(service.new_middleware())
    except ValueError as error:
        raise ValueError(f"service {service.name!r}: {error}") from error


def change_pool(
    pool: BasePool[Any],
    before: ServiceConfig,
    after: ServiceConfig,
    difference: ServiceDifference,
) -> bool:
    """Change a pool in place; return False, with nothing changed, if that is not possible.

    The steps that may fail come first: clients are opened, sources are asked, middleware is created. Then the
    changes take effect at once, and calls notice nothing.

    Arguments:
        pool: of the service.
        before: its present config.
        after: its new config.
        difference: of the two.

    Raises:
        Exception: whatever clients, sources and middleware raised; nothing has changed.
    """
    if difference.rebuild:
        return False
    made: dict[str, object] = {}
    if difference.middleware:
        made = after.new_middleware()
    if difference.reconnects and not _reconnect(pool, before, after, difference):
        return False
    if difference.options:
        given = PoolSettings.of(after.options).options()
        options = {name: value for name, value in given.items() if name not in _FUNCTIONS}
        pool.reconfigure(**cast("Any", options))
    if difference.middleware:
        named = pool.named_middleware
        for name, one in made.items():
            go_on_counting(named.get(name), one)
        pool.set_middleware({**made, **_unchanged(pool, before, after)})
    return True


_FUNCTIONS = ("clock", "random")  # options that only a program can give are kept


def _unchanged(
    pool: BasePool[Any], before: ServiceConfig, after: ServiceConfig
) -> dict[str, object]:
    """Return the middleware that did not change and are kept with their state; not those that share a budget."""
    same = {
        name: one
        for name, one in pool.named_middleware.items()
        if before.middleware.get(name) == after.middleware.get(name) and name in after.middleware
    }
    if before.middleware.get("retry_budget") != after.middleware.get("retry_budget"):
        same = {name: one for name, one in same.items() if not hasattr(one, "budget")}
    return same


def _reconnect(
    pool: BasePool[Any],
    before: ServiceConfig,
    after: ServiceConfig,
    difference: ServiceDifference,
) -> bool:
    """Open clients by the new config; return whether the pool supports that."""
    if before.discovery is not None:
        return _rediscover(pool, before, after, difference)
    monitors = [one for one in pool.monitors if one.config == before.connector]
    if len(monitors) != 1 or after.connector.kind == CUSTOM:
        return False
    (monitor,) = monitors
    connector = connector_of(after.connector, name=after.name)
    if difference.clients or difference.endpoints:
        monitor.change(connector, anew=difference.clients)
    else:
        monitor.follow_rules(connector)
    return True


def _rediscover(
    pool: BasePool[Any],
    before: ServiceConfig,
    after: ServiceConfig,
    difference: ServiceDifference,
) -> bool:
    discoveries = pool.discoveries
    if len(discoveries) != 1 or after.discovery is None:
        return False
    (discovery,) = discoveries
    renewed = difference.clients or difference.numbers
    if renewed and (after.connector.kind == CUSTOM or not discovery.has_connector):
        return False
    source: Any = None
    if difference.source:
        source = after.discovery.open()
    discovery.change(
        source=source,
        connector=connector_of(after.connector) if renewed else None,
        anew=difference.clients,
        **after.discovery.discovery_options,
    )
    return True
