"""The part that all synchronous connectors share: deadlines, one attempt for many callers, closing once."""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, Self, TypeVar

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectTimeout, FailureKind
from connpool_runtime.connectors.failures import Failure, failed, failure_of, not_healthy
from connpool_runtime.connectors.state import PATIENCE, TOO_LONG, State, name_of, timeout_of

__all__ = ["BaseConnector"]

C = TypeVar("C")
Config = TypeVar("Config", bound=ConnectorConfig)


class BaseConnector(ABC, Generic[C, Config]):
    """A connector whose library-specific steps are `open_client`, `check_client` and `close_client`.

    The steps run in short-lived threads, so that a library that does not keep to its timeout cannot
    keep a caller beyond the deadline; what such a thread still brings is closed. Safe for threads.

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
        self._lock = Lock()  # guards the state and the turn; never held across I/O
        self._turn: _Turn | None = None
        self._checking: _Step | None = None  # the check that was begun last

    # What a kind of server needs

    @abstractmethod
    def open_client(self, endpoint: str, timeout: float) -> C:
        """Make a client of one endpoint within so many seconds; I/O is allowed and not required."""

    @abstractmethod
    def check_client(self, client: C, timeout: float) -> None:
        """Ask the server whether it is well; raise the library's own error when it is not."""

    @abstractmethod
    def close_client(self, client: C) -> None:
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
        with self._lock:
            return self._state.client()

    @property
    def healthy(self) -> bool:
        """What the last check came to, without I/O."""
        return self._state.healthy

    def connect(self, timeout: float | None = None) -> C:
        """Return the client, opening and verifying it when there is none; see `Connector.connect`."""
        until = time.monotonic() + timeout_of(timeout, self._config.connect_timeout)
        while True:
            turn, ours = self._take_turn()
            if turn is None:
                return self.client
            if ours:
                self._lead(turn, until)
            elif not turn.ended.wait(max(0.0, until - time.monotonic())):
                raise ConnectTimeout(TOO_LONG.format(self.name), connector=self.name)
            if turn.failures:
                raise failed(self.name, turn.failures)
            # There is a client now, or who led the attempt was interrupted: then it is our turn.

    def health_check(self, timeout: float | None = None) -> None:
        """Ask the server now, and remember the answer; see `Connector.health_check`."""
        seconds = timeout_of(timeout, self._config.health_timeout)
        with self._lock:
            client, number = self._state.begin_check()
        failure = self._probe(client, seconds)
        with self._lock:
            self._state.end_check(client, number, failure is None)
        if failure is not None:
            raise not_healthy(self.name, self._state.endpoint, failure)

    def close(self) -> None:
        """Close the client; for ever, and again does nothing."""
        with self._lock:
            client = self._state.close()
        if client is not None:
            self.close_client(client)

    def fresh(self, endpoint: str | None = None) -> Self:
        """Return a connector like this one that is not connected yet, for one endpoint if it is given."""
        other = copy.copy(self)
        config = self._config if endpoint is None else self._config.at(endpoint)
        other._begin(config, self.name if endpoint is None else None)
        return other

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self._state.word}>"

    # One attempt for all callers

    def _take_turn(self) -> tuple[_Turn | None, bool]:
        """Return the attempt to wait for and whether it is ours to lead; None when there is a client."""
        with self._lock:
            self._state.refuse_closed()
            if self._state.present is not None:
                return None, False
            if self._turn is not None:
                return self._turn, False
            self._turn = _Turn()
            return self._turn, True

    def _lead(self, turn: _Turn, until: float) -> None:
        try:
            places = self.places()
            for index, endpoint in enumerate(places):
                # Each gets its share, so that one that hangs leaves time for the others.
                share = max(0.0, until - time.monotonic()) / (len(places) - index)
                failure = self._try(endpoint, share)
                if failure is None:
                    turn.failures.clear()
                    break
                turn.failures.append(failure)
        finally:
            with self._lock:
                self._turn = self._state.ticket = None
            turn.ended.set()

    def _try(self, endpoint: str, seconds: float) -> Failure | None:
        ticket = object()
        with self._lock:
            self._state.refuse_closed()
            self._state.ticket = ticket

        until = time.monotonic() + seconds * PATIENCE

        def bring() -> None:
            client = self.open_client(endpoint, seconds * PATIENCE)
            kept = False
            try:
                self.check_client(client, max(0.001, until - time.monotonic()))
                with self._lock:
                    kept = self._state.keep(ticket, client, endpoint)
            finally:
                if not kept:
                    self.close_client(client)

        failure = self._within(seconds, _Step(self.name, bring), endpoint)
        with self._lock:
            self._state.refuse_closed()
            if self._state.present is not None:
                return None
            self._state.ticket = None
        return failure

    def _probe(self, client: C, seconds: float) -> Failure | None:
        hanging = self._checking
        if hanging is not None and hanging.overdue and hanging.is_alive():
            # Another thread beside the one that an earlier check is stuck in would be stuck too.
            return self._failure("", TimeoutError("the check before this one still hangs"))
        step = _Step(self.name, lambda: self.check_client(client, seconds * PATIENCE))
        self._checking = step
        return self._within(seconds, step)

    def _within(self, seconds: float, step: _Step, endpoint: str = "") -> Failure | None:
        """Run a step for at most so many seconds; return how it failed."""
        step.start()
        error = step.wait(seconds)
        return self._failure(endpoint, error) if error is not None else None

    def _failure(self, endpoint: str, error: BaseException) -> Failure:
        return failure_of(endpoint, error, self.failure_kind, self._config.masked)


class _Turn:
    """One attempt to connect, that others wait for."""

    def __init__(self) -> None:
        self.ended = Event()
        self.failures: list[Failure] = []


class _Step(Thread):
    """Something of a library's that runs in a thread of its own, so that nobody need wait for its end."""

    def __init__(self, name: str, step: Callable[[], object]) -> None:
        super().__init__(name=f"connect {name}", daemon=True)
        self._step = step
        self._ended = Event()
        self._error: BaseException | None = None
        self.overdue = False

    def run(self) -> None:
        """Take the step."""
        try:
            self._step()
        except BaseException as error:  # it belongs to the caller, who may be gone
            self._error = error
        finally:
            self._ended.set()

    def wait(self, seconds: float) -> BaseException | None:
        """Wait for at most so many seconds; return what went wrong."""
        if self._ended.wait(seconds):
            return self._error
        self.overdue = True
        return TimeoutError(f"no answer within {seconds:g} s")
