"""Sources that are killed, written in pieces, hang or lie while sixteen callers go on with real servers."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from prometheus_client.registry import CollectorRegistry

from connpool_runtime import DiscoveryUpdated
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from connpool_runtime.discovery import (
    DISCOVERED,
    AsyncCallbackSource,
    CallbackSource,
    DnsSource,
    DnsSourceConfig,
    Endpoint,
    FileSource,
    FileSourceConfig,
    Source,
)
from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import Retry, RetryBudget
from generated.async_redis_pool import AsyncRedisPool
from generated.redis_pool import RedisPool
from local_servers import DnsServer, RedisServer
from tests.runtime.discovery.load import Load
from tests.runtime.faces import until
from tests.waiting import eventually

pytestmark = pytest.mark.servers

QUICK: Any = {
    "fetch_timeout": 0.3,
    "retry_backoff": 0.05,
    "retry_backoff_max": 0.1,
    "connect_backoff": 0.05,
    "flap_delay": 0,
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[list[str]]:
    """Those of four Redis servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(RedisServer()).address for _ in range(4)]


def retries() -> Retry:
    return Retry(budget=RetryBudget(minimum=1000))  # that they are bounded is no matter here


class Loaded:
    """A pool of Redis servers that follows a source, under load until the block ends."""

    def __init__(self, source: Source, count: int) -> None:
        wrapper = RedisPool(name="cache")
        wrapper.pool.register_middleware(retries())
        connector = RedisConnector(RedisConfig(endpoints=DISCOVERED))
        self.discovery = wrapper.pool.discover(source, connector, **QUICK)
        self.discovery.wait_ready(count, 10)
        self.pool, self.load = wrapper.pool, Load()
        self.removed: set[str] = set()
        self.pool.subscribe(self._note)
        self._registry = CollectorRegistry()
        PoolCollector(self.pool, registry=self._registry)
        self._running = self.load.by(("get", lambda: wrapper.get("key")))

    def _note(self, event: object) -> None:
        if isinstance(event, DiscoveryUpdated):
            self.removed.update(event.removed)

    @property
    def names(self) -> set[str]:
        """The members that get calls."""
        return {member.name for member in self.pool.members if not member.leaving}

    @property
    def errors(self) -> int:
        """How often the source has failed."""
        return sum(number for _, number in self.discovery.stats().errors)

    def is_stale(self) -> bool:
        """Whether stats and metrics say that the answers are old."""
        labels = {"pool": "cache", "source": self.discovery.source.name}
        told = self._registry.get_sample_value("connpool_discovery_stale_seconds", labels)
        return self.discovery.stats().stale > 0 and (told or 0) > 0

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)
        self.pool.close()


def zone(addresses: Iterable[str]) -> list[str]:
    """A zone in which these are the servers of a service."""
    ports = [address.partition(":")[2] for address in addresses]
    hosts = ["one.test. 1 IN A 127.0.0.1"]
    return [*hosts, *(f"_cache._tcp.test. 1 IN SRV 0 1 {port} one.test." for port in ports)]


def test_a_dns_server_is_killed(addresses: list[str]) -> None:
    """No call is lost and the age is told; of the answers after its return no second one fails, and the new zone holds."""
    with DnsServer(*zone(addresses[:3])) as dns:
        config = DnsSourceConfig(
            name="_cache._tcp.test",
            resolve=True,
            family="ipv4",
            nameservers=dns.address,
            shortest_interval=0.05,
            longest_interval=0.1,
        )
        with Loaded(DnsSource(config), 3) as loaded:
            dns.say(*zone(addresses[1:3]))
            assert eventually(lambda: loaded.names == set(addresses[1:3]))
            dns.kill()
            assert eventually(loaded.is_stale)
            assert loaded.names == set(addresses[1:3])
            dns.say(*zone(addresses[2:]))
            dns.restart()
            failed = loaded.errors
            assert eventually(lambda: not loaded.is_stale())
            assert loaded.errors <= failed + 1, "the question that it was away for"
            assert eventually(lambda: loaded.names == set(addresses[2:]))
    assert loaded.removed == set(addresses[:2])
    assert loaded.load.lost == []
    assert loaded.load.calls > 100


