"""The Prometheus collector."""

import gc
import re
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry, Counter, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from connpool_runtime import Call, Method, MiddlewareStats, Pool, Proceed, Unreachable
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import Bulkhead, MethodBreaker, RateLimit, Retry
from generated.redis_pool import RedisPool
from tests.runtime.faces import Client, FakeClock, ThreadFace


@pytest.fixture
def face() -> ThreadFace:
    return ThreadFace("a", "b", max_fails=1, buckets=(0.1, 1.0), unknown_errors="relative")


def samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Values by metric and labels, the pool's left out, as text a person would write."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            assert sample.labels.pop("pool") == "test"
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[sample.name, labels] = sample.value
    return found


async def test_calls_attempts_and_states_are_exported(face: ThreadFace) -> None:
    """Counters, durations and gauges say what happened, in the units of Prometheus."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.fail("a")
    face.clients["b"].script.append(ValueError())
    await face.calls(4)
    face.pool.eject("b")
    await face.calls(1)
    found = samples(registry)
    assert found["connpool_calls_total", "method=get,outcome=success"] == 2
    assert found["connpool_calls_total", "method=get,outcome=failure"] == 1
    assert found["connpool_calls_total", "method=get,outcome=unknown"] == 1
    assert found["connpool_attempts_total", "member=a,outcome=failure"] == 1
    assert found["connpool_attempts_total", "member=b,outcome=success"] == 2
    assert found["connpool_call_duration_seconds_count", "method=get"] == 4
    assert found["connpool_call_duration_seconds_bucket", "le=0.1,method=get"] == 4
    assert found["connpool_call_duration_seconds_bucket", "le=+Inf,method=get"] == 4
    assert found["connpool_breaker_state", "member=a"] == 2
    assert found["connpool_trips_total", "member=a"] == 1
    assert found["connpool_in_flight", "member=a"] == 0
    assert found["connpool_rejections_total", "reason=AllMembersOpen"] == 1


async def test_members_and_breakers_are_exported(face: ThreadFace) -> None:
    """How many there are in each state, how many came and went, and who stands in line."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.fail("a")
    await face.calls(2)
    await face.remove("b")
    found = samples(registry)
    assert found["connpool_members", "state=open"] == 1
    assert found["connpool_members", "state=closed"] == 0
    assert found["connpool_members", "state=leaving"] == 0
    assert found["connpool_members_joined_total", ""] == 2
    assert found["connpool_members_left_total", ""] == 1
    assert found["connpool_breaker_transitions_total", "state=open"] == 1
    assert found["connpool_waiting", ""] == 0


async def test_the_waits_for_members_are_exported() -> None:
    """A member with a limit makes callers wait in line; so long, and so many in vain."""
    face = ThreadFace("a", max_concurrency=1, checkout_timeout=0.01)
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    with face.pool.lease():
        await face.calls(1)
    found = samples(registry)
    assert found["connpool_rejections_total", "reason=PoolTimeout"] == 1
    assert found["connpool_checkout_wait_seconds_count", ""] == 0


async def test_members_with_limits_and_weights_are_exported() -> None:
    """How many calls a member takes, what share, and how often it was not cut off though it failed."""
    face = ThreadFace(max_fails=1, max_ejection_share=0.5, balancer="weighted_round_robin")
    for name, limit, weight in (("a", 7, 2), ("b", None, 1)):
        face.clients[name] = Client(name)
        labels = {"role": "replica", "rack": "x"} if name == "a" else {"rack": "x"}
        face.pool.add_client(face.clients[name], name, weight, max_concurrency=limit, labels=labels)
        face.fail(name, 9)
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    await face.calls(4)
    found = samples(registry)
    assert found["connpool_in_flight_limit", "member=a"] == 7
    assert ("connpool_in_flight_limit", "member=b") not in found
    assert found["connpool_member_weight", "member=a"] == 2
    assert found["connpool_member_healthy", "member=a"] == 1
    roles = {labels for name, labels in found if name == "connpool_member_role"}
    assert roles == {"member=a,role=replica"}
    assert sum(found["connpool_ejections_spared_total", f"member={name}"] for name in "ab") > 0


def test_the_clients_of_an_endpoint_are_exported() -> None:
    """How many are used and idle, and how many openings came to what."""
    found_out = iter([ConnectionError("down")])

    def factory() -> object:
        for error in found_out:
            raise error
        return object()

    clock = FakeClock()
    pool = Pool[object]("test", clock=clock, checkout_timeout=0.01)
    pool.add_endpoint(factory, "a", max_size=3)
    registry = CollectorRegistry()
    PoolCollector(pool, registry=registry)
    with pytest.raises(Unreachable):
        pool.execute(lambda client: None)
    clock.sleep(60.0)
    with pool.lease(), pool.lease():
        pass
    with pool.lease():
        found = samples(registry)
    pool.close()
    assert found["connpool_clients", "member=a,state=used"] == 1
    assert found["connpool_clients", "member=a,state=idle"] == 1
    assert found["connpool_clients", "member=a,state=connecting"] == 0
    assert found["connpool_client_openings_total", "member=a,outcome=success"] == 2
    assert found["connpool_client_openings_total", "member=a,outcome=failure"] == 1
    assert found["connpool_in_flight_limit", "member=a"] == 3


