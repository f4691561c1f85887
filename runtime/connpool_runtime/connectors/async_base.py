"""The base of all connectors for tasks: deadlines, one attempt shared by many callers, closing once."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Self, TypeVar

from connpool_runtime._concurrency.forks import keep, new_lock, renew_after_fork
from connpool_runtime._concurrency.single_flight import Attempt, SingleFlight
from connpool_runtime._concurrency.tasks import Gate, Step, monotonic
from connpool_runtime._extras import load, need
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectTimeout, FailureKind
from connpool_runtime.connectors.failures import Failure, failed, failure_of, not_healthy
from connpool_runtime.connectors.state import (
    PATIENCE,
    TOO_LONG,
    State,
    config_of,
    name_of,
    timeout_of,
)

__all__ = ["AsyncBaseConnector"]

C = TypeVar("C")
Config = TypeVar("Config", bound=ConnectorConfig)


class AsyncBaseConnector(ABC, Generic[C, Config]):
    """A connector whose library-specific steps are `open_client`, `check_client` and `close_client`.

    Each step runs in a task of its own, so that a library that does not keep to its timeout cannot
    keep a caller beyond the deadline; what such a task still brings is closed.
    Belongs to one event loop.

    Args:
        config: what to connect to: a config, or its URL.
        name: what logs and errors call it; None is the kind and the endpoints.
    """

    # What `open_client` imports, and the extra that brings it: checked at once, because a missing library would
    # look like a failed server and be retried for ever.
    _library: ClassVar[tuple[str, str] | None] = None
    # The rules by which a URL in place of a config is read.
    config_class: ClassVar[type[ConnectorConfig]] = ConnectorConfig

    def __init__(self, config: Config | str, *, name: str | None = None) -> None:
        if self._library is not None:
            need(*self._library)
        # The latest attempt on each endpoint; shared with the connectors made from this one.
        self._connecting: dict[str, Step] = {}
        self._begin(config_of(config, self.config_class), name)
        renew_after_fork(self)

    def _begin(self, config: Config, name: str | None) -> None:
        """Start unconnected; state of a subclass is shared with the connectors made from this one."""
        self._config = config
        self._state: State[C] = State(name_of(config, name))
        self.prepare()
        self._lock = new_lock()  # guards the state and the attempts; never held across I/O
        self._attempts: SingleFlight[_Attempt] = SingleFlight()
        self._steps: set[Step] = set()  # attempts that a caller waits for
        self._checking: Step | None = None  # the check that was started last

    def after_fork(self) -> None:
        """Start unconnected in a child process; the client, open or half open, is the parent's."""
        before = self._state
        keep(before.present, *self._steps, *self._connecting.values())
        self._connecting.clear()
        self._begin(self._config, before.name)
        self._state.closed = before.closed

    # The steps that a kind of server needs

    def prepare(self) -> None:
        """Check, before anything is opened, that the library supports the config.

        Raises:
            InvalidConfig: it cannot.
        """

    @abstractmethod
    async def open_client(self, endpoint: str, timeout: float) -> C:
        """Open a client of one endpoint within a number of seconds; on failure leave nothing open.

        I/O is allowed and not required.
        """

    @abstractmethod
    async def check_client(self, client: C, timeout: float) -> None:
        """Ask the server whether it is healthy; raise the library's own error if it is not."""

    @abstractmethod
    async def close_client(self, client: C) -> None:
        """Close a client that is no longer used."""

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Return the kind of failure that a library's error stands for; None if it is not the library's."""
        del error
        return None

    def places(self) -> tuple[str, ...]:
        """Return what is tried in turn: the endpoints, or one text for a client that takes all of them."""
        return self._config.endpoints

    # The public interface

    @property
    def name(self) -> str:
        """The name of this connector in logs and errors."""
        return self._state.name

    @property
    def config(self) -> Config:
        """The frozen config it was made from."""
        return self._config

    @property
    def client(self) -> C:
        """The client, without I/O; raises `NotConnected` or `ConnectorClosed`."""
        with self._lock:
            return self._state.client()

    @property
    def healthy(self) -> bool:
        """The result of the last check, without I/O."""
        return self._state.healthy

    async def connect(self, timeout: float | None = None) -> C:
        """Return the client, opening and verifying it if there is none; see `AsyncConnector.connect`."""
        if self._library is not None:
            load(self._library[0])
        until = monotonic() + timeout_of(timeout, self._config.connect_timeout)
        while True:
            with self._lock:
                self._state.refuse_closed()
                if self._state.present is not None:
                    return self._state.present
                own = _Attempt(Gate())
                attempt = self._attempts.join(own)
            if attempt is own:
                await self._lead(own, until)
            else:
                await attempt.gate.wait(max(0.0, until - monotonic()))
            attempt.is_done(late=ConnectTimeout(TOO_LONG.format(self.name), connector=self.name))
            if attempt.failures:
                raise failed(self.name, attempt.failures)
            # There is a client now, or the caller that made the attempt was cancelled: then this one tries.

    async def health_check(self, timeout: float | None = None) -> None:
        """Ask the server now, and remember the result; see `AsyncConnector.health_check`."""
        seconds = timeout_of(timeout, self._config.health_timeout)
        with self._lock:
            client, number = self._state.begin_check()
        failure = await self._probe(client, seconds)
        with self._lock:
            self._state.end_check(client, number, failure is None)
        if failure is not None:
            raise not_healthy(self.name, self._state.endpoint, failure)

    async def close(self) -> None:
        """Close the client for good; calling it again does nothing."""
        with self._lock:
            client = self._state.close()
        for step in tuple(self._steps):
            step.cancel()
        if client is not None:
            await self.close_client(client)

    def fresh(self, endpoint: str | None = None) -> Self:
        """Return an unconnected connector like this one, for one endpoint if it is given."""
        other = copy.copy(self)
        config = self._config if endpoint is None else self._config.at(endpoint)
        other._begin(config, self.name if endpoint is None else None)
        renew_after_fork(other)
        return other

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self._state.word}>"

    # One attempt for all callers

    async def _lead(self, attempt: _Attempt, until: float) -> None:
        error: BaseException | None = None
        try:
            attempt.failures = await self._try_all(until)
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._lock:
                self._state.ticket = None
                attempt.fail(error) if error is not None else attempt.succeed()
                self._attempts.leave(attempt)

    async def _try_all(self, until: float) -> list[Failure]:
        """Try one place after the other; return the failures of all, nothing if one succeeded."""
        failures: list[Failure] = []
        places = self.places()
        for index, endpoint in enumerate(places):
            # Each place gets a share of the time, so that one that hangs leaves time for the others.
            share = max(0.0, until - monotonic()) / (len(places) - index)
            failure = await self._try(endpoint, share)
            if failure is None:
                return []
            failures.append(failure)
        return failures

    async def _try(self, endpoint: str, seconds: float) -> Failure | None:
        stuck = self._connecting.get(endpoint)
        if stuck is not None and stuck.hangs:
            # Another step would hang beside it, with a thread and a socket of its own.
            return self._failure(endpoint, TimeoutError("the previous attempt still hangs"))
        ticket = object()
        with self._lock:
            self._state.refuse_closed()
            self._state.ticket = ticket
        until = monotonic() + seconds * PATIENCE

        async def bring() -> None:
            client = await self.open_client(endpoint, seconds * PATIENCE)
            kept = False
            try:
                await self.check_client(client, max(0.001, until - monotonic()))
                with self._lock:
                    kept = self._state.keep(ticket, client, endpoint)
            finally:
                if not kept:
                    await self.close_client(client)

        step = Step(f"connect {self.name}", bring)
        self._connecting[endpoint] = step
        failure = await self._within(seconds, step, endpoint)
        # A step that hangs is remembered; of all others the error is not kept.
        if step.ended and self._connecting.get(endpoint) is step:
            del self._connecting[endpoint]
        with self._lock:
            self._state.refuse_closed()
            if self._state.present is not None:
                return None
            self._state.ticket = None
        return failure

    async def _probe(self, client: C, seconds: float) -> Failure | None:
        if self._checking is not None and self._checking.hangs:
            # Another check would hang beside the one that hangs already.
            return self._failure("", TimeoutError("the previous check still hangs"))
        step = Step(f"check {self.name}", lambda: self.check_client(client, seconds * PATIENCE))
        self._checking = step
        failure = await self._within(seconds, step)
        if step.ended and self._checking is step:
            self._checking = None
        return failure

    async def _within(self, seconds: float, step: Step, endpoint: str = "") -> Failure | None:
        """Wait for a step for up to a number of seconds; return its error."""
        self._steps.add(step)
        try:
            error = await step.wait(seconds)
        finally:
            self._steps.discard(step)
        return self._failure(endpoint, error) if error is not None else None

    def _failure(self, endpoint: str, error: BaseException) -> Failure:
        return failure_of(endpoint, error, self.failure_kind, self._config.masked)


class _Attempt(Attempt):
    """One attempt to connect that other callers wait for; each of them raises an error of its own."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self.failures: list[Failure] = []