def test_a_file_that_is_written_in_pieces(addresses: list[str], tmp_path: Path) -> None:
    """Who writes may take his time, or crash in the middle: no half of a list is followed, the age is told, no call is lost."""
    path = tmp_path / "endpoints.toml"
    path.write_text(f"endpoints = {addresses[:3]}\n")
    with Loaded(FileSource(FileSourceConfig(path=str(path), settle=0.02, wait=0.2)), 3) as loaded:
        for crashed in (True, False):
            with path.open("w") as file:
                for piece in ("endpoints = [\n", *(f"{one!r},\n" for one in addresses[1:])):
                    file.write(piece)
                    file.flush()
                    failed = loaded.errors
                    assert eventually(lambda failed=failed: loaded.errors > failed)  # type: ignore[misc]
                    assert loaded.is_stale()
                    assert loaded.names == set(addresses[:3])
                if not crashed:
                    file.write("]\n")
        assert eventually(lambda: loaded.names == set(addresses[1:]))
        assert eventually(lambda: not loaded.is_stale())
    assert loaded.removed == {addresses[0]}
    assert loaded.load.lost == []
    assert loaded.load.calls > 100


class Liar:
    """Tells the truth, unless it has a lie to tell."""

    def __init__(self, addresses: list[str]) -> None:
        self.truth = [Endpoint(address, f"s{n}") for n, address in enumerate(addresses)]
        self.lie: Callable[[], Any] = lambda: self.truth
        self.told = 0
        self._go = threading.Event()

    def answer(self) -> Any:
        self.told += 1
        return self.lie()

    def hang(self) -> list[Endpoint]:
        self._go.clear()
        self._go.wait(10)
        return self.truth

    def break_down(self) -> list[Endpoint]:
        raise OSError("the registry is on fire")

    def break_off(self) -> Iterator[Endpoint]:
        yield self.truth[0]
        raise OSError("the registry went away in the middle")

    def speak_the_truth(self) -> None:
        self.lie = lambda: self.truth
        self._go.set()

    @property
    def lies(self) -> dict[str, Callable[[], Any]]:
        first, *rest = self.truth
        return {
            "hangs": self.hang,
            "fails": self.break_down,
            "breaks off": self.break_off,
            "knows nobody": list,
            "says nothing": lambda: None,
            "repeats an id": lambda: [*self.truth, Endpoint(rest[0].address, first.id)],
            "names no port": lambda: [first, "127.0.0.1"],
            "has an unknown field": lambda: [{"address": first.address, "wieght": 2}],
            "has no weight": lambda: [{"address": first.address, "weight": 0}],
        }

    def strangers(self) -> list[Endpoint]:
        """Twenty servers that nobody has ever seen, and none that is there."""
        return [Endpoint(f"127.0.0.1:{port}", f"stranger {port}") for port in range(1, 21)]


def test_a_source_that_hangs_lies_and_repeats_ids(addresses: list[str]) -> None:
    """Whatever it says, no member leaves as long as no other one works, and no call is lost; each lie is counted and told."""
    liar = Liar(addresses[:3])
    truth = {one.id for one in liar.truth}
    source = CallbackSource(liar.answer, interval=0.01, name="registry")
    with Loaded(source, 3) as loaded:
        for name, lie in liar.lies.items():
            failed = loaded.errors
            liar.lie = lie
            assert eventually(lambda failed=failed: loaded.errors > failed), name  # type: ignore[misc]
            assert loaded.is_stale(), name
            assert loaded.names == truth, name
            liar.speak_the_truth()
            assert eventually(lambda: not loaded.is_stale()), name
        liar.lie = liar.strangers
        assert eventually(lambda: loaded.discovery.stats().failed > 10)
        assert loaded.names == truth
        liar.speak_the_truth()
        assert eventually(lambda: loaded.discovery.stats().joined == len(truth))
        assert loaded.names == truth
    assert loaded.load.lost == []
    assert loaded.load.calls > 100


async def test_tasks_do_not_mind_a_liar_either(addresses: list[str]) -> None:
    """In an event loop the same holds, and nothing that the source does keeps the loop from going on."""
    liar = Liar(addresses[:3])
    source = AsyncCallbackSource(
        lambda: asyncio.to_thread(liar.answer), interval=0.01, name="registry"
    )
    load = Load()
    async with AsyncRedisPool(name="cache") as wrapper:
        wrapper.pool.register_middleware(retries())
        connector = AsyncRedisConnector(RedisConfig(endpoints=DISCOVERED))
        discovery = await wrapper.pool.discover(source, connector, **QUICK)
        await discovery.wait_ready(3, 10)
        async with load.by_tasks("get", lambda: wrapper.get("key")):
            for lie in (*liar.lies.values(), liar.strangers):
                told = liar.told
                liar.lie = lie
                await until(lambda told=told: liar.told > told + 1 or discovery.stats().stale > 0)  # type: ignore[misc]
                liar.speak_the_truth()
                await until(lambda: discovery.stats().stale == 0)
            await until(lambda: discovery.stats().joined == 3)
            assert {one.name for one in wrapper.pool.members} == {one.id for one in liar.truth}
    assert load.lost == []
    assert load.calls > 100
