"""Pools, wrappers and connectors by name."""

from typing import TYPE_CHECKING

from connpool_runtime.registry.registry import Registry

if TYPE_CHECKING:
    from connpool_runtime.registry.async_registry import AsyncRegistry

__all__ = ["AsyncRegistry", "Registry"]


def __getattr__(name: str) -> object:
    if name != "AsyncRegistry":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from connpool_runtime.registry.async_registry import AsyncRegistry

    return AsyncRegistry
