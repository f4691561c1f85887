"""The state of a connector's client, for threads and for tasks. Pure; the connector guards it."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectorClosed, NotConnected
from connpool_runtime.deadlines import remaining

__all__ = ["PATIENCE", "TOO_LONG", "State", "config_of", "name_of", "timeout_of"]

# A library gets slightly less time than the caller, so that its own error says what was slow.
PATIENCE = 0.9

TOO_LONG = "{}: another caller's attempt to connect takes longer than the time given"

C = TypeVar("C")
Config = TypeVar("Config", bound=ConnectorConfig)


class State(Generic[C]):
    """The client, its health, and the checks in flight.

    An attempt to connect holds a ticket; only the holder of the latest ticket may store its client, so that a
    client which comes too late is not kept. Checks are numbered; one that ends after a later one, or after
    its client is gone, says nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.present: C | None = None
        self.endpoint = ""
        self.healthy = False
        self.closed = False
        self.ticket: object = None
        self._begun = 0
        self._ended = 0

    def client(self) -> C:
        """Return the client, or raise the reason why there is none."""
        self.refuse_closed()
        if self.present is None:
            raise NotConnected(
                f"{self.name} is not connected: call connect() first", connector=self.name
            )
        return self.present

    def refuse_closed(self) -> None:
        """Raise if the connector is closed."""
        if self.closed:
            raise ConnectorClosed(f"{self.name} is closed", connector=self.name)

    def keep(self, ticket: object, client: C, endpoint: str) -> bool:
        """Take over a client that was opened and checked; return False if the attempt is out of date."""
        if self.ticket is not ticket or self.closed:
            return False
        self.present, self.endpoint, self.healthy, self.ticket = client, endpoint, True, None
        return True

    def begin_check(self) -> tuple[C, int]:
        """Return the client to check, and the number of the check."""
        client = self.client()
        self._begun += 1
        return client, self._begun

    def end_check(self, client: C, number: int, healthy: bool) -> None:
        """Record the result of a check, unless it is out of date."""
        if client is self.present and number > self._ended:
            self._ended, self.healthy = number, healthy

    @property
    def word(self) -> str:
        """The state in one or two words, for `repr`."""
        if self.closed:
            return "closed"
        if self.present is None:
            return "not connected"
        return "healthy" if self.healthy else "not healthy"

    def close(self) -> C | None:
        """Close for good; return the client to close, once."""
        client, self.present = self.present, None
        self.closed, self.healthy, self.ticket = True, False, None
        return client


def config_of(config: Config | str, made_by: type[ConnectorConfig]) -> Config:
    """Return a config, made from its URL if that is given."""
    return cast("Config", made_by.from_url(config)) if isinstance(config, str) else config


def name_of(config: ConnectorConfig, name: str | None) -> str:
    """Return the name of a connector, after refusing anything that is no config."""
    given = cast("object", config)
    if not isinstance(given, ConnectorConfig):
        raise TypeError(
            "a connector is made from a config, such as RedisConfig(endpoints=...), or its URL, not from "
            f"a {type(given).__name__}; RedisConfig.from_mapping makes a config from plain data"
        )
    return name or f"{config.kind} {','.join(config.endpoints)}"


def timeout_of(timeout: float | None, default: float) -> float:
    """Return the seconds that a caller waits."""
    return min(default if timeout is None else timeout, remaining())
