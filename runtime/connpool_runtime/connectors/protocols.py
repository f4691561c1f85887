"""The protocols of connectors, whatever they connect to.

A connector opens, checks and closes one client. Its constructor only validates; `connect` does the
I/O. The code that creates a connector owns it and closes it; code that gets its client never does.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

from connpool_runtime.connectors.config.base import ConnectorConfig

__all__ = ["AsyncConnector", "Connector"]

C_co = TypeVar("C_co", covariant=True)


class AsyncConnector(Protocol[C_co]):
    """Opens, checks and closes one client. Belongs to one event loop."""

    @property
    def name(self) -> str:
        """The name of this connector in logs and errors."""
        ...

    @property
    def config(self) -> ConnectorConfig:
        """The frozen config it was made from."""
        ...

    @property
    def client(self) -> C_co:
        """The client, without I/O.

        Raises:
            NotConnected: `connect` was not called, or failed.
            ConnectorClosed: the connector was closed.
        """
        ...

    @property
    def healthy(self) -> bool:
        """The result of the last check, without I/O; False before `connect` and after `close`."""
        ...

    async def connect(self, timeout: float | None = None) -> C_co:
        """Return the client, opening and verifying it if there is none; many callers share one attempt.

        Args:
            timeout: seconds for all of it, all endpoints included, but not for importing the library; None is
                `config.connect_timeout`.

        Raises:
            ConnectFailed: no endpoint gave a client that works; the subclass says why, `cause` is
                the library's own error.
            ConnectorClosed: the connector was closed, before or meanwhile.
        """
        ...

    async def health_check(self, timeout: float | None = None) -> None:
        """Ask the server now, and remember the result in `healthy`.

        Args:
            timeout: seconds; None is `config.health_timeout`.

        Raises:
            HealthCheckFailed: it did not answer in time, or not as a healthy server does.
            NotConnected: there is no client to ask through.
            ConnectorClosed: the connector was closed.
        """
        ...

    async def close(self) -> None:
        """Close the client for good; calling it again does nothing."""
        ...

    def fresh(self, endpoint: str | None = None) -> Self:
        """Return an unconnected connector like this one, for one endpoint if it is given.

        Raises:
            InvalidConfig: the endpoint is none.
        """
        ...


# Made by tools/derive_sync.py from the definitions above; edit those.


class Connector(Protocol[C_co]):
    """Opens, checks and closes one client. Safe for threads."""

    @property
    def name(self) -> str:
        """The name of this connector in logs and errors."""
        ...

    @property
    def config(self) -> ConnectorConfig:
        """The frozen config it was made from."""
        ...

    @property
    def client(self) -> C_co:
        """The client, without I/O.

        Raises:
            NotConnected: `connect` was not called, or failed.
            ConnectorClosed: the connector was closed.
        """
        ...

    @property
    def healthy(self) -> bool:
        """The result of the last check, without I/O; False before `connect` and after `close`."""
        ...

    def connect(self, timeout: float | None = None) -> C_co:
        """Return the client, opening and verifying it if there is none; many callers share one attempt.

        Args:
            timeout: seconds for all of it, all endpoints included, but not for importing the library; None is
                `config.connect_timeout`.

        Raises:
            ConnectFailed: no endpoint gave a client that works; the subclass says why, `cause` is
                the library's own error.
            ConnectorClosed: the connector was closed, before or meanwhile.
        """
        ...

    def health_check(self, timeout: float | None = None) -> None:
        """Ask the server now, and remember the result in `healthy`.

        Args:
            timeout: seconds; None is `config.health_timeout`.

        Raises:
            HealthCheckFailed: it did not answer in time, or not as a healthy server does.
            NotConnected: there is no client to ask through.
            ConnectorClosed: the connector was closed.
        """
        ...

    def close(self) -> None:
        """Close the client for good; calling it again does nothing."""
        ...

    def fresh(self, endpoint: str | None = None) -> Self:
        """Return an unconnected connector like this one, for one endpoint if it is given.

        Raises:
            InvalidConfig: the endpoint is none.
        """
        ...
