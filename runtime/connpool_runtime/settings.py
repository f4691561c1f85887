"""The settings of a pool: one frozen object, validated once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from connpool_runtime._validation import (
    amount,
    ascending,
    factor,
    refused,
    seconds,
    share,
    whole_number,
    yes_or_no,
)
from connpool_runtime.balancing.balancers import Balancer, check_balancer
from connpool_runtime.breaker.breaker import BreakerSettings
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.stats.histogram import BOUNDS

__all__ = ["PoolOptions", "PoolSettings"]


class PoolOptions(TypedDict, total=False):
    """The settings as keyword arguments of a pool or a generated wrapper; see `PoolSettings`."""

    balancer: str | Balancer | None
    load_factor: float | None
    max_fails: int | None
    cooldown: float | None
    half_open_calls: int | None
    probe_timeout: float | None
    cooldown_factor: float | None
    cooldown_max: float | None
    cooldown_jitter: float | None
    failure_rate_threshold: float | None
    slow_call_duration: float | None
    slow_call_rate_threshold: float | None
    minimum_calls: int | None
    sliding_window_seconds: float | None
    sliding_window_calls: int | None
    metrics_only: bool | None
    max_ejection_share: float | None
    panic_threshold: float | None
    slow_start: float | None
    zone: str | None
    overprovisioning_factor: float | None
    subset_size: int | None
    client_id: str | None
    max_concurrency: int | None
    max_clients: int | None
    max_waiting: int | None
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
        balancer: "round_robin", "random", "weighted_random", "weighted_round_robin", "least_request",
            "peak_ewma", "consistent_hash", or a function `(candidates, call) -> candidate`. The default is what people expect, and in
            a pool whose members are equally well it is as good as any.
        load_factor: for "consistent_hash": how many times its fair share of the calls in flight a member may
            have, until others take its keys; `inf` for no bound. 1.25 keeps nearly all keys at home
            and no member far above the rest.
        max_fails: consecutive failures that open a member's breaker; 0 for no such rule. 5 is more
            than bad luck and is reached at low traffic too.
        cooldown: seconds an open breaker lets nobody through; the first time.
        half_open_calls: calls let through at a time after the cooldown, until one of them succeeds.
        probe_timeout: seconds after which a probe that hangs no longer keeps others out.
        cooldown_factor: by which the cooldown grows each time a breaker opens again, until its
            member has stayed well for as long as it would be cut off next. 2.0: a server that is
            gone costs ever fewer calls. 1.0 for no growth.
        cooldown_max: seconds that the cooldown grows to, if it is not longer from the start. 60.0,
            because a member that is back should not idle for much longer.
        cooldown_jitter: the largest share of a cooldown that is left out by chance, so that not all
            clients try a server at the same moment; 0 for none. 0.2 spreads them over a second.
        failure_rate_threshold: the share of failures among the latest calls that opens a breaker, from above
            0 to 1; 0, the default, for no such rule: what fails every other time soon fails
            `max_fails` times in a row. Use it with more, or with lower shares.
        slow_call_duration: seconds after which a call is a slow one, for `slow_call_rate_threshold`. 5.0, longer than most
            callers wait. Streams, leases and pinned results are never slow.
        slow_call_rate_threshold: the share of slow calls among the latest that opens a breaker; 0, the default,
            for no such rule: only its owner knows what is slow for a service.
        minimum_calls: below so many of the latest calls, shares mean nothing. 20: a share of 50 % is
            then known to within 20 %.
        sliding_window_seconds: seconds that the latest calls go back, by tenths. 10.0 is soon enough to notice, and
            long enough for `minimum_calls` at two calls a second. The latest calls are counted from
            the first one that failed or was slow; until then rates cost nothing.
        sliding_window_calls: how many calls are the latest, whenever they were; 0, the default, goes by
            `sliding_window_seconds` instead.
        metrics_only: breakers open and close and tell their listeners, but cut nobody off: to try
            settings on real traffic. Members opened by hand are cut off all the same.
        max_ejection_share: the share of members that may be cut off by breakers at a time, but at least
            one; 0 for none. 1.0, the default, is no cap: few members share a client's calls, and
            those whose server is gone are better left out, all of them.
        panic_threshold: if a smaller share of the members than this is well, breakers are ignored:
            it is then likelier that the rest would break under the load. 0, the default, never:
            when all are cut off, calls fail at once with `AllMembersOpen`. Members opened by hand
            stay cut off.
        slow_start: seconds in which a member that joined or came back gets its whole weight, from a
            tenth of it on, for servers that must warm up. 0, the default, is at once, because at
            low traffic a slow start is only a long one. Does not hold for "consistent_hash" and functions.
        zone: where this client is; members of another zone, or of none, are called when too few
            of this one are well. The default, None, is no preference.
        overprovisioning_factor: how many times its usual load a group of members can take. While 1 in this
            many of the preferred group is well, it takes all calls; below, a share goes on to the
            next one. 1.4, Envoy's: all calls stay at home until 71 % are well.
        subset_size: how many of the members this client uses, the same ones each time; for large
            fleets, whose servers would else have a connection from every client. The default,
            None, is all.
        client_id: names this client among others, so that each has a different subset. By default
            a new one is drawn for each pool; give a name of its own to keep a subset for good.
        max_concurrency: calls at a time on one member: 1 for clients that are used exclusively. The
            default, None, is no limit, because most clients are thread-safe or multiplexed. With a
            limit each call costs a little more: it takes the pool's lock twice.
        max_clients: clients that the factories of all endpoints may have open together. None, the
            default, is no limit beside each endpoint's `max_size`.
        max_waiting: callers who may wait for a member at a time; 0 lets nobody wait. 1024, as in
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
    half_open_calls: int = 1
    probe_timeout: float = 30.0
    cooldown_factor: float = 2.0
    cooldown_max: float = 60.0
    cooldown_jitter: float = 0.2
    failure_rate_threshold: float = 0.0
    slow_call_duration: float = 5.0
    slow_call_rate_threshold: float = 0.0
    minimum_calls: int = 20
    sliding_window_seconds: float = 10.0
    sliding_window_calls: int = 0
    metrics_only: bool = False
    max_ejection_share: float = 1.0
    panic_threshold: float = 0.0
    slow_start: float = 0.0
    zone: str | None = None
    overprovisioning_factor: float = 1.4
    subset_size: int | None = None
    client_id: str | None = None
    max_concurrency: int | None = None
    max_clients: int | None = None
    max_waiting: int = 1024
    checkout_timeout: float = 5.0
    drain_timeout: float = 30.0
    buckets: tuple[float, ...] = BOUNDS
    metrics: bool = True
    clock: Callable[[], float] = time.perf_counter
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        check_balancer(self.balancer)
        factor("load_factor", self.load_factor)
        self._check_breaker()
        self._check_placement()
        for name in ("max_concurrency", "max_clients"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), least=1)
        whole_number("max_waiting", self.max_waiting, least=0)
        for name in ("checkout_timeout", "drain_timeout"):
            seconds(name, getattr(self, name))
        ascending("buckets", self.buckets)
        yes_or_no("metrics", self.metrics)
        for name in ("clock", "random"):
            if not callable(getattr(self, name)):
                raise refused(name, getattr(self, name), "a function without arguments")

    def _check_breaker(self) -> None:
        whole_number("max_fails", self.max_fails, least=0)
        for name in ("half_open_calls", "minimum_calls"):
            whole_number(name, getattr(self, name), least=1)
        whole_number("sliding_window_calls", self.sliding_window_calls, least=0)
        for name in ("cooldown", "probe_timeout", "cooldown_max", "slow_call_duration"):
            seconds(name, getattr(self, name))
        for name in ("cooldown_jitter", "failure_rate_threshold", "slow_call_rate_threshold"):
            share(name, getattr(self, name))
        amount("cooldown_factor", self.cooldown_factor, least=1.0)
        if seconds("sliding_window_seconds", self.sliding_window_seconds) == 0:
            raise refused(
                "sliding_window_seconds",
                self.sliding_window_seconds,
                "a finite number of seconds above 0",
            )
        if 0 < self.sliding_window_calls < self.minimum_calls:
            rule = f"0 or at least minimum_calls, which is {self.minimum_calls}"
            raise refused("sliding_window_calls", self.sliding_window_calls, rule)
        yes_or_no("metrics_only", self.metrics_only)

    def _check_placement(self) -> None:
        for name in ("max_ejection_share", "panic_threshold"):
            share(name, getattr(self, name))
        seconds("slow_start", self.slow_start)
        factor("overprovisioning_factor", self.overprovisioning_factor)
        for name in ("zone", "client_id"):
            if not isinstance(getattr(self, name), str | None):
                raise refused(name, getattr(self, name), "a text")
        if self.subset_size is not None:
            whole_number("subset_size", self.subset_size, least=1)

    @classmethod
    def of(cls, options: PoolOptions) -> PoolSettings:
        """Make settings from options; those that are None keep their default."""
        given = {name: value for name, value in options.items() if value is not None}
        return cls(**given)  # type: ignore[arg-type]  # a TypedDict loses its value types here

    def eligibility(self) -> Eligibility:
        """Return what decides which members are candidates."""
        return Eligibility(
            zone=self.zone,
            overprovisioning_factor=self.overprovisioning_factor,
            subset_size=self.subset_size,
            client_id=repr(self.random()) if self.client_id is None else self.client_id,
            max_ejection_share=self.max_ejection_share,
            panic_threshold=self.panic_threshold,
            slow_start=self.slow_start,
        )

    def breaker_settings(self) -> BreakerSettings:
        """Return the numbers of the breakers."""
        return BreakerSettings(
            max_fails=self.max_fails,
            cooldown=self.cooldown,
            half_open_calls=self.half_open_calls,
            probe_timeout=self.probe_timeout,
            cooldown_factor=self.cooldown_factor,
            cooldown_max=self.cooldown_max,
            cooldown_jitter=self.cooldown_jitter,
            failure_rate_threshold=self.failure_rate_threshold,
            slow_call_duration=self.slow_call_duration,
            slow_call_rate_threshold=self.slow_call_rate_threshold,
            minimum_calls=self.minimum_calls,
            sliding_window_seconds=self.sliding_window_seconds,
            sliding_window_calls=self.sliding_window_calls,
            metrics_only=self.metrics_only,
            random=self.random,
        )
