"""The settings of an endpoint whose clients are opened by a factory."""

from __future__ import annotations

from typing import TypedDict

from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule, refused

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
    pooling: bool | None


class EndpointSettings(Settings):
    """The settings of an endpoint whose clients are opened by a factory.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    min_size: int = option(
        default=0,
        rule=Rule.whole_number(0, "clients"),
        does="clients that are kept open once the first was opened; at most `max_size`.",
        why="0: an idle service needs no connection.",
        reloadable=True,
    )
    initial_size: int = option(
        default=0,
        rule=Rule.whole_number(0, "clients"),
        does="clients that `warm_up` opens, at least `min_size`; at most `max_size`.",
        why="0: how many will be needed is not known.",
    )
    max_size: int = option(
        default=10,
        rule=Rule.whole_number(1, "clients"),
        does="clients that may be open at a time; `max_clients` of the pool limits all endpoints"
        " together.",
        why="10, as in HikariCP: few servers do more work on more connections.",
        reloadable=True,
    )
    max_concurrency: int = option(
        default=1,
        rule=Rule.whole_number(1, "calls"),
        does="calls at a time on one client; by default the pool's option of this name, if the "
        "pool has it.",
        why="1: most clients that are opened on demand serve one caller at a time.",
        reloadable=True,
    )
    max_connecting: int = option(
        default=2,
        rule=Rule.whole_number(1, "clients"),
        does="how many clients may be opened at the same time.",
        why="2, as in pymongo: a server that comes back is not stormed.",
        reloadable=True,
    )
    idle_timeout: float = option(
        default=600.0,
        rule=Rule.seconds(),
        does="after how long a client beyond `min_size` is closed if it is unused; 0 for never.",
        why="600.0 is shorter than most firewalls take to forget a connection.",
        reloadable=True,
    )
    max_lifetime: float = option(
        default=1800.0,
        rule=Rule.seconds(),
        does="after how long a client is replaced, between its uses; up to a tenth less, so that"
        " those opened together do not end together; 0 for never.",
        why="1800.0: traffic finds new servers behind a name within half an hour.",
        reloadable=True,
    )
    validate_after: float = option(
        default=1.0,
        rule=Rule.seconds(),
        does="how long a client must have been idle to be validated before its next use.",
        why="1.0: a client just used is healthy, and a check of each use would double the round trips.",
        reloadable=True,
    )
    connect_backoff: float = option(
        default=1.0,
        rule=Rule.seconds(),
        does="the wait after a failure to open a client; each further failure in a row makes it "
        "1.6 times longer, give or take a fifth.",
        why="1.0, as in gRPC.",
        reloadable=True,
    )
    connect_backoff_max: float = option(
        default=120.0,
        rule=Rule.seconds(),
        does="the longest wait that `connect_backoff` grows to.",
        why="120.0, as in gRPC.",
        reloadable=True,
    )

    pooling: bool = option(
        default=True,
        rule=Rule.switch(),
        does="whether clients are reused. If not, each use opens a client of its own and closes it"
        " afterwards, which helps to find out whether reuse causes a problem. No client is "
        "kept or warmed up then.",
        why="True: that is what a pool is for.",
    )

    def check_together(self) -> None:
        """Refuse to keep or open more clients than `max_size`."""
        for name, size in (("min_size", self.min_size), ("initial_size", self.initial_size)):
            if size and not self.pooling:
                raise refused(name, size, "0 without pooling, which keeps no client")
        for name, size in (("min_size", self.min_size), ("initial_size", self.initial_size)):
            if size > self.max_size:
                raise refused(name, size, f"at most max_size, {self.max_size}")
