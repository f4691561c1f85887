"""A server and the network before it, both of which can be broken and restored."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from local_servers import FaultProxy, ProcessServer


def _nothing(_server: ProcessServer) -> None:
    """Prepare nothing."""


class Host:
    """A server in a process of its own, and a proxy in front of it if one is wanted; end it with `with`.

    Arguments:
        server: runs already; it is stopped at the end.
        identity: the name of the server in its answers.
        prepare: what a server needs before it can answer so, after each start.
    """

    def __init__(
        self,
        server: ProcessServer,
        identity: str,
        prepare: Callable[[ProcessServer], None] = _nothing,
    ) -> None:
        self.server = server
        self.identity = identity
        self._prepare = prepare
        prepare(server)
        self._proxy: FaultProxy | None = None

    @property
    def proxy(self) -> FaultProxy:
        """The proxy, which is there from the first use on."""
        if self._proxy is None:
            self._proxy = FaultProxy(self.server.port)
        return self._proxy

    def address(self, *, proxied: bool) -> str:
        """Return `host:port` of the proxy, or of the server itself."""
        return self.proxy.address if proxied else self.server.address

    def restart(self) -> None:
        """Bring the server back, killing the one that runs."""
        self.server.restart()
        self._prepare(self.server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._proxy is not None:
            self._proxy.stop()
        self.server.stop()
