"""The numbers of pools as OpenTelemetry metrics."""

import gc
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import db_metrics

from connpool_runtime import Call, Method, MiddlewareStats, Pool, PoolStats, Proceed
from connpool_runtime.metrics.otel import NAMES, observe
from connpool_runtime.metrics.series import DURATIONS, SERIES
from connpool_runtime.middleware import MethodBreaker, Retry
from tests.runtime.faces import PATIENCE, Face, ThreadFace


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Collects when asked."""
    return InMemoryMetricReader()


@pytest.fixture
def meter(reader: InMemoryMetricReader) -> Any:
    """Makes instruments."""
    return MeterProvider([reader]).get_meter("test")


def metrics_of(reader: InMemoryMetricReader) -> dict[str, Any]:
    """What one collection finds, by name without the prefix."""
    data = reader.get_metrics_data()
    if data is None or not data.resource_metrics:
        return {}
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    assert len({metric.name for metric in metrics}) == len(metrics)
    return {metric.name.removeprefix("connpool.client."): metric for metric in metrics}


def points(reader: InMemoryMetricReader) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Name, attributes and value of each point of one collection."""
    for name, metric in metrics_of(reader).items():
        for point in metric.data.data_points:
            yield name, dict(point.attributes or {}), point.value


def collected(reader: InMemoryMetricReader) -> dict[tuple[str, str], float]:
    """Values by name and attributes, as text a person would write, the common words left out."""
    found = {}
    for name, attributes, value in points(reader):
        assert attributes.pop("connpool.pool.name") == "test"
        text = ",".join(f"{key}={value}" for key, value in sorted(attributes.items()))
        found[name, text.replace("connpool.", "")] = value
    return found


def pools_of(reader: InMemoryMetricReader) -> set[str]:
    """The names of the pools that one collection finds."""
    return {attributes["connpool.pool.name"] for _, attributes, _ in points(reader)}


async def test_a_pool_is_observed(face: Face, reader: InMemoryMetricReader, meter: Any) -> None:
    """Calls, attempts, members, latencies and middleware, under conventional names."""
    face.pool.register_middleware(Retry(base=0))
    observe(face.pool, meter=meter)
    face.fail("a")
    await face.call(face.method(idempotent=True))
    found = collected(reader)
    assert found["calls", "method=get,outcome=success"] == 1
    assert found["attempts", "member.name=a,outcome=failure"] == 1
    assert found["member.count", "member.state=closed"] == 3
    assert found["active_calls", "member.name=b"] == 0
    assert found["pending_calls", ""] == 0
    assert found["member.joined", ""] == 3
    assert found["member.healthy", "member.name=b"] == 1
    assert found["retries", ""] == 1
    assert found["call.duration.count", "method=get"] == 1
    assert found["call.duration.bucket", "method=get,le=+Inf"] == 1
    face.pool.eject("a")
    await face.call()
    found = collected(reader)
    assert found["breaker.state", "member.name=a"] == 2
    assert found["breaker.transitions", "breaker.state=open"] == 1
    assert found["call.duration.count", "method=get"] == 2


async def test_kinds_and_units_are_conventional(
    face: Face, reader: InMemoryMetricReader, meter: Any
) -> None:
    """Counts are sums that only grow, states are not added up, seconds are `s`."""
    observe(face.pool, meter=meter)
    await face.call()
    metrics = metrics_of(reader)
    assert metrics["calls"].data.is_monotonic
    assert not metrics["active_calls"].data.is_monotonic
    assert not hasattr(metrics["breaker.state"].data, "is_monotonic")
    assert (metrics["calls"].unit, metrics["call.duration.sum"].unit) == ("{call}", "s")


async def test_names_are_conventional(face: Face, reader: InMemoryMetricReader, meter: Any) -> None:
    """Small letters and dots; neither unit nor kind in a name; plurals only for calls and the like;
    attributes have a namespace; and no name is the namespace of another.
    """
    observe(face.pool, meter=meter)
    face.pool.add_endpoint(lambda: face.clients["a"], "host:80")
    await face.call()
    plurals = {"calls", "attempts", "rejections", "trips", "transitions", "openings"}
    plurals |= {"active_calls", "pending_calls", "closings", "updates", "errors", "health_checks"}
    metrics = metrics_of(reader)
    assert len(metrics) > 20
    for name, metric in metrics.items():
        assert re.fullmatch(r"[a-z]+([._][a-z]+)*", name)
        *namespace, last = name.split(".")
        assert last in plurals or not last.endswith("s")
        assert not any(one.endswith("s") for one in namespace)
        assert not set(re.split("[._]", name)) & {"total", "seconds", "gauge", "counter"}
        assert not name.startswith(tuple(f"{other}." for other in metrics))
        assert re.fullmatch(r"1|s|{[a-z]+}", metric.unit)
        assert metric.description.endswith(".")
        for point in metric.data.data_points:
            keys = set(point.attributes) - {"le"}  # `le` goes when the histogram is made
            assert all("." in key for key in keys)


