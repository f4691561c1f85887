"""Refuses objects that are not connectors, and connectors for the other kind of pool, before anything is opened."""

from __future__ import annotations

from typing import Any

from connpool_runtime._concurrency.introspection import is_coroutine_function
from connpool_runtime.connectors.config.base import ConnectorConfig

__all__ = ["check_connector_type"]

# What pools use of a connector.
_USED = ("config", "connect", "fresh", "health_check", "close")


def check_connector_type(pool: str, connector: object, *, for_tasks: bool) -> None:
    """Refuse an object that would fail, or only seem to work, when it is used as a connector.

    The message names only the type of the object, since a URL may hold a password.

    Arguments:
        pool: its name.
        connector: what the user gave.
        for_tasks: whether the pool is for tasks, and not for threads.

    Raises:
        TypeError: it is a class, a config or something else, or it is a connector of the other kind.
    """
    kind = type(connector).__name__
    if isinstance(connector, type):
        name = connector.__name__
        raise TypeError(f"{name} is a class: pass an instance of it, such as {name}(config)")
    if any(not hasattr(connector, name) for name in _USED):
        maker = "async_connector_of" if for_tasks else "connector_of"
        hint = ""
        if isinstance(connector, ConnectorConfig):
            hint = f"; connectors.kinds.{maker} makes one from a config"
        elif isinstance(connector, str):
            hint = "; a connector's config takes a URL, as in RedisConfig(endpoints=url)"
        raise TypeError(
            f"pool {pool!r} needs a connector, such as {'Async' if for_tasks else ''}RedisConnector(config),"
            f" not a {kind}{hint}"
        )
    if _is_of_other_kind(connector, for_tasks=for_tasks):
        raise TypeError(
            f"pool {pool!r} is for {'tasks' if for_tasks else 'threads'}, but {kind} is not; use the connector"
            f" of the same kind {'with' if for_tasks else 'without'} Async in its name"
        )


def _is_of_other_kind(connector: Any, *, for_tasks: bool) -> bool:
    """Whether a connector is surely for the other kind of pool: a `connect` for tasks need not be a coroutine function."""
    if not for_tasks:
        return is_coroutine_function(connector.connect)
    # The bases are imported with a user's first connector.
    from connpool_runtime.connectors.base import BaseConnector

    return isinstance(connector, BaseConnector)