async def test_the_numbers_of_layers_are_exported(face: ThreadFace) -> None:
    """Retries, budget, limits; refusals of a middleware stand beside the pool's own; equals add up."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.pool.register_middleware(Bulkhead(5))
    face.pool.register_middleware(Retry(base=0))
    face.pool.register_middleware(Bulkhead(5))
    face.pool.register_middleware(RateLimit(2.0, clock=face.clock))
    face.fail("a")
    await face.call(face.method(idempotent=True))
    await face.calls(1)
    face.pool.eject("b")
    face.clock.sleep(1.0)
    await face.calls(1)
    found = samples(registry)
    assert found["connpool_retries_total", ""] == 1
    assert found["connpool_retry_budget", ""] > 1
    assert found["connpool_bulkhead_running", ""] == 0
    assert found["connpool_rejections_total", "reason=RateLimited"] == 1
    assert found["connpool_rejections_total", "reason=AllMembersOpen"] == 1


async def test_a_middlewares_odd_names_do_no_harm(face: ThreadFace) -> None:
    """A name of the pool's own, or one that Prometheus does not allow, is made to fit."""

    class Odd:
        def around(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

        def numbers(self) -> list[MiddlewareStats]:
            return [
                MiddlewareStats(name="calls", value=7, kind="gauge"),
                MiddlewareStats(name="cache hits-ü", value=8, labels=(("tier", "hot"),)),
                MiddlewareStats(name="cache hits-ü", value=1, labels=(("tier", "hot"),)),
            ]

    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.pool.register_middleware(Odd())
    found = samples(registry)
    assert found["connpool_middleware_calls", ""] == 7
    assert found["connpool_cache_hits___total", "tier=hot"] == 9


async def test_labels_of_a_middleware_are_made_to_fit(face: ThreadFace) -> None:
    """Numbers of one name share the labels of all; a label that is taken is renamed, as elsewhere."""

    class Odd:
        def around(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

        def numbers(self) -> list[MiddlewareStats]:
            return [
                MiddlewareStats(name="hits", value=0),
                MiddlewareStats(name="hits", value=5, labels=(("2nd tier", "hot"),)),
                MiddlewareStats(name="hits", value=6, labels=(("pool", "mine"),)),
            ]

    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.pool.register_middleware(Odd())
    found = samples(registry)
    assert found["connpool_hits_total", "_2nd_tier=,exported_pool="] == 0
    assert found["connpool_hits_total", "_2nd_tier=hot,exported_pool="] == 5
    assert found["connpool_hits_total", "_2nd_tier=,exported_pool=mine"] == 6


async def test_names_are_as_prometheus_wants_them(face: ThreadFace) -> None:
    """Snake case under one prefix, base units, the suffixes of each kind, a text, and no kind in a name."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    for middleware in (Retry(base=0), Bulkhead(5), RateLimit(9.0), MethodBreaker()):
        face.pool.register_middleware(middleware)
    face.pool.add_endpoint(lambda: Client("e"), "e")
    await face.calls(3)
    families = list(text_string_to_metric_families(page(registry)))
    assert len(families) > 20
    assert [fault for family in families for fault in faults_of(family)] == []


RESERVED = ("_total", "_count", "_sum", "_bucket", "_created", "_info")
KINDS = {"counter", "gauge", "histogram", "summary"}
# Units that are no base units, and short forms, each a word of a name.
WRONG_UNITS = {"ms", "us", "ns", "s", "sec", "milliseconds", "microseconds", "nanoseconds"}
WRONG_UNITS |= {"minutes", "hours", "days", "percent", "kilobytes", "megabytes", "kb", "mb"}


def faults_of(family: Metric) -> list[str]:
    """What a linter of Prometheus would say of a metric."""
    name, words = family.name, set(family.name.split("_"))
    rules = {
        "no snake case under the prefix": re.fullmatch(r"connpool(_[a-z][a-z0-9]*)+", name),
        "no sentence explains it": re.fullmatch(r"[A-Z0-9].*\.", family.documentation),
        # The parser takes the suffix of a counter off.
        "a suffix of another kind": not name.endswith(RESERVED),
        "names its kind": not words & KINDS,
        "no base unit": not words & WRONG_UNITS,
        "durations are in seconds": family.type != "histogram" or name.endswith("_seconds"),
        "no kind": family.type in KINDS,
    }
    faults = [f"{name}: {fault}" for fault, kept in rules.items() if not kept]
    return faults + [
        fault for sample in family.samples for fault in faults_of_sample(family, sample)
    ]


def faults_of_sample(family: Metric, sample: Sample) -> list[str]:
    suffixes = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}
    rules = {
        "the suffix is another kind's": sample.name.removeprefix(family.name)
        in suffixes.get(family.type, set()),
        "a label is no snake case": all(
            re.fullmatch("[a-z]+(_[a-z]+)*", one) for one in sample.labels
        ),
        "le is for buckets": sample.name.endswith("_bucket") or "le" not in sample.labels,
    }
    return [f"{sample.name}: {fault}" for fault, kept in rules.items() if not kept]


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("connpool_callDuration", "gauge", "Fine."),
        ("other_calls", "gauge", "Fine."),
        ("connpool_calls", "gauge", ""),
        ("connpool_wait_ms", "gauge", "Fine."),
        ("connpool_call_count", "gauge", "Fine."),
        ("connpool_call_gauge", "gauge", "Fine."),
        ("connpool_wait", "histogram", "Fine."),
        ("connpool_calls", "untyped", "Fine."),
    ],
)
def test_the_linter_finds_bad_names(name: str, kind: str, text: str) -> None:
    """Each rule of the linter finds what breaks it."""
    assert len(faults_of(Metric(name, text, kind))) == 1


@pytest.mark.parametrize(
    ("kind", "name", "labels"),
    [
        ("counter", "connpool_calls", {}),
        ("gauge", "connpool_calls_total", {}),
        ("gauge", "connpool_calls", {"theState": "open"}),
        ("gauge", "connpool_calls", {"le": "1.0"}),
    ],
)
def test_the_linter_finds_bad_samples(kind: str, name: str, labels: dict[str, str]) -> None:
    """Each rule about samples finds what breaks it."""
    family = Metric("connpool_calls", "Fine.", kind)
    family.add_sample(name, labels, 1.0)
    assert len(faults_of(family)) == 1


async def test_the_sum_of_durations_is_in_seconds() -> None:
    """`_sum` and the buckets agree with the clock."""
    clock = FakeClock()
    pool = Pool[object]("test", clock=clock, buckets=(0.1, 1.0))
    pool.add_client(object())
    pool.call(Method("nap", lambda client, args: clock.sleep(0.5)))
    registry = CollectorRegistry()
    PoolCollector(pool, registry=registry)
    found = samples(registry)
    assert found["connpool_call_duration_seconds_sum", "method=nap"] == pytest.approx(0.5)
    assert found["connpool_call_duration_seconds_bucket", "le=0.1,method=nap"] == 0
    assert found["connpool_call_duration_seconds_bucket", "le=1.0,method=nap"] == 1


async def test_no_series_crosses_method_and_member(face: ThreadFace) -> None:
    """The product of methods and members would be too many series (B27)."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    await face.calls(3)
    for _, labels in samples(registry):
        assert not ("method=" in labels and "member=" in labels)


async def test_calls_that_end_badly_are_counted(face: ThreadFace) -> None:
    """Errors and interrupts are recorded like everything else (B27)."""
    registry = CollectorRegistry()
    PoolCollector(face.pool, registry=registry)
    face.clients["a"].script.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await face.call()
    assert samples(registry)["connpool_calls_total", "method=get,outcome=neutral"] == 1


def test_two_collectors_in_two_registries_do_not_meet(face: ThreadFace) -> None:
    """The registry is the user's choice; no global one is touched (B27)."""
    first, second = CollectorRegistry(), CollectorRegistry()
    PoolCollector(face.pool, registry=first)
    PoolCollector(face.pool, registry=second)
    assert samples(first) == samples(second)


def called(name: str) -> Pool[object]:
    """A pool with one call."""
    pool = Pool[object](name)
    pool.add_client(object())
    pool.call(Method("m", lambda client, args: None))
    return pool


def exported(registry: CollectorRegistry) -> list[str]:
    """The names of the pools whose calls are on the page, one for each line."""
    return re.findall(
        r'^connpool_calls_total{.*outcome="success",pool="(\w+)"}', page(registry), re.M
    )


def page(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_several_pools_share_one_collector() -> None:
    """Each series names its pool."""
    registry = CollectorRegistry()
    PoolCollector(called("eu"), called("us"), registry=registry)
    assert exported(registry) == ["eu", "us"]


def test_a_registry_takes_pools_that_come_later() -> None:
    """A second collector of a registry is the first, and each metric is described once."""
    registry = CollectorRegistry()
    first = PoolCollector(called("eu"), registry=registry)
    second = PoolCollector(called("us"), registry=registry)
    first.add(called("asia"))
    assert second is first
    assert exported(registry) == ["eu", "us", "asia"]
    assert page(registry).count("# TYPE connpool_calls_total ") == 1


def test_a_pool_that_was_removed_is_not_exported() -> None:
    """What is removed leaves at once; the others stay."""
    registry = CollectorRegistry()
    pool = called("eu")
    collector = PoolCollector(pool, called("us"), registry=registry)
    collector.remove(pool)
    assert exported(registry) == ["us"]


def test_a_collector_that_left_its_registry_is_replaced() -> None:
    """After `unregister` a registry gets a collector anew, without the pools of the old one."""
    registry = CollectorRegistry()
    old = PoolCollector(called("eu"), registry=registry)
    registry.unregister(old)
    assert PoolCollector(called("us"), registry=registry) is not old
    assert exported(registry) == ["us"]


def test_a_collector_that_left_its_registry_is_let_go() -> None:
    """Nobody collects from its pools any more, so nothing keeps them."""
    registry, pool = CollectorRegistry(), called("eu")
    registry.unregister(PoolCollector(pool, registry=registry))
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None


def test_metrics_of_other_people_are_not_replaced() -> None:
    """Where a metric of one of these names is somebody else's, registering fails."""
    registry = CollectorRegistry()
    Counter("connpool_calls", "Not ours.", registry=registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        PoolCollector(registry=registry)


def test_a_registry_is_not_kept_alive() -> None:
    """Registries of tests, and the pools in them, go when nobody holds them."""
    registry, pool = CollectorRegistry(), called("eu")
    PoolCollector(pool, registry=registry)
    gone = weakref.ref(registry), weakref.ref(pool)
    del registry, pool
    gc.collect()
    assert [one() for one in gone] == [None, None]


def test_threads_that_register_at_once_get_one_collector() -> None:
    """None of them meets a registry that is half registered."""
    registry = CollectorRegistry()
    with ThreadPoolExecutor(8) as threads:
        pools = [called(f"p{number}") for number in range(8)]
        made = list(threads.map(lambda pool: PoolCollector(pool, registry=registry), pools))
    assert len(set(made)) == 1
    assert len(exported(registry)) == 8


def test_a_closed_pool_shows_its_last_calls() -> None:
    """Calls made after the last scrape are counted, but the series of the members are gone (B27)."""
    registry = CollectorRegistry()
    pool = called("eu")
    PoolCollector(pool, registry=registry)
    pool.close()
    assert exported(registry) == ["eu"]
    assert "connpool_attempts_total{" not in page(registry)


def test_two_wrappers_of_one_class_need_names() -> None:
    """Pools of one class are called alike if nobody names them, and the error says how to."""
    registry = CollectorRegistry()
    PoolCollector(RedisPool().pool, registry=registry)
    with pytest.raises(ValueError, match=r"named 'redis' .*ShopPool\(name='eu'\)"):
        PoolCollector(RedisPool().pool, registry=registry)


def test_methods_that_were_never_called_take_no_room() -> None:
    """A wrapper of 400 methods exports those in use, not thousands of zeros."""
    methods = [Method(f"m{number}", lambda client, args: None) for number in range(400)]
    pool = Pool[object]("test", methods=methods)
    pool.add_client(object())
    pool.call(methods[7])
    registry = CollectorRegistry()
    PoolCollector(pool, registry=registry)
    assert {labels for _, labels in samples(registry) if "method=" in labels} == {
        labels for _, labels in samples(registry) if "method=m7" in labels
    }


def test_registering_reads_no_pool(face: ThreadFace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registration asks for names only; pools are read at a scrape."""
    registry = CollectorRegistry(auto_describe=True)

    def read() -> None:
        raise AssertionError("read too early")

    monkeypatch.setattr(face.pool, "stats", read)
    registry.register(PoolCollector(face.pool))
    with pytest.raises(AssertionError, match="read too early"):
        page(registry)


def test_importing_registers_nothing() -> None:
    """The default registry is as empty after the import as before (B27)."""
    program = (
        "import prometheus_client as p; before = len(p.REGISTRY._collector_to_names);"
        "import connpool_runtime.metrics.prometheus;"
        "assert len(p.REGISTRY._collector_to_names) == before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_stats_are_frozen_and_typed(face: ThreadFace) -> None:
    """A snapshot does not change when the pool does."""
    stats = face.pool.stats()
    face.pool.eject("a")
    assert stats.members[0].trips == 0
    with pytest.raises(AttributeError):
        stats.closed = True  # type: ignore[misc]
