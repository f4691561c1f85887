"""Ends connections on which a request does not arrive in time, so that slow clients keep none of them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["timely"]


def timely(seconds: float) -> type[asyncio.Protocol]:
    """Return a protocol of uvicorn's that ends connections whose head of a request takes too long."""

    class TimelyProtocol(H11Protocol):
        """Begins to count with the connection, and with the first byte of each further request."""

        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._late is None and self._idle:
                self._wait()
            super().data_received(data)
            if not self._idle:
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        @property
        def _idle(self) -> bool:
            """Whether no request is being answered."""
            return self.cycle is None or self.cycle.response_complete

        def _wait(self) -> None:
            self._late = self.loop.call_later(seconds, self._end)

        def _stop(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _end(self) -> None:
            self._late = None
            if self._idle:
                self.transport.close()

    return TimelyProtocol
