"""The numbers of pools as OpenTelemetry metrics; needs opentelemetry-api (extra `otel`).

Observable instruments: the pools count for themselves and are only read when a reader collects.
Names and attributes are written as OpenTelemetry's conventions have it: dotted, in base units, no
unit in the name, in the singular but for things that are counted. OpenTelemetry has no observable
histogram, so latencies are three counters: the calls measured, their seconds, and those of each
bucket with its upper bound `le`. `otel_histograms.py` makes real histograms of them on their way out.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from time import monotonic
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, ref

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._extras import extra
from connpool_runtime.metrics.exported_pools import ExportedPools
from connpool_runtime.metrics.otel_database import (
    DATABASE_PREFIX,
    NUMBERS,
    POOL_NAME,
    DatabaseNumber,
)
from connpool_runtime.metrics.otel_database import DURATIONS as DATABASE_DURATIONS
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
from connpool_runtime.stats.types import ExemplarStats, LatencyStats, PoolStats

with extra("otel"):
    from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

__all__ = ["PoolObserver", "observe"]

Attributes: TypeAlias = Mapping[str, str | int]
Read: TypeAlias = Callable[[list[PoolStats]], Iterable[Observation]]
Measured: TypeAlias = tuple[Attributes, LatencyStats]
Measure: TypeAlias = Callable[[list[PoolStats]], Iterable[Measured]]

PREFIX = "connpool.client."
POOL = "connpool.pool.name"

# By the short name of a series: its name here, and the prefix of its label `state`.
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
    "member_role": ("member.role", ""),
    "members": ("member.count", "connpool.member.state"),
    "members_joined": ("member.joined", ""),
    "members_left": ("member.left", ""),
    "outlier_ejections": ("outlier.ejections", ""),
    "rejections": ("rejections", ""),
    "suspended": ("suspended", ""),
    "trips": ("trips", ""),
    "waiting": ("pending_calls", ""),
}
# attribute names by label; `connpool.` and the label for all others
ATTRIBUTES = {"reason": "error.type"}

_joining = new_lock()
# Weak references on both sides: an observer holds its meter, whose instruments hold the observer.
_observers: WeakKeyDictionary[Meter, ref[PoolObserver]] = WeakKeyDictionary()


def observe(
    *pools: BasePool[Any], meter: Meter | None = None, database: bool = False
) -> PoolObserver:
    """Start exporting the numbers of pools, sync and async, to OpenTelemetry. Safe for threads.

    A meter has one observer, which all calls with this meter return: pools may come later, by
    calling this again or by `add`.

    Arguments:
        pools: the pools to read. Each needs a name of its own.
        meter: makes the instruments; by default that of the global provider.
        database: whether the clients of these pools are those of a database. Their connections are then
            exported under `db.client.connection.` too, as OpenTelemetry's conventions have it.

    Raises:
        TypeError: an argument is not a pool.
        ValueError: two pools have one name.
    """
    meter = meter or default_meter()
    with _joining:
        known = _observers.get(meter)
        observer = known() if known is not None else None
        if observer is None:
            observer = PoolObserver(meter)
            _observers[meter] = ref(observer)
    observer.add(*pools, database=database)
    return observer


def exemplars_of(pool: str) -> tuple[ExemplarStats, ...]:
    """Return the exemplars of latencies of a pool, by its name, from this thread's latest collection."""
    with _joining:
        observers = [known() for known in _observers.values()]
    latest, examples = -math.inf, tuple[ExemplarStats, ...]()
    for observer in observers:
        begun, found = (0.0, list[PoolStats]()) if observer is None else observer.collected()
        for stats in found:
            # other meters may have pools of the same name
            if stats.name == pool and begun > latest:
                latest, examples = begun, stats.exemplars
    return examples


@cache
def default_meter() -> Meter:
    """Return the meter of the global provider."""
    # Before a provider is set, each call would return another proxy for the same meter.
    return get_meter("connpool_runtime")


