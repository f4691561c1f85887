"""The numbers of an endpoint whose clients are made by a factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from connpool_runtime._validation import seconds, whole_number

__all__ = ["EndpointOptions", "EndpointSettings"]


class EndpointOptions(TypedDict, total=False):
    """The settings of `add_endpoint` as its keyword arguments; see `EndpointSettings`."""

    min_size: int | None
    initial_size: int | None
    max_size: int | None
    max_concurrency: int | None
    max_connecting: int | None
    idle_timeout: float | None
    max_lifetime: float | None
    validate_after: float | None
    connect_backoff: float | None
    connect_backoff_max: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """The numbers of an endpoint whose clients are made by a factory; durations in seconds.

    Arguments:
        min_size: clients that are kept open once the first was opened. 0: an idle service needs
            no connection.
        initial_size: clients that `warm_up` opens, at least `min_size`. 0, as nothing is known.
        max_size: clients that may be open at a time. 10, as in HikariCP: few servers do more work
            on more connections.
        max_concurrency: calls at a time on one client. 1: who makes clients on demand mostly does
            so because each serves one caller.
        max_connecting: clients that may be being opened at a time. 2, as in pymongo: a server that
            comes back is not stormed.
        idle_timeout: after how long a client beyond `min_size` is closed if nobody uses it; 0 for
            never. 600.0, shorter than most firewalls forget a connection.
        max_lifetime: after how long a client is replaced, between its uses; up to a tenth less, so that
            those opened together do not end together; 0 for never. 1800.0: traffic finds new
            servers behind a name within half an hour.
        validate_after: how long a client must have been idle to be validated before its next use.
            1.0: a client just used is well, and a check of each use would double the round trips.
        connect_backoff: how long nothing is opened after a failure to open; each further one in a
            row makes it 1.6 times longer, give or take a fifth. 1.0, as in gRPC.
        connect_backoff_max: what it grows to at most. 120.0, as in gRPC.

    Raises:
        ValueError: a value is not allowed; the message names the setting, the value and the rule.
    """

    min_size: int = 0
    initial_size: int = 0
    max_size: int = 10
    max_concurrency: int = 1
    max_connecting: int = 2
    idle_timeout: float = 600.0
    max_lifetime: float = 1800.0
    validate_after: float = 1.0
    connect_backoff: float = 1.0
    connect_backoff_max: float = 120.0

    def __post_init__(self) -> None:
        for name in ("max_size", "max_concurrency", "max_connecting"):
            whole_number(name, getattr(self, name), least=1)
        for name in ("min_size", "initial_size"):
            whole_number(name, getattr(self, name), least=0)
            if (value := getattr(self, name)) > self.max_size:
                raise ValueError(f"{name} must be at most max_size, {self.max_size}, not {value}")
        for name in ("idle_timeout", "max_lifetime", "validate_after"):
            seconds(name, getattr(self, name))
        for name in ("connect_backoff", "connect_backoff_max"):
            seconds(name, getattr(self, name))

    @classmethod
    def of(cls, options: EndpointOptions) -> EndpointSettings:
        """Make settings from options; those that are None keep their default."""
        given = {name: value for name, value in options.items() if value is not None}
        return cls(**given)  # type: ignore[arg-type]  # a TypedDict loses its value types here
