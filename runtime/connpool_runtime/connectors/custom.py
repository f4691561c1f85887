"""Connectors from any callable: for clients that have no connector of their own kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.base import ConnectorConfig

__all__ = ["AsyncCustomConnector", "CustomConnector", "close_itself"]

C = TypeVar("C")


class CustomConnector(BaseConnector[C, ConnectorConfig], Generic[C]):
    """A connector whose client comes from a callable, for example the client's class.

    Args:
        make: makes a client of one endpoint; may do I/O.
        endpoints: where to connect to, or a whole config (also one of a class of your own).
        check: asks the server whether it is healthy; False, or any error, says that it is not. None: every
            client that could be made is healthy.
        close: closes a client; None is its `close` method, if it has one.
        name: what logs and errors call it.
    """

    def __init__(
        self,
        make: Callable[[str], C],
        endpoints: Iterable[str] | str | ConnectorConfig,
        *,
        check: Callable[[C], object] | None = None,
        close: Callable[[C], object] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(config_of(endpoints), name=name)
        self._make = make
        self._check = check
        self._close = close

    def open_client(self, endpoint: str, timeout: float) -> C:
        """Call `make`; a callable that takes too long is left running."""
        del timeout
        return self._make(endpoint)

    def check_client(self, client: C, timeout: float) -> None:
        """Call `check`."""
        del timeout
        if self._check is not None:
            _refuse_unfit(self._check(client))

    def close_client(self, client: C) -> None:
        """Call `close`."""
        close_itself(client, "close") if self._close is None else self._close(client)


class AsyncCustomConnector(AsyncBaseConnector[C, ConnectorConfig], Generic[C]):
    """The same for coroutine functions; `make` may also be a plain function, such as a class.

    Args:
        make: makes a client of one endpoint.
        endpoints: where to connect to, or a whole config (also one of a class of your own).
        check: asks the server whether it is healthy; False, or any error, says that it is not. None: every
            client that could be made is healthy.
        close: closes a client; None is its `aclose` or `close` method, if it has one.
        name: what logs and errors call it.
    """

    def __init__(
        self,
        make: Callable[[str], Awaitable[C]] | Callable[[str], C],
        endpoints: Iterable[str] | str | ConnectorConfig,
        *,
        check: Callable[[C], Awaitable[object]] | None = None,
        close: Callable[[C], Awaitable[object]] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(config_of(endpoints), name=name)
        self._make: Callable[[str], Any] = make
        self._check = check
        self._close = close

    async def open_client(self, endpoint: str, timeout: float) -> C:
        """Call `make`, and await its result if it is awaitable."""
        del timeout
        made = self._make(endpoint)
        return cast("C", await made if isinstance(made, Awaitable) else made)

    async def check_client(self, client: C, timeout: float) -> None:
        """Call `check`."""
        del timeout
        if self._check is not None:
            _refuse_unfit(await self._check(client))

    async def close_client(self, client: C) -> None:
        """Call `close`."""
        if self._close is not None:
            await self._close(client)
        else:
            done = close_itself(client, "aclose", "close")
            if isinstance(done, Awaitable):
                await done


def config_of(endpoints: Iterable[str] | str | ConnectorConfig) -> ConnectorConfig:
    """Return a config, made from endpoints if it is none."""
    if isinstance(endpoints, ConnectorConfig):
        return endpoints
    return ConnectorConfig(endpoints=endpoints)


def _refuse_unfit(answer: object) -> None:
    """Raise if a check returned False, as for `validate` of a pool's endpoints; None means healthy."""
    if answer is False:
        raise ConnectionError("`check` reported that the client is not usable")


def close_itself(client: object, *names: str) -> object:
    """Call the first of these methods that a client has, and return its result; None if it has none."""
    for name in names:
        close = getattr(client, name, None)
        if callable(close):
            return cast("Callable[[], object]", close)()
    return None