class PoolObserver:
    """Exports the numbers of pools that come and go. Made by `observe`.

    The observer holds its pools until they are removed or closed. The counts of a closed pool are exported
    for five more minutes, except those of its members, which end with the members.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._pools = ExportedPools()
        self._snapshots = _Snapshots(self._pools.stats)
        # Not the lock of the pools: the SDK collects while it holds a lock that also guards the creation of
        # instruments.
        self._creating = new_lock()
        self._of_middleware: set[str] = set()
        self._databases: set[str] | None = None  # the pools by name; None before the first one
        for series in SERIES:
            name, state = NAMES[series.name]
            self._instrument(PREFIX + name, series, partial(_observations, series, state))
        for durations in DURATIONS:
            self._histogram(durations)

    def add(self, *pools: BasePool[Any], database: bool = False) -> None:
        """Export more pools; pools that are exported already stay.

        The numbers of middleware are those of the middleware that are registered by now. Adding a pool again
        adds the middleware that were registered since.

        Arguments:
            pools: the pools. A pool that takes the name of a closed one replaces it.
            database: whether their clients are those of a database; see `observe`. Said later, it holds from
                then on.

        Raises:
            TypeError: an argument is not a pool.
            ValueError: two pools that are open have one name. No pool was added then.
        """
        self._pools.add(*pools)
        if database:
            self._add_databases(*pools)
        for series in middleware_series([pool.stats() for pool in pools]):
            with self._creating:
                if series.name not in self._of_middleware:
                    self._of_middleware.add(series.name)
                    read = partial(_of_middleware, series.name)
                    self._instrument(PREFIX + series.name, series, read)

    def remove(self, *pools: BasePool[Any]) -> None:
        """Stop exporting pools at once; others are ignored.

        Arguments:
            pools: the pools. They stay as they are, and may be added again.
        """
        self._pools.remove(*pools)

    def collected(self) -> tuple[float, list[PoolStats]]:
        """Return when this thread's latest collection began, by the monotonic clock, and its stats."""
        return self._snapshots.latest()

    def _add_databases(self, *pools: BasePool[Any]) -> None:
        with self._creating:
            first = self._databases is None
            # A copy, because a collection may be iterating over the old set.
            self._databases = {*(self._databases or ()), *(pool.name for pool in pools)}
            for number in NUMBERS if first else ():
                create = (
                    self._meter.create_observable_counter
                    if number.kind == "counter"
                    else self._meter.create_observable_up_down_counter
                )
                name = DATABASE_PREFIX + number.name
                create(
                    name,
                    [self._callback(name, partial(self._database, number))],
                    number.unit,
                    number.text,
                )
            for base, text, read in DATABASE_DURATIONS if first else ():
                self._parts(
                    DATABASE_PREFIX + base, "{connection}", text, partial(self._of_database, read)
                )

    def _database(self, number: DatabaseNumber, pools: list[PoolStats]) -> Iterable[Observation]:
        for pool in self._among_databases(pools):
            for attributes, value in number.samples(pool):
                yield Observation(value, {POOL_NAME: pool.name, **attributes})

    def _of_database(
        self, read: Callable[[PoolStats], LatencyStats], pools: list[PoolStats]
    ) -> Iterable[Measured]:
        for pool in self._among_databases(pools):
            if (latency := read(pool)).count:
                yield {POOL_NAME: pool.name}, latency

    def _among_databases(self, pools: list[PoolStats]) -> list[PoolStats]:
        known = self._databases or ()
        return [pool for pool in pools if pool.name in known]

    def _instrument(self, name: str, series: Series, read: Read) -> None:
        meter, callbacks = self._meter, [self._callback(name, read)]
        if series.kind == "counter":
            meter.create_observable_counter(name, callbacks, series.unit, series.text)
        # the states and ages of several pools have no meaningful sum
        elif series.unit in ("1", "s"):
            meter.create_observable_gauge(name, callbacks, series.unit, series.text)
        else:
            meter.create_observable_up_down_counter(name, callbacks, series.unit, series.text)

    def _histogram(self, durations: Durations) -> None:
        base, counted = PREFIX + NAMES[durations.name][0], f"{{{durations.counted}}}"
        self._parts(base, counted, durations.text, partial(_measured, durations))

    def _parts(self, base: str, counted: str, text: str, measured: Measure) -> None:
        """Create the three counters of a histogram."""
        parts: tuple[tuple[str, str, Read], ...] = (
            ("count", counted, partial(_part, measured, lambda latency: latency.count)),
            ("sum", "s", partial(_part, measured, lambda latency: latency.total)),
            ("bucket", counted, partial(_buckets, measured)),
        )
        for suffix, unit, read in parts:
            name = f"{base}.{suffix}"
            self._meter.create_observable_counter(name, [self._callback(name, read)], unit, text)

    def _callback(
        self, name: str, read: Read
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return the callback of an instrument."""

        def ask(_options: CallbackOptions) -> Iterable[Observation]:
            return list(read(self._snapshots.of_collection(name)))

        return ask


class _Snapshots:
    """One snapshot of the stats for a whole collection, although every instrument asks for it.

    OpenTelemetry does not say to a callback which collection it serves. But a collection runs in one
    thread and asks each instrument once: so an instrument that asks again begins the next collection, and
    each thread, that is each reader that collects at the same time, has a snapshot of its own.
    """

    MAX_AGE = (
        10.0  # seconds; for a collection that asks only instruments which the last one left out
    )

    def __init__(self, take: Callable[[], list[PoolStats]]) -> None:
        self._take = take
        self._of_thread = _Collection()

    def of_collection(self, instrument: str) -> list[PoolStats]:
        """Return the stats of the collection in which an instrument asks now."""
        current, now = self._of_thread, monotonic()
        if not current.asked or instrument in current.asked or now - current.begun > self.MAX_AGE:
            current.stats, current.begun, current.asked = self._take(), now, set()
        current.asked.add(instrument)
        return current.stats

    def latest(self) -> tuple[float, list[PoolStats]]:
        """Return when this thread's latest collection began, and its stats; none if there was none."""
        return self._of_thread.begun, self._of_thread.stats


class _Collection(threading.local):
    """One collection in a thread: when it began, the stats, and the instruments that have asked."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.stats: list[PoolStats] = []
        self.asked: set[str] = set()


def _observations(series: Series, state: str, pools: list[PoolStats]) -> Iterable[Observation]:
    for pool in pools:
        for values, number in series.samples(pool):
            yield Observation(number, _attributes(pool, series.labels, values, state))


def _of_middleware(name: str, pools: list[PoolStats]) -> Iterable[Observation]:
    # Created for each collection: a middleware reports its labels only once it has counted something.
    for series in middleware_series(pools):
        if series.name == name:
            yield from _observations(series, "", pools)


def _measured(durations: Durations, pools: list[PoolStats]) -> Iterable[Measured]:
    for pool in pools:
        for values, latency in durations.samples(pool):
            yield _attributes(pool, durations.labels, values), latency


def _part(
    measured: Measure, value: Callable[[LatencyStats], float], pools: list[PoolStats]
) -> Iterable[Observation]:
    for attributes, latency in measured(pools):
        yield Observation(value(latency), attributes)


def _buckets(measured: Measure, pools: list[PoolStats]) -> Iterable[Observation]:
    for attributes, latency in measured(pools):
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
        elif value:  # labels that only other middleware of this name have are empty
            found[ATTRIBUTES.get(label, f"connpool.{label}")] = value
    return found
