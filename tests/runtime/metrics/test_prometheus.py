"""The Prometheus collector."""

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connpool_runtime import Call, Method, MiddlewareStats, Pool, Proceed
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import Bulkhead, RateLimit, Retry
from tests.runtime.faces import FakeClock, ThreadFace


@pytest.fixture
def face() -> ThreadFace:
    return ThreadFace("a", "b", max_fails=1, buckets=(0.1, 1.0))


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
    assert found["connpool_calls_total", "method=get,outcome=neutral"] == 1
    assert found["connpool_attempts_total", "member=a,outcome=failure"] == 1
    assert found["connpool_attempts_total", "member=b,outcome=success"] == 2
    assert found["connpool_call_duration_seconds_count", "method=get"] == 3
    assert found["connpool_call_duration_seconds_bucket", "le=0.1,method=get"] == 3
    assert found["connpool_call_duration_seconds_bucket", "le=+Inf,method=get"] == 3
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


def test_several_pools_share_one_collector(face: ThreadFace) -> None:
    """Each series names its pool."""
    other = Pool[object]("other")
    other.add_client(object())
    other.call(Method("m", lambda client, args: None))
    registry = CollectorRegistry()
    PoolCollector(face.pool, other, registry=registry)
    text = generate_latest(registry).decode()
    assert 'connpool_calls_total{method="m",outcome="success",pool="other"} 1.0' in text


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


def test_registering_reads_no_pool() -> None:
    """Registration asks for names only; pools are read at a scrape."""
    registry = CollectorRegistry(auto_describe=True)

    class Unreadable:
        def stats(self) -> None:
            raise AssertionError("read too early")

    collector = PoolCollector(Unreadable(), registry=registry)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(collector)


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