def test_every_series_has_a_name() -> None:
    """What is exported to Prometheus is exported to OpenTelemetry, and no name is left over."""
    assert set(NAMES) == {series.name for series in (*SERIES, *DURATIONS)}
    assert len({name for name, _ in NAMES.values()}) == len(NAMES)


@pytest.mark.parametrize(
    ("member", "address"),
    [
        ("10.0.0.1:6379", ("10.0.0.1", 6379)),
        ("cache.example:6379#2", ("cache.example", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("a", None),
        ("::1", None),
        ("unix:/run/redis", None),
        ("a:b", None),
    ],
)
def test_the_address_of_a_server_is_told(
    member: str, address: tuple[str, int] | None, reader: InMemoryMetricReader, meter: Any
) -> None:
    """A member that is named by host and port has both as attributes; another name is no address."""
    pool = Pool[object]("test")
    pool.add_client(object(), name=member)
    observe(pool, meter=meter)
    ((_, found, _),) = [point for point in points(reader) if point[0] == "active_calls"]
    expected: dict[str, Any] = {"connpool.pool.name": "test", "connpool.member.name": member}
    if address is not None:
        expected |= {"server.address": address[0], "server.port": address[1]}
    assert found == expected


async def test_labels_that_come_later_are_observed(
    reader: InMemoryMetricReader, meter: Any
) -> None:
    """A middleware that has counted nothing yet has no labels; its first ones are told all the same."""
    face = ThreadFace("a")
    face.pool.register_middleware(MethodBreaker(max_fails=1))
    observe(face.pool, meter=meter)
    assert collected(reader)["method_ejections", ""] == 0
    face.fail("a")
    await face.calls(2)
    found = collected(reader)
    assert found["method_ejections", "method=get"] == 1
    assert found["method_rejections", "method=get"] == 1


def test_middleware_that_come_later_are_taken_up(reader: InMemoryMetricReader, meter: Any) -> None:
    """Observing a pool again makes the instruments of what was registered since; odd names are no harm."""

    class Odd:
        def around(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

        def numbers(self) -> list[MiddlewareStats]:
            return [MiddlewareStats(name="cache hits-ü", value=8, labels=(("tier", "hot"),))]

    pool = Pool[object]("test")
    observe(pool, meter=meter)
    pool.register_middleware(Odd())
    collected(reader)
    for _ in range(2):
        observe(pool, meter=meter)
    assert collected(reader)["cache_hits__", "tier=hot"] == 8


def test_instruments_are_made_once() -> None:
    """Pools with the same middleware share its instruments, for a second one would never be asked."""
    meter = OwnMeter()
    for name in ("eu", "us"):
        pool = Pool[object](name)
        pool.register_middleware(Retry())
        observe(pool, meter=meter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert "retries" in meter.asked


def test_labels_of_others_are_no_attributes(reader: InMemoryMetricReader, meter: Any) -> None:
    """Where numbers of one name have different labels, each point has its own only."""

    class Odd:
        def around(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

        def numbers(self) -> list[MiddlewareStats]:
            return [
                MiddlewareStats(name="hits", value=5, labels=(("tier", "hot"),)),
                MiddlewareStats(name="hits", value=6, labels=(("shard", "b"),)),
            ]

    pool = Pool[object]("test")
    pool.register_middleware(Odd())
    observe(pool, meter=meter)
    found = collected(reader)
    assert (found["hits", "tier=hot"], found["hits", "shard=b"]) == (5, 6)


def test_pools_come_later_and_go(reader: InMemoryMetricReader, meter: Any) -> None:
    """A meter has one observer, by whatever way its pools come; a removed pool is not read."""
    eu, us, asia = (Pool[object](name) for name in ("eu", "us", "asia"))
    observer = observe(eu, meter=meter)
    assert observe(us, meter=meter) is observer
    observer.add(asia)
    assert pools_of(reader) == {"eu", "us", "asia"}
    observer.remove(us)
    assert pools_of(reader) == {"eu", "asia"}


def test_pools_of_one_name_are_refused(meter: Any) -> None:
    """Their points could not be told apart."""
    observe(Pool[object]("eu"), meter=meter)
    with pytest.raises(ValueError, match="named 'eu'"):
        observe(Pool[object]("eu"), meter=meter)


def test_two_meters_do_not_meet() -> None:
    """Pools of one name may be observed by different meters."""
    readers = InMemoryMetricReader(), InMemoryMetricReader()
    for reader in readers:
        observe(Pool[object]("eu"), meter=MeterProvider([reader]).get_meter("test"))
    assert [pools_of(reader) for reader in readers] == [{"eu"}, {"eu"}]


def test_a_meter_is_not_kept_alive() -> None:
    """What tests set up and drop is gone, with its pools."""
    provider, pool = MeterProvider([InMemoryMetricReader()]), Pool[object]("eu")
    meter = provider.get_meter("test")
    observe(pool, meter=meter)
    gone = weakref.ref(meter), weakref.ref(pool)
    provider.shutdown()
    del provider, meter, pool
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_the_observer_lives_as_long_as_its_meter(reader: InMemoryMetricReader, meter: Any) -> None:
    """Nobody needs to keep what `observe` returns, and a later call finds it again."""
    observe(Pool[object]("eu"), meter=meter)
    gc.collect()
    observe(Pool[object]("us"), meter=meter)
    assert pools_of(reader) == {"eu", "us"}


class CountingPool(Pool[object]):
    """A pool whose numbers all say how often they were read."""

    def __init__(self) -> None:
        super().__init__("test")
        self.reads = 0
        self._counting = threading.Lock()

    def stats(self) -> PoolStats:
        with self._counting:
            self.reads += 1
            reads = self.reads
        return replace(super().stats(), joined=reads, left=reads, waiting=reads)


def test_a_collection_reads_each_pool_once(reader: InMemoryMetricReader, meter: Any) -> None:
    """A thousand members are not frozen anew for every instrument, and never twice for one page."""
    pool = CountingPool()
    observe(pool, meter=meter)
    before = pool.reads
    for number in (1, 2, 3):
        found = collected(reader)
        assert found["member.joined", ""] == found["pending_calls", ""] == before + number


def test_readers_that_take_turns_each_see_one_moment() -> None:
    """Two readers of one provider, in two threads, never see numbers of two moments in one collection."""
    readers = [InMemoryMetricReader() for _ in range(2)]
    pool = CountingPool()
    observe(pool, meter=MeterProvider(readers).get_meter("test"))
    seen: list[list[tuple[float, ...]]] = [[], []]

    def collect(number: int) -> None:
        for _ in range(50):
            found = collected(readers[number])
            names = ("member.joined", "member.left", "pending_calls")
            seen[number].append(tuple(found[name, ""] for name in names))

    threads = [threading.Thread(target=collect, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert all(len(set(moment)) == 1 for moments in seen for moment in moments)
    assert [len(moments) for moments in seen] == [50, 50]
    assert not set(seen[0]) & set(seen[1])


class OwnMeter:
    """A meter of an SDK that lets collections run at the same time."""

    def __init__(self) -> None:
        self.asked: dict[str, Callable[[CallbackOptions], Iterable[Observation]]] = {}

    def _create(self, name: str, callbacks: list[Any], unit: str, text: str) -> None:
        name = name.removeprefix("connpool.client.")
        assert name not in self.asked, "an instrument is made once"
        (self.asked[name],) = callbacks

    create_observable_counter = create_observable_gauge = _create
    create_observable_up_down_counter = _create

    def ask(self, name: str) -> float:
        (observation,) = self.asked[name](CallbackOptions())
        return observation.value


def test_collections_that_run_at_once_each_see_one_moment() -> None:
    """A reader that begins while another is at work does not change what that one reads next."""
    meter, pool = OwnMeter(), CountingPool()
    observe(pool, meter=meter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    first = meter.ask("member.joined")
    others: list[float] = []
    other = threading.Thread(
        target=lambda: others.extend(map(meter.ask, ("member.joined", "member.left")))
    )
    other.start()
    other.join(PATIENCE)
    assert meter.ask("member.left") == first
    assert others == [first + 1, first + 1]


def test_old_numbers_are_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that asks only what the last one left out gets numbers of its own."""
    meter, pool = OwnMeter(), CountingPool()
    observe(pool, meter=meter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    first = meter.ask("member.joined")
    monkeypatch.setattr("connpool_runtime.metrics.otel._Snapshots.MAX_AGE", -1.0)
    assert meter.ask("member.left") == first + 1


async def test_without_a_provider_it_does_nothing(face: Face) -> None:
    """The global default of OpenTelemetry is silent, and has one observer."""
    observer = observe(face.pool)
    assert await face.call() == "a"
    assert observe() is observer
    observer.remove(face.pool)


def test_a_pool_that_closes_shows_its_last_calls(reader: InMemoryMetricReader, meter: Any) -> None:
    """Calls made after the last collection are told, but the points of the members are gone."""
    pool = Pool[object]("test")
    pool.add_client(object(), name="a")
    observe(pool, meter=meter)
    pool.call(Method("m", lambda client, args: None))
    pool.close()
    found = collected(reader)
    assert found["calls", "method=m,outcome=success"] == 1
    assert ("attempts", "member.name=a,outcome=success") not in found


def test_databases_are_told_by_their_own_conventions(
    reader: InMemoryMetricReader, meter: Any
) -> None:
    """Connections by state, limits, waiting and durations have the names, kinds, units and attributes of
    OpenTelemetry's conventions, and only those pools that are said to be of a database.
    """
    semconv: dict[str, Any] = {}
    conventional = MeterProvider([known := InMemoryMetricReader()]).get_meter("conventions")
    for name in ("count", "idle_min", "max", "pending_requests", "timeouts"):
        instrument = getattr(db_metrics, f"create_db_client_connection_{name}")(conventional)
        instrument.add(1)
    for name, metric in metrics_of(known).items():
        semconv[name] = (metric.unit, metric.data.is_monotonic)
    cache, other = Pool[object]("cache", checkout_timeout=0.001), Pool[object]("other")
    cache.add_endpoint(object, "e", min_size=1, max_size=4)
    cache.add_client(object(), "c", max_concurrency=1)
    observe(other, meter=meter)
    observe(cache, meter=meter, database=True)
    ping = Method[object, None]("ping", lambda client, args: None)
    for _ in range(4):
        cache.call(ping)
    with cache.lease(), cache.lease():
        metrics = metrics_of(reader)
        found = {
            (name, point.attributes.get("db.client.connection.state")): point.value
            for name, metric in metrics.items()
            for point in metric.data.data_points
            if name in semconv and point.attributes["db.client.connection.pool.name"] == "cache"
        }
    told = {
        point.attributes["db.client.connection.pool.name"]
        for name, metric in metrics.items()
        if name.startswith("db.client.")
        for point in metric.data.data_points
    }
    assert told == {"cache"}
    assert {
        name: (metrics[name].unit, metrics[name].data.is_monotonic) for name in semconv
    } == semconv
    prefix = "db.client.connection."
    assert found == {
        (prefix + "count", "idle"): 0,
        (prefix + "count", "used"): 2,
        (prefix + "idle.min", None): 1,
        (prefix + "max", None): 5,
        (prefix + "pending_requests", None): 0,
        (prefix + "timeouts", None): 0,
    }
    for name in ("create_time", "use_time"):
        (point,) = metrics[f"{prefix}{name}.count"].data.data_points
        assert dict(point.attributes) == {"db.client.connection.pool.name": "cache"}
        assert point.value == {"create_time": 1, "use_time": 4}[name]
    cache.close()
    other.close()


def test_a_pool_may_be_said_later_to_be_of_a_database(
    reader: InMemoryMetricReader, meter: Any
) -> None:
    """As for the pools that a manager has made and observes by itself; those that are removed are gone."""
    pool = Pool[object]("cache")
    observer = observe(pool, meter=meter)
    assert "db.client.connection.max" not in metrics_of(reader)
    observer.add(pool, database=True)
    assert "db.client.connection.max" in metrics_of(reader)
    observer.remove(pool)
    assert "db.client.connection.max" not in metrics_of(reader)
