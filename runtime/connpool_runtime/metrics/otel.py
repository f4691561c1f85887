"""The numbers of pools as OpenTelemetry metrics; needs opentelemetry-api (extra `otel`).

Observable instruments: the pools count for themselves and are only read when a reader collects.
Names and attributes are written as OpenTelemetry's conventions have it: dotted, in base units, no
unit in the name, in the singular but for things that are counted. OpenTelemetry has no observable
histogram, so latencies are three counters: the calls measured, their seconds, and those of each
bucket with its upper bound `le`. `otel_histograms.py` makes real histograms of them on their way out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from time import monotonic
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, ref

from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.metrics.exported import ExportedPools
from connpool_runtime.metrics.series import (
    DURATIONS,
    SERIES,
    Durations,
    Series,
    middleware_series,
    upper,
)
from connpool_runtime.pool.base import BasePool
from connpool_runtime.stats.member_address import member_attributes
from connpool_runtime.stats.types import LatencyStats, PoolStats

__all__ = ["PoolObserver", "observe"]

Attributes: TypeAlias = Mapping[str, str | int]
Read: TypeAlias = Callable[[list[PoolStats]], Iterable[Observation]]

PREFIX = "connpool.client."
POOL = "connpool.pool.name"

# By the short name of a series: what it is called here, and what its label `state` is the state of.
NAMES = {
    "attempts": ("attempts", ""),
    "breaker_state": ("breaker.state", ""),
    "breaker_transitions": ("breaker.transitions", "connpool.breaker.state"),
    "call_duration": ("call.duration", ""),
    "calls": ("calls", ""),
    "checkout_wait": ("checkout.wait_time", ""),
    "client_create_time": ("connection.create_time", ""),
    "client_use_time": ("connection.use_time", ""),
    "client_closings": ("connection.closings", ""),
    "client_openings": ("connection.openings", ""),
    "clients": ("connection.count", "connpool.connection.state"),
    "discovery_endpoints": ("discovery.endpoint.count", "connpool.endpoint.state"),
    "discovery_errors": ("discovery.errors", ""),
    "discovery_last_success": ("discovery.last_success_time", ""),
    "discovery_stale_seconds": ("discovery.stale_time", ""),
    "discovery_updates": ("discovery.updates", ""),
    "ejections_spared": ("ejection.spared", ""),
    "health_checks": ("health_checks", ""),
    "in_flight": ("active_calls", ""),
    "in_flight_limit": ("member.limit", ""),
    "leaks_suspected": ("leaks_suspected", ""),
    "member_healthy": ("member.healthy", ""),
    "member_weight": ("member.weight", ""),
    "members": ("member.count", "connpool.member.state"),
    "members_joined": ("member.joined", ""),
    "members_left": ("member.left", ""),
    "outlier_ejections": ("outlier.ejections", ""),
    "rejections": ("rejections", ""),
    "suspended": ("suspended", ""),
    "trips": ("trips", ""),
    "waiting": ("pending_calls", ""),
}
ATTRIBUTES = {"reason": "error.type"}  # by label; `connpool.` and the label for all others

_joining = new_lock()
# Weak on both sides, for an observer holds its meter; the instruments of the meter hold the observer.
_observers: WeakKeyDictionary[Meter, ref[PoolObserver]] = WeakKeyDictionary()


def observe(*pools: BasePool[Any], meter: Meter | None = None) -> PoolObserver:
    """Let OpenTelemetry read the numbers of pools, sync and async, from now on. Safe for threads.

    A meter has one observer, which all calls with this meter return: pools may come later, by
    calling this again or by `add`.

    Arguments:
        pools: the pools to read. Each needs a name of its own.
        meter: makes the instruments; by default that of the global provider.

    Raises:
        TypeError: one of them is no pool.
        ValueError: two pools have one name.
    """
    meter = meter or _default_meter()
    with _joining:
        known = _observers.get(meter)
        observer = known() if known is not None else None
        if observer is None:
            observer = PoolObserver(meter)
            _observers[meter] = ref(observer)
    observer.add(*pools)
    return observer


@cache
def _default_meter() -> Meter:
    # Before a provider is set, each call would return another stand-in for one and the same meter.
    return get_meter("connpool_runtime")


class PoolObserver:
    """Lets OpenTelemetry read the numbers of pools that come and go. Made by `observe`.

    The observer holds its pools until they are removed or closed. What a closed pool counted is
    exported for five more minutes, but for the points of its members, which leave with them.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._pools = ExportedPools()
        self._snapshots = _Snapshots(self._pools.stats)
        # Not the lock of the pools: the SDK collects under a lock of its own, which also guards
        # new instruments.
        self._creating = new_lock()
        self._of_middleware: set[str] = set()
        for series in SERIES:
            name, state = NAMES[series.name]
            self._instrument(PREFIX + name, series, partial(_observations, series, state))
        for durations in DURATIONS:
            self._histogram(durations)

    def add(self, *pools: BasePool[Any]) -> None:
        """Read more pools; one that is read already stays.

        The numbers of middleware are those of the middleware that are registered by now. Adding a
        pool again takes up what was registered since.

        Arguments:
            pools: the pools. A pool that takes the name of a closed one replaces it.

        Raises:
            TypeError: one of them is no pool.
            ValueError: two pools that are open have one name. No pool was added then.
        """
        self._pools.add(*pools)
        for series in middleware_series([pool.stats() for pool in pools]):
            with self._creating:
                if series.name not in self._of_middleware:
                    self._of_middleware.add(series.name)
                    read = partial(_of_middleware, series.name)
                    self._instrument(PREFIX + series.name, series, read)

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop reading pools at once; those that are not read are passed over.

        Arguments:
            pools: the pools. They stay as they are, and may be added again.
        """
        self._pools.remove(*pools)

    def _instrument(self, name: str, series: Series, read: Read) -> None:
        meter, callbacks = self._meter, [self._callback(name, read)]
        if series.kind == "counter":
            meter.create_observable_counter(name, callbacks, series.unit, series.text)
        elif series.unit in ("1", "s"):  # the states and ages of several pools make no sum
            meter.create_observable_gauge(name, callbacks, series.unit, series.text)
        else:
            meter.create_observable_up_down_counter(name, callbacks, series.unit, series.text)

    def _histogram(self, durations: Durations) -> None:
        base, create = PREFIX + NAMES[durations.name][0], self._meter.create_observable_counter
        counted = f"{{{durations.counted}}}"
        parts: tuple[tuple[str, str, Read], ...] = (
            ("count", counted, partial(_part, durations, lambda latency: latency.count)),
            ("sum", "s", partial(_part, durations, lambda latency: latency.total)),
            ("bucket", counted, partial(_buckets, durations)),
        )
        for suffix, unit, read in parts:
            name = f"{base}.{suffix}"
            create(name, [self._callback(name, read)], unit, durations.text)

    def _callback(
        self, name: str, read: Read
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return what an instrument calls when it is collected."""

        def ask(_options: CallbackOptions) -> Iterable[Observation]:
            return list(read(self._snapshots.of_collection(name)))

        return ask


