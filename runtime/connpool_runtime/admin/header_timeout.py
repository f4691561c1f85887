"""Closes connections whose request does not arrive in time, so that slow clients cannot hold them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["timely"]


class TimelyProtocol(H11Protocol):
    """Starts a timer when a connection opens, and at the first byte of each further request."""

    seconds = 5.0

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Start the timer for a further request, and stop it when the head has arrived."""
        if self._late is None and self._idle:
            self._wait()
        super().data_received(data)
        if not self._idle:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        """Whether no request is being answered."""
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's types say
        return cycle is None or bool(cycle.response_complete)

    def _wait(self) -> None:
        self._late = self.loop.call_later(self.seconds, self._end)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        if self._idle:
            self.transport.close()


def timely(seconds: float) -> type[asyncio.Protocol]:
    """Return a subclass of a uvicorn protocol that closes connections whose request head takes too long."""
    return type("TimelyProtocol", (TimelyProtocol,), {"seconds": seconds})
