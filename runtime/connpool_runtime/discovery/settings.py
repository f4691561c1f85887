"""The settings of discovery: one frozen object, validated once."""

from __future__ import annotations

from typing import TypedDict

from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule

__all__ = ["DiscoveryOptions", "DiscoverySettings"]


class DiscoveryOptions(TypedDict, total=False):
    """The settings as keyword arguments of `discover`; see `DiscoverySettings`."""

    allow_empty: bool | None
    removal_delay: float | None
    flap_delay: float | None
    fetch_timeout: float | None
    retry_backoff: float | None
    retry_backoff_max: float | None
    max_connecting: int | None
    connect_timeout: float | None
    connect_backoff: float | None
    connect_backoff_max: float | None
    start_timeout: float | None
    snapshot_file: str | None


class DiscoverySettings(Settings):
    """How a pool follows a source of endpoints. Zero means zero; an option not given has its default.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    allow_empty: bool = option(
        default=False,
        rule=Rule.switch(),
        does="whether an answer without endpoints is believed, and empties the pool.",
        why="False: an empty list is mostly a fault of the source, and costs every call.",
        reloadable=True,
    )
    removal_delay: float = option(
        default=0.0,
        rule=Rule.seconds(),
        does="how long an endpoint must be missing in the answers before its member leaves.",
        why="0.0: a server that shuts down in an orderly way deregisters before it ends.",
        reloadable=True,
    )
    flap_delay: float = option(
        default=5.0,
        rule=Rule.seconds(),
        does="the same for an endpoint that has left within the last minute already; twice as long"
        " with each further time, up to a minute.",
        why="5.0: one that comes and goes is not opened and drained each time.",
        reloadable=True,
    )
    fetch_timeout: float = option(
        default=10.0,
        rule=Rule.seconds_above_zero(),
        does="how long the source may take to answer, beyond the time for which it waits for a change.",
        why="10.0: what is known is used meanwhile.",
        reloadable=True,
    )
    retry_backoff: float = option(
        default=0.5,
        rule=Rule.seconds_above_zero(),
        does="after how long a source that failed is asked again; each further failure in a row makes"
        " it 1.6 times longer, give or take a fifth.",
        why="0.5: most failures are short.",
        reloadable=True,
    )
    retry_backoff_max: float = option(
        default=10.0,
        rule=Rule.seconds_above_zero(),
        does="the longest wait that `retry_backoff` grows to.",
        why="10.0: a source that is back is noticed soon, and not stormed meanwhile.",
        reloadable=True,
    )
    max_connecting: int = option(
        default=16,
        rule=Rule.whole_number(1, "clients"),
        does="clients that are opened at a time.",
        why="16, as when a pool starts with a connector.",
        reloadable=True,
    )
    connect_timeout: float = option(
        default=5.0,
        rule=Rule.seconds_above_zero(),
        does="how long opening, checking and warming up one client may take; a connector's own "
        "`connect_timeout` takes precedence.",
        why="5.0, as for connectors.",
        reloadable=True,
    )
    connect_backoff: float = option(
        default=1.0,
        rule=Rule.seconds_above_zero(),
        does="after how long an endpoint that could not be opened is tried again; each further failure"
        " in a row makes it 1.6 times longer, give or take a fifth.",
        why="1.0, as in gRPC.",
        reloadable=True,
    )
    connect_backoff_max: float = option(
        default=30.0,
        rule=Rule.seconds_above_zero(),
        does="the longest wait that `connect_backoff` grows to.",
        why="30.0: the source says that the endpoint is there, so it is likely to come.",
        reloadable=True,
    )
    start_timeout: float = option(
        default=10.0,
        rule=Rule.seconds(),
        does="how long `discover` waits for the first answer and the first member; 0 does not wait.",
        why="10.0: long enough for a source that is electing a leader, short enough for the "
        "person who starts the service.",
    )
    snapshot_file: str | None = option(
        default=None,
        rule=Rule.text(),
        does="a file that keeps the last good answer; a pool starts with that answer when the "
        "source does not give one.",
        why="None: nothing is written unless it is asked for.",
    )