class _Snapshots:
    """The numbers that one collection reads, though every instrument asks for them.

    OpenTelemetry does not tell a callback which collection it serves. But a collection runs in one
    thread and asks each instrument once: so an instrument that asks again begins the next one, and
    each thread, that is each reader that collects at the same time, has numbers of its own.
    """

    MAX_AGE = 10.0  # seconds; in case a collection asks only those that the last one left out

    def __init__(self, take: Callable[[], list[PoolStats]]) -> None:
        self._take = take
        self._of_thread = _Collection()

    def of_collection(self, instrument: str) -> list[PoolStats]:
        """Return the numbers of the collection in which an instrument asks now."""
        current, now = self._of_thread, monotonic()
        if not current.asked or instrument in current.asked or now - current.begun > self.MAX_AGE:
            current.stats, current.begun, current.asked = self._take(), now, set()
        current.asked.add(instrument)
        return current.stats


class _Collection(threading.local):
    """What a thread collects at the moment: when it began, the numbers, the instruments that asked."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.stats: list[PoolStats] = []
        self.asked: set[str] = set()


def _observations(series: Series, state: str, pools: list[PoolStats]) -> Iterable[Observation]:
    for pool in pools:
        for values, number in series.samples(pool):
            yield Observation(number, _attributes(pool, series.labels, values, state))


def _of_middleware(name: str, pools: list[PoolStats]) -> Iterable[Observation]:
    # Anew each time: a middleware tells its labels when it first counts something.
    for series in middleware_series(pools):
        if series.name == name:
            yield from _observations(series, "", pools)


def _part(
    durations: Durations, value: Callable[[LatencyStats], float], pools: list[PoolStats]
) -> Iterable[Observation]:
    for pool in pools:
        for values, latency in durations.samples(pool):
            yield Observation(value(latency), _attributes(pool, durations.labels, values))


def _buckets(durations: Durations, pools: list[PoolStats]) -> Iterable[Observation]:
    for pool in pools:
        for values, latency in durations.samples(pool):
            attributes = _attributes(pool, durations.labels, values)
            for bound, count in latency.buckets:
                yield Observation(count, {**attributes, "le": upper(bound)})


def _attributes(
    pool: PoolStats, labels: tuple[str, ...], values: tuple[str, ...], state: str = ""
) -> Attributes:
    found: dict[str, str | int] = {POOL: pool.name}
    for label, value in zip(labels, values, strict=True):
        if label == "member":
            found |= member_attributes(value)
        elif label == "state" and state:
            found[state] = value
        elif value:  # a label that only others of this name have is empty
            found[ATTRIBUTES.get(label, f"connpool.{label}")] = value
    return found
