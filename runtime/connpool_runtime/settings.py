"""The settings of a pool: one frozen object, validated once."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, cast

from connpool_runtime.core.balance import Balancer, check_balancer
from connpool_runtime.core.breaker import BreakerRules
from connpool_runtime.core.histogram import BOUNDS

__all__ = ["PoolOptions", "PoolSettings"]


class PoolOptions(TypedDict, total=False):
    """The settings as keyword arguments of a pool or a generated wrapper; see `PoolSettings`."""

    balancer: str | Balancer | None
    load_factor: float | None
    max_fails: int | None
    cooldown: float | None
    half_open_max: int | None
    probe_timeout: float | None
    max_concurrency: int | None
    max_waiters: int | None
    checkout_timeout: float | None
    drain_timeout: float | None
    buckets: tuple[float, ...] | None
    metrics: bool | None
    clock: Callable[[], float] | None
    random: Callable[[], float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """All numbers and choices of a pool. Zero means zero; give None, or nothing, for the default.

    Arguments:
        balancer: "round_robin", "random", "weighted_random", "smooth", "least_pending", "hash", or
            a function `(candidates, call) -> candidate`. The default is what people expect, and in
            a pool whose members are equally well it is as good as any.
        load_factor: for "hash": how many times its fair share of the calls in flight a member may
            have, until others take its keys; `inf` for no bound. 1.25 keeps nearly all keys at home
            and no member far above the rest.
        max_fails: consecutive failures that open a member's breaker; 0 switches breakers off.
        cooldown: seconds an open breaker lets nobody through.
        half_open_max: calls let through at a time after the cooldown, until one of them succeeds.
        probe_timeout: seconds after which a probe that hangs no longer keeps others out.
        max_concurrency: calls at a time on one member: 1 for clients that are used exclusively. The
            default, None, is no limit, because most clients are thread-safe or multiplexed. With a
            limit each call costs a little more: it takes the pool's lock twice.
        max_waiters: callers who may wait for a member at a time; 0 lets nobody wait. 1024, as in
            Envoy: a line without end would only hide that the members are overloaded.
        checkout_timeout: seconds that a call may wait for a member, or what is left until the
            caller's deadline if that is less; 0 lets nobody wait. 5.0, because the 30 of most
            pools outlast most callers.
        drain_timeout: seconds that removing a member or closing the pool waits for its calls.
        buckets: upper bounds in seconds of the latency histogram, ascending.
        metrics: whether calls are counted and timed by method; if not, all methods share one count.
        clock: monotonic seconds; for tests.
        random: floats in [0, 1); for tests.

    Raises:
        ValueError: a value is not allowed; the message names the setting, the value and the rule.
    """

    balancer: str | Balancer = "round_robin"
    load_factor: float = 1.25
    max_fails: int = 5
    cooldown: float = 5.0
    half_open_max: int = 1
    probe_timeout: float = 30.0
    max_concurrency: int | None = None
    max_waiters: int = 1024
    checkout_timeout: float = 5.0
    drain_timeout: float = 30.0
    buckets: tuple[float, ...] = BOUNDS
    metrics: bool = True
    clock: Callable[[], float] = time.perf_counter
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        check_balancer(self.balancer)
        _factor("load_factor", self.load_factor)
        whole_number("max_fails", self.max_fails, least=0)
        whole_number("half_open_max", self.half_open_max, least=1)
        if self.max_concurrency is not None:
            whole_number("max_concurrency", self.max_concurrency, least=1)
        whole_number("max_waiters", self.max_waiters, least=0)
        for name in ("cooldown", "probe_timeout", "checkout_timeout", "drain_timeout"):
            seconds(name, getattr(self, name))
        _ascending("buckets", self.buckets)
        if not isinstance(cast("object", self.metrics), bool):
            raise _refused("metrics", self.metrics, "True or False")
        for name in ("clock", "random"):
            if not callable(getattr(self, name)):
                raise _refused(name, getattr(self, name), "a function without arguments")

    @classmethod
    def of(cls, options: PoolOptions) -> PoolSettings:
        """Make settings from options; those that are None keep their default."""
        given = {name: value for name, value in options.items() if value is not None}
        return cls(**given)  # type: ignore[arg-type]  # a TypedDict loses its value types here

    def rules(self) -> BreakerRules:
        """Return the numbers of the breakers."""
        return BreakerRules(self.max_fails, self.cooldown, self.half_open_max, self.probe_timeout)


def whole_number(name: str, value: object, *, least: int) -> None:
    """Refuse everything but an int that is large enough; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _refused(name, value, f"a whole number of at least {least}")


def seconds(name: str, value: object) -> None:
    """Refuse everything but a finite number of seconds that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise _refused(name, value, "a finite number of seconds, 0 or more")


def amount(name: str, value: object, *, least: float = 0.0) -> None:
    """Refuse everything but a finite number that is large enough."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not least <= value < math.inf
    ):
        raise _refused(name, value, f"a finite number of at least {least:g}")


def _factor(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise _refused(name, value, "a number of at least 1")


def _ascending(name: str, bounds: tuple[float, ...]) -> None:
    if not isinstance(cast("object", bounds), tuple) or not bounds:
        raise _refused(name, bounds, "a tuple of numbers of seconds")
    for bound in bounds:
        seconds(name, bound)
    if sorted(set(bounds)) != list(bounds):
        raise _refused(name, bounds, "ascending numbers of seconds")


def _refused(name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{name} must be {allowed}, not {value!r}")
