"""The settings of shared clients: one frozen object, validated once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict

from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule

__all__ = ["SharingOptions", "SharingSettings"]


class SharingOptions(TypedDict, total=False):
    """The settings as keyword arguments; see `SharingSettings`."""

    idle_ttl: float | None
    max_clients: int | None
    acquire_timeout: float | None
    drain_timeout: float | None
    clock: Callable[[], float] | None
    random: Callable[[], float] | None


class SharingSettings(Settings):
    """The settings of shared clients. Zero means zero; an option not given has its default.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    idle_ttl: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="how long an unused client stays open; 0 closes it with its last handle.",
        why="Half a minute: callers who come one after the other still share.",
        reloadable=True,
    )
    max_clients: int = option(
        default=0,
        rule=Rule.whole_number(0, "clients"),
        does="how many may be open at a time, those that are being closed included; 0 is no limit."
        " At the limit unused clients leave, then callers wait in line, then they get"
        " `ClientsExhausted`.",
        why="0: what is right depends on the servers.",
        reloadable=True,
    )
    acquire_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="the longest wait while `max_clients` are in use, or while another caller opens the"
        " client; opening it has the deadline of its config.",
        why="Half a minute, like a pool's draining.",
        reloadable=True,
    )
    drain_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="the longest that `close` waits for handles that are in use.",
        why="30.0, as for a pool.",
        reloadable=True,
    )
    clock: Callable[[], float] = option(
        default=time.monotonic, rule=Rule.function(), does="monotonic seconds; for tests."
    )
    random: Callable[[], float] = option(
        default=draw,
        rule=Rule.function(),
        does="floats in [0, 1); for tests.",
        why="not `random.random`: where a program seeds that, all its processes would draw the same jitter.",
    )
