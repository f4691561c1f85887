"""The settings of shared clients: one frozen object, validated once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from connpool_runtime._validation import seconds, whole_number

__all__ = ["SharingOptions", "SharingSettings"]


class SharingOptions(TypedDict, total=False):
    """The settings as keyword arguments; see `SharingSettings`."""

    idle_ttl: float | None
    max_clients: int | None
    acquire_timeout: float | None
    drain_timeout: float | None
    clock: Callable[[], float] | None
    random: Callable[[], float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingSettings:
    """The numbers of shared clients. Give None, or nothing, for the default.

    Arguments:
        idle_ttl: seconds that a client nobody has stays open; 0 closes it with its last handle. Half a
            minute, so that callers who come one after the other still share.
        max_clients: how many may be open at a time, those that are being closed included; 0 is no
            limit, and the default, because what is right depends on the servers.
        acquire_timeout: seconds a caller waits while `max_clients` are in use, or while another caller opens
            the client. Opening it has the deadline of its config. Half a minute, like a pool's draining.
        drain_timeout: seconds that `close` waits for the handles that are out.
        clock: monotonic seconds; for tests.
        random: floats in [0, 1); for tests.

    Raises:
        ValueError: a value is not allowed; the message names the setting, the value and the rule.
    """

    idle_ttl: float = 30.0
    max_clients: int = 0
    acquire_timeout: float = 30.0
    drain_timeout: float = 30.0
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        whole_number("max_clients", self.max_clients, least=0)
        for name in ("idle_ttl", "acquire_timeout", "drain_timeout"):
            seconds(name, getattr(self, name))

    @classmethod
    def of(cls, options: SharingOptions) -> SharingSettings:
        """Make settings from options; those that are None keep their default."""
        given = {name: value for name, value in options.items() if value is not None}
        return cls(**given)  # type: ignore[arg-type]  # a TypedDict loses its value types here
