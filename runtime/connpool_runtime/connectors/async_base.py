"""The part that all asynchronous connectors share: deadlines, one attempt for many callers, closing once."""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Self, TypeVar

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectTimeout, FailureKind
from connpool_runtime.connectors.failures import Failure, failed, failure_of, not_healthy
from connpool_runtime.connectors.state import PATIENCE, TOO_LONG, State, name_of, timeout_of

__all__ = ["AsyncBaseConnector"]

C = TypeVar("C")
Config = TypeVar("Config", bound=ConnectorConfig)


class AsyncBaseConnector(ABC, Generic[C, Config]):
    """A connector whose library-specific steps are `open_client`, `check_client` and `close_client`.

    The steps run in tasks of their own, so that neither a library that does not keep to its timeout
    nor one that swallows a cancellation keeps a caller beyond the deadline; what such a task still
    brings is closed. Belongs to one event loop.

    Args:
        config: what to connect to.
        name: what logs and errors call it; None is the kind and the endpoints.
    """

    def __init__(self, config: Config, *, name: str | None = None) -> None:
        self._begin(config, name)

    def _begin(self, config: Config, name: str | None) -> None:
        """Be unconnected; what a subclass was given besides is shared with the connectors made from this one."""
        self._config = config
        self._state: State[C] = State(name_of(config, name))
        self._turn: _Turn | None = None
        self._running: set[asyncio.Task[Any]] = set()

    # What a kind of server needs

    @abstractmethod
    async def open_client(self, endpoint: str, timeout: float) -> C:
        """Make a client of one endpoint within so many seconds; when cancelled, leave nothing open."""

    @abstractmethod
    async def check_client(self, client: C, timeout: float) -> None:
        """Ask the server whether it is well; raise the library's own error when it is not."""

    @abstractmethod
    async def close_client(self, client: C) -> None:
        """Close a client that nobody uses."""

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell what one of the library's own errors stands for; None when it is none of them."""
        del error
        return None

    def places(self) -> tuple[str, ...]:
        """Return what is tried in turn: the endpoints, or one text for a client that takes them all."""
        return self._config.endpoints

    # What everybody uses

    @property
    def name(self) -> str:
        """What logs and errors call this connector."""
        return self._state.name

    @property
    def config(self) -> Config:
        """The frozen config it was made from."""
        return self._config

    @property
    def client(self) -> C:
        """The client, without I/O; raises `NotConnected` or `ConnectorClosed`."""
        return self._state.client()

    @property
    def healthy(self) -> bool:
        """What the last check came to, without I/O."""
        return self._state.healthy

    async def connect(self, timeout: float | None = None) -> C:
        """Return the client, opening and verifying it when there is none; see `AsyncConnector.connect`."""
        clock = asyncio.get_running_loop().time
        until = clock() + timeout_of(timeout, self._config.connect_timeout)
        while True:
            self._state.refuse_closed()
            if self._state.present is not None:
                return self._state.present
            turn = self._turn
            if turn is None:
                turn = self._turn = _Turn()
                await self._lead(turn, until)
            elif not await turn.wait(until - clock()):
                raise ConnectTimeout(TOO_LONG.format(self.name), connector=self.name)
            if turn.failures:
                raise failed(self.name, turn.failures)
            # There is a client now, or who led the attempt was cancelled: then it is our turn.

    async def health_check(self, timeout: float | None = None) -> None:
        """Ask the server now, and remember the answer; see `AsyncConnector.health_check`."""
        seconds = timeout_of(timeout, self._config.health_timeout)
        client, number = self._state.begin_check()
        failure = await self._within(seconds, lambda: self.check_client(client, seconds * PATIENCE))
        self._state.end_check(client, number, failure is None)
        if failure is not None:
            raise not_healthy(self.name, self._state.endpoint, failure)

    async def close(self) -> None:
        """Close the client; for ever, and again does nothing."""
        client = self._state.close()
        for task in self._running:
            task.cancel()
        if client is not None:
            await self.close_client(client)

    def fresh(self, endpoint: str | None = None) -> Self:
        """Return a connector like this one that is not connected yet, for one endpoint if it is given."""
        other = copy.copy(self)
        config = self._config if endpoint is None else self._config.at(endpoint)
        other._begin(config, self.name if endpoint is None else None)
        return other

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self._state.word}>"

    # One attempt for all callers

    async def _lead(self, turn: _Turn, until: float) -> None:
        clock = asyncio.get_running_loop().time
        try:
            places = self.places()
            for index, endpoint in enumerate(places):
                # Each gets its share, so that one that hangs leaves time for the others.
                share = max(0.0, until - clock()) / (len(places) - index)
                failure = await self._try(endpoint, share)
                if failure is None:
                    turn.failures.clear()
                    break
                turn.failures.append(failure)
        finally:
            self._turn = self._state.ticket = None
            turn.ended.set()

    async def _try(self, endpoint: str, seconds: float) -> Failure | None:
        self._state.refuse_closed()
        ticket = self._state.ticket = object()
        clock = asyncio.get_running_loop().time
        until = clock() + seconds * PATIENCE

        async def bring() -> None:
            client = await self.open_client(endpoint, seconds * PATIENCE)
            kept = False
            try:
                await self.check_client(client, max(0.001, until - clock()))
                kept = self._state.keep(ticket, client, endpoint)
            finally:
                if not kept:
                    await self.close_client(client)

        failure = await self._within(seconds, bring, endpoint)
        self._state.refuse_closed()
        if self._state.present is not None:
            return None
        self._state.ticket = None
        return failure

    async def _within(
        self,
        seconds: float,
        step: Callable[[], Coroutine[Any, Any, None]],
        endpoint: str = "",
    ) -> Failure | None:
        """Run a step for at most so many seconds; return how it failed."""
        task = asyncio.create_task(step())
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            # Without a wait_for around it: that would wait for the end of a step that cannot be cancelled.
            await asyncio.wait([task], timeout=seconds)
        finally:
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            error: BaseException | None = TimeoutError(f"no answer within {seconds:g} s")
        else:
            error = task.exception()
        if error is None:
            return None
        return failure_of(endpoint, error, self.failure_kind, self._config.masked)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio complains about the error of a step that was given up


class _Turn:
    """One attempt to connect, that others wait for."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.failures: list[Failure] = []

    async def wait(self, seconds: float) -> bool:
        """Wait for its end; False when the time is over."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True
