"""Pools whose members come from a connector: opened, checked while idle, replaced when they stay broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack

from connpool_runtime.calls.method import Method
from connpool_runtime.pool.base import BasePool
from connpool_runtime.pool.draining import AsyncClosing, Closing
from connpool_runtime.settings import PoolOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from connpool_runtime.connectors.contract import AsyncConnector, Connector

__all__ = ["AsyncConnecting", "Connecting"]

C = TypeVar("C")


class _Monitor(Protocol):
    def stop(self) -> None: ...


class _Monitored(BasePool[C], Generic[C]):
    """A pool that knows who looks after its members."""

    def __init__(
        self,
        name: str = "pool",
        *,
        methods: Iterable[Method[C, Any]] = (),
        close: Callable[[C], object] | None = None,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(name, methods=methods, close=close, **options)
        self._monitors: list[_Monitor] = []

    def _stop_monitors(self) -> None:
        for monitor in self._monitors:
            monitor.stop()


class Connecting(_Monitored[C], Closing[C]):
    """A pool for threads that can open its own members."""

    def add_connector(
        self, connector: Connector[C], endpoints: Iterable[str] | None = None
    ) -> None:
        """Open a member for each endpoint, named after it, and keep it well until the pool is closed.

        A member without calls is checked every `health_interval`, give or take a fifth; after two
        checks that failed it gets no calls until one passes. Meanwhile a new client is tried, with
        growing waits, and takes its place. The numbers are those of the connector's config.
        Listeners get `HealthChanged`, `ClientReplaced` and `ReconnectFailed`.

        Arguments:
            connector: tells how to connect; its own client is not used, and stays its owner's.
            endpoints: where to; those of the connector's config if not given.

        Raises:
            ConnectorError: no endpoint gave a client. When only some did, the others are tried again.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.health.monitor import HealthMonitor

        monitor = HealthMonitor(self, connector, endpoints)
        self._monitors.append(monitor)
        monitor.open()

    def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new calls for ever, wait for those in flight, then close all clients.

        Closing again does nothing, or goes on with what an interrupt left over.

        Arguments:
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        self._stop_monitors()
        super().close(drain_timeout)


class AsyncConnecting(_Monitored[C], AsyncClosing[C]):
    """A pool for tasks that can open its own members."""

    async def add_connector(
        self, connector: AsyncConnector[C], endpoints: Iterable[str] | None = None
    ) -> None:
        """Open a member for each endpoint, named after it, and keep it well until the pool is closed.

        A member without calls is checked every `health_interval`, give or take a fifth; after two
        checks that failed it gets no calls until one passes. Meanwhile a new client is tried, with
        growing waits, and takes its place. The numbers are those of the connector's config.
        Listeners get `HealthChanged`, `ClientReplaced` and `ReconnectFailed`.

        Arguments:
            connector: tells how to connect; its own client is not used, and stays its owner's.
            endpoints: where to; those of the connector's config if not given.

        Raises:
            ConnectorError: no endpoint gave a client. When only some did, the others are tried again.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.health.async_monitor import AsyncHealthMonitor

        monitor = AsyncHealthMonitor(self, connector, endpoints)
        self._monitors.append(monitor)
        await monitor.open()

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse new calls for ever, wait for those in flight, then close all clients.

        Closing again does nothing, or goes on with what a cancellation left over.

        Arguments:
            drain_timeout: seconds to wait in all; the setting of that name if not given.

        Raises:
            ExceptionGroup: everything that went wrong with single members, after all were tried.
        """
        self._stop_monitors()
        await super().close(drain_timeout)

    aclose = close
