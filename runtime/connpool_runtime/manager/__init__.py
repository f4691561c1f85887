"""Many services in one process, with a pool for each, built on demand."""

from typing import TYPE_CHECKING

from connpool_runtime.manager.manager import Manager
from connpool_runtime.manager.reload import ReloadResult, ReloadStats
from connpool_runtime.manager.services import ServiceConfig

if TYPE_CHECKING:
    from connpool_runtime.manager.async_manager import AsyncManager

__all__ = ["AsyncManager", "Manager", "ReloadResult", "ReloadStats", "ServiceConfig"]


def __getattr__(name: str) -> object:
    if name != "AsyncManager":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from connpool_runtime.manager.async_manager import AsyncManager

    return AsyncManager
