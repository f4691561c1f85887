"""How a sync or async pool follows a source of endpoints."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import (
    AsyncPool,
    ClientPanic,
    DiscoveryFailed,
    DiscoveryRecovered,
    DiscoveryUpdated,
    EndpointMoved,
    MemberAdded,
    NewClient,
    Pool,
    PoolClosed,
    ReconnectFailed,
)
from connpool_runtime.connectors import ConnectorConfig
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.discovery import (
    DISCOVERED,
    AsyncStaticSource,
    ConsulSource,
    DiscoveryTimeout,
    Endpoint,
    InvalidEndpoint,
    NoEndpoints,
    StaticSource,
)
from tests.runtime.discovery.registries import Clients, Registry, endpoints, follow, names, run
from tests.runtime.faces import Client, Face, until


@pytest.fixture
def face(new_face: Callable[..., Face]) -> Face:
    """A pool without members, whose clock runs."""
    return new_face(clock=time.monotonic, balancer="weighted_round_robin")


def events(face: Face, kind: type[Any]) -> list[Any]:
    return [event for event in face.events if isinstance(event, kind)]


async def test_members_are_the_endpoints(face: Face) -> None:
    """Each endpoint becomes a member of its id, with its weight, priority and zone; one that is gone leaves."""
    registry = Registry(Endpoint("10.0.0.1:1", "a", 3, (), "z", 0), *endpoints("b"))
    clients = Clients()
    discovery = await follow(face, registry, clients, count=2)
    member = face.member("a")
    assert (member.weight, member.priority, member.zone) == (3, 0, "z")
    assert [await face.call() for _ in range(4)].count("a") == 3
    registry.says(*endpoints("b", "c"))
    await until(lambda: names(face) == {"b", "c"})
    await until(lambda: clients.of("a").closed == 1)
    assert clients.of("b").closed == 0
    assert {one.id for one in discovery.endpoints} == {"b", "c"}
    assert [event.removed for event in events(face, DiscoveryUpdated)] == [(), ("a",)]
    await face.close()


async def test_weight_and_place_change_in_place(face: Face) -> None:
    """A member stays the same, with its breaker, its counts, its calls in flight and its client."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    await follow(face, registry, clients, count=2)
    await face.call()
    face.pool.eject("a")
    member, client = face.member("a"), clients.of("b")
    client.hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    registry.says(*endpoints("a", "b", weight=5, zone="z", priority=1, metadata={"k": "v"}))
    await until(lambda: (member.weight, member.zone, member.priority) == (5, "z", 1))
    assert face.member("a") is member
    assert member.breaker.forced_open
    assert face.in_flight() == 1
    client.release()
    assert await running == "b"
    assert len(clients.opened) == 2
    await face.close()


async def test_another_address_is_another_client_of_the_same_member(face: Face) -> None:
    """The new one takes the name at the moment it is ready; the old one is closed by its last call."""
    registry, clients = Registry(Endpoint("10.0.0.1:1", "a")), Clients()
    await follow(face, registry, clients)
    old = clients.of("a")
    old.hold()
    running = face.start()
    await until(lambda: face.in_flight() == 1)
    registry.says(Endpoint("10.0.0.2:2", "a", 4))
    await until(lambda: len(clients.opened) == 2 and face.member("a").client is clients.of("a"))
    await until(lambda: face.member("a").weight == 4)
    assert await face.call() == "a"
    assert old.closed == 0
    old.release()
    assert await running == "a"
    await until(lambda: old.closed == 1)
    (moved,) = events(face, EndpointMoved)
    assert (moved.source, moved.member, moved.before, moved.after) == (
        "registry",
        "a",
        "10.0.0.1:1",
        "10.0.0.2:2",
    )
    await face.close()


async def test_a_client_that_nobody_wants_any_more_is_closed(face: Face) -> None:
    """An endpoint that moves, or is gone, while its client is being opened: what still comes gets no calls."""
    registry, clients = Registry(*endpoints("b"), Endpoint("10.0.0.1:1", "a")), Clients()
    await follow(face, registry, clients)
    clients.held |= {"x", "y"}
    registry.says(*endpoints("b"), Endpoint("10.0.0.1:1", "x"), Endpoint("10.0.0.1:1", "y"))
    await until(lambda: clients.at_once == 2)
    registry.says(*endpoints("b"), Endpoint("10.0.0.2:2", "x"))
    await until(lambda: clients.at_once == 3)
    clients.release()
    await until(lambda: names(face) == {"b", "x"})
    await until(lambda: len(clients.opened) == 5)
    opened = {(one.name, one.address): one for one in clients.opened}  # type: ignore[attr-defined]
    await until(lambda: opened["x", "10.0.0.1:1"].closed == opened["y", "10.0.0.1:1"].closed == 1)
    assert opened["x", "10.0.0.2:2"].closed == 0
    await face.close()


async def test_one_that_returns_goes_on(face: Face) -> None:
    """While a call keeps a leaving member from closing, its endpoint may come back: it is not opened anew."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    await follow(face, registry, clients, count=2)
    member, client = face.member("a"), clients.of("a")
    client.hold()
    running = [face.start(), face.start()]
    await until(lambda: face.in_flight() >= 1 and member.in_flight == 1)
    registry.says(*endpoints("b"))
    await until(lambda: member.leaving)
    registry.says(*endpoints("a", "b"))
    await until(lambda: not member.leaving)
    client.release()
    await asyncio.gather(*running)
    assert {await face.call() for _ in range(4)} == {"a", "b"}
    assert client.closed == 0
    assert len(clients.opened) == 2
    told = [type(one).__name__ for one in face.events if getattr(one, "member", "") == "a"]
    assert told == ["MemberAdded", "MemberLeaving", "MemberAdded"]
    await face.close()


async def test_old_members_stay_until_new_ones_are_ready(face: Face) -> None:
    """When all endpoints are replaced at once, calls go on with the old members while the new are opened."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    clients.held |= {"x", "y"}
    await follow(face, registry, clients, count=2)
    registry.says(*endpoints("x", "y"))
    await until(lambda: clients.at_once == 2)
    assert {await face.call() for _ in range(4)} == {"a", "b"}
    clients.release()
    await until(lambda: names(face) == {"x", "y"})
    assert {await face.call() for _ in range(4)} == {"x", "y"}
    await face.close()


async def test_calls_go_on_with_the_rest(face: Face) -> None:
    """An endpoint that cannot be opened is tried again with growing waits, and told; the others serve."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    clients.refused.add("b")
    discovery = await follow(face, registry, clients)
    await until(lambda: len(events(face, ReconnectFailed)) >= 3)
    assert await face.call() == "a"
    stats = discovery.stats()
    assert (stats.endpoints, stats.joined, stats.failed) == (2, 1, 1)
    assert [event.attempt for event in events(face, ReconnectFailed)][:3] == [1, 2, 3]
    clients.refused.clear()
    await until(lambda: names(face) == {"a", "b"})
    assert discovery.stats().failed == 0
    await face.close()


async def test_one_that_hangs_keeps_nobody(face: Face) -> None:
    """Openings that hang are given up, even if nothing can end them, and their places go to others."""
    registry, clients = Registry(*endpoints(*"abcdef")), Clients()
    clients.held |= {"a", "b"}
    options = {"max_connecting": 2, "connect_timeout": 0.05}
    discovery = await follow(face, registry, clients, count=4, **options)
    assert names(face) == set("cdef")
    assert discovery.stats().failed == 2
    clients.release()
    await until(lambda: names(face) == set("abcdef"))
    if face.kind == "threads":  # what a thread brings too late is closed; a task is cancelled
        late = [client for client in clients.opened if client.name in "ab"]
        await until(lambda: sum(client.closed for client in late) == len(late) - 2)
    await face.close()


async def test_a_bounded_number_is_opened_at_a_time(face: Face) -> None:
    """However many endpoints come, no more than `max_connecting` are being opened."""
    many = [f"10.0.0.1:{port}" for port in range(1000, 1060)]
    clients = Clients()
    await follow(face, Registry(*many), clients, count=60, max_connecting=3)
    assert 1 < clients.most_at_once <= 3
    await face.close()


async def test_a_client_is_verified_and_warmed_before_it_gets_calls(face: Face) -> None:
    """One that fails its check or its warm-up gets none, and is closed."""
    registry, clients = Registry(*endpoints("a", "b", "c")), Clients()
    warmed: list[str] = []

    def check(client: Client) -> object:
        assert client.name not in names(face)
        return client.name != "b"

    def warm_up(client: Client) -> None:
        if client.name == "c":
            raise ConnectionError("cold")
        warmed.append(client.name)

    discovery = await follow(face, registry, clients, check=check, warm_up=warm_up)
    await until(lambda: discovery.stats().failed == 2)
    assert (names(face), warmed) == ({"a"}, ["a"])
    await until(lambda: clients.of("b").closed == clients.of("c").closed == 1)
    await face.close()


async def test_what_is_known_is_kept(face: Face) -> None:
    """A failure, an empty answer and a lie change nothing; each is counted, told once, and is over when it is."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    discovery = await follow(face, registry, clients, count=2)
    lies = [
        registry.fails,
        lambda _: registry.says(),
        lambda _: registry.says("a:99999"),
        lambda _: registry.says(*endpoints("a"), *endpoints("a")[:0], Endpoint("h:1", "a")),
    ]
    for lie in lies:
        lie(ConnectionError("down"))
        asked = registry.asked
        await until(lambda asked=asked: registry.asked > asked + 2)  # type: ignore[misc]
        assert names(face) == {"a", "b"}
        assert discovery.stats().stale > 0
    registry.says(*endpoints("b"))
    await until(lambda: names(face) == {"b"})
    stats = discovery.stats()
    assert stats.stale == 0
    assert {reason for reason, _ in stats.errors} == {"error", "empty", "invalid"}
    assert stats.last_success == pytest.approx(time.time(), abs=60)
    (failed,), (recovered,) = events(face, DiscoveryFailed), events(face, DiscoveryRecovered)
    assert isinstance(failed.cause, ConnectionError)
    assert recovered.stale > 0
    await face.close()


async def test_a_source_that_hangs_stops_nothing(face: Face) -> None:
    """Its answer is given up after `fetch_timeout`, members open and calls go on; when it is back it is heard."""
    registry, clients = Registry(*endpoints("a")), Clients()
    discovery = await follow(face, registry, clients, fetch_timeout=0.05)
    registry.hold()
    await until(lambda: dict(discovery.stats().errors).get("timeout", 0) >= 1)
    assert "registry has not answered within 0.05 s" in discovery.stats().last_error
    assert await face.call() == "a"
    registry.says(*endpoints("b"))
    registry.release()
    await until(lambda: names(face) == {"b"})
    await face.close()


async def test_one_that_comes_and_goes_is_damped(face: Face) -> None:
    """After its first removal it is held: it is neither closed nor opened with each change of mind."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    await follow(face, registry, clients, count=2)
    for _ in range(3):
        registry.says(*endpoints("a"))
        asked = registry.asked
        await until(lambda asked=asked: registry.asked > asked + 3)  # type: ignore[misc]
        registry.says(*endpoints("a", "b"))
        await until(lambda: names(face) == {"a", "b"})
    assert [client.name for client in clients.opened].count("b") == 2
    await face.close()


async def test_the_start_waits_for_a_member(face: Face) -> None:
    """Without one in time it fails, says why, and follows nothing any more."""
    registry, clients = Registry(), Clients()
    registry.fails(ConnectionRefusedError("nobody listens"))
    with pytest.raises(DiscoveryTimeout, match=r"registry after 0.1 s.*nobody listens") as caught:
        await follow(face, registry, clients, start_timeout=0.1)
    assert isinstance(caught.value.cause, ConnectionRefusedError)
    registry.says()
    with pytest.raises(DiscoveryTimeout, match="no endpoint") as caught:
        await follow(face, registry, clients, start_timeout=0.1)
    assert isinstance(caught.value.cause, NoEndpoints)
    registry.says(*endpoints("a"))
    clients.refused.add("a")
    with pytest.raises(DiscoveryTimeout, match=r"1 could not be opened: a: a refuses"):
        await follow(face, registry, clients, start_timeout=0.1)
    asked = registry.asked
    await asyncio.sleep(0.05)
    assert registry.asked <= asked + 1
    assert names(face) == set()
    await face.close()


async def test_the_start_need_not_wait(face: Face) -> None:
    """With `start_timeout=0` members come when they come; `wait_ready` says what is missing."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    registry.hold()
    discovery = await follow(face, registry, clients, count=0, start_timeout=0)
    with pytest.raises(DiscoveryTimeout, match="it has not answered"):
        await run(face, discovery.wait_ready, 1, 0.05)
    registry.release()
    await run(face, discovery.wait_ready, 2, 10.0)
    with pytest.raises(DiscoveryTimeout, match=r"2 members .* not 3"):
        await run(face, discovery.wait_ready, 3, 0.05)
    await face.close()
    with pytest.raises(PoolClosed):
        await run(face, discovery.wait_ready, 1, 1.0)


async def test_an_empty_answer_may_be_believed(face: Face) -> None:
    """With `allow_empty` the pool begins without members, and loses its last one."""
    registry, clients = Registry(), Clients()
    await follow(face, registry, clients, count=0, allow_empty=True)
    registry.says(*endpoints("a"))
    await until(lambda: names(face) == {"a"})
    registry.says()
    await until(lambda: names(face) == set())
    await face.close()


async def test_a_start_without_the_source(face: Face, tmp_path: Path, new_face: Any) -> None:
    """It begins with the last good answer on disk, whose age is told, until the source answers."""
    file = tmp_path / "snapshot.json"
    registry, clients = Registry(*endpoints("a", "b", weight=2)), Clients()
    await follow(face, registry, clients, count=2, snapshot_file=str(file))
    registry.says(*endpoints("a", "c", weight=2))
    await until(lambda: file.exists() and '"c"' in file.read_text())
    await face.close()
    assert file.stat().st_mode & 0o077 == 0
    other = new_face(clock=time.monotonic, balancer="weighted_round_robin")
    registry.fails(ConnectionError("down"))
    discovery = await follow(other, registry, Clients(), count=2, snapshot_file=str(file))
    assert names(other) == {"a", "c"}
    assert other.member("c").weight == 2
    assert discovery.stats().stale > 0
    registry.says(*endpoints("c", "d", weight=2))
    await until(lambda: names(other) == {"c", "d"})
    assert discovery.stats().stale == 0
    await other.close()


FOREIGN = '{"source": "x", "when": 1, "endpoints": []}'
TOO_LATE = FOREIGN.replace("1", "1" + "0" * 400)  # for a float


@pytest.mark.parametrize(
    "content", ["", "{}", FOREIGN, TOO_LATE], ids=["nothing", "empty", "foreign", "too late"]
)
async def test_a_bad_snapshot_is_not_used(face: Face, tmp_path: Path, content: str) -> None:
    """A file that holds something else, or the answer of another source, counts as an error."""
    file = tmp_path / "snapshot.json"
    file.write_text(content)
    registry, clients = Registry(), Clients()
    registry.fails(ConnectionError("down"))
    with pytest.raises(DiscoveryTimeout):
        await follow(face, registry, clients, start_timeout=0.05, snapshot_file=str(file))
    assert face.stats().discovery == ()
    options = {"start_timeout": 0, "snapshot_file": str(file)}
    discovery = await follow(face, registry, clients, count=0, **options)
    await until(lambda: "snapshot_file" in dict(discovery.stats().errors))
    await face.close()


async def test_closing_ends_it_and_keeps_the_members(face: Face) -> None:
    """The source is asked and what it says is followed no longer; calls go on."""
    registry, clients = Registry(*endpoints("a")), Clients()
    discovery = await follow(face, registry, clients)
    await run(face, discovery.close)
    await run(face, discovery.close)
    registry.says(*endpoints("b"))
    await asyncio.sleep(0.05)
    assert names(face) == {"a"}
    assert await face.call() == "a"
    assert discovery.closed
    await face.close()
    assert clients.of("a").closed == 1


async def test_the_pool_ends_it(face: Face) -> None:
    """When the pool is closed nothing is asked any more, what was being opened is closed, and the source is."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    clients.held.add("b")
    source = registry.source(face)
    closed: list[bool] = []

    def close() -> None:
        closed.append(True)

    async def aclose() -> None:
        closed.append(True)

    source.close = close if face.kind == "threads" else aclose
    await follow(face, registry, clients, source=source)
    await face.close()
    clients.release()
    await until(lambda: closed == [True])
    await until(lambda: len(clients.opened) == 2)
    await until(lambda: all(client.closed == 1 for client in clients.opened))
    asked = registry.asked
    await asyncio.sleep(0.03)
    assert registry.asked <= asked + 1


async def test_a_name_that_is_taken_is_told(face: Face) -> None:
    """A member added by hand keeps its name; the endpoint of that id waits for it, and the others join."""
    face.pool.add_clients([NewClient(Client("mine"), "a")])
    registry, clients = Registry(*endpoints("a", "b", "c")), Clients()
    discovery = await follow(face, registry, clients, count=2)
    assert face.member("a").client.name == "mine"
    await until(lambda: discovery.stats().failed == 1)
    await face.remove("a")
    await until(lambda: names(face) == {"a", "b", "c"})
    assert face.member("a").client is clients.of("a")
    await face.close()


async def test_a_member_that_was_removed_by_hand_comes_back(face: Face) -> None:
    """The source has the last word: whoever wants to keep a member out ejects it."""
    registry, clients = Registry(*endpoints("a", "b")), Clients()
    await follow(face, registry, clients, count=2)
    await face.remove("a")
    await until(lambda: names(face) == {"a", "b"})
    assert [client.name for client in clients.opened].count("a") == 2
    await face.close()


async def test_a_weight_is_no_larger_than_the_balancer_takes(new_face: Callable[..., Face]) -> None:
    """The endpoint gets the largest weight of the pool's balancer, and its own with a balancer that takes it."""
    face = new_face(clock=time.monotonic, balancer="consistent_hash")
    await follow(face, Registry(*endpoints("a", weight=2_000_000)), Clients())
    assert face.member("a").weight == 1000
    face.pool.reconfigure(balancer="weighted_random")
    await until(lambda: face.member("a").weight == 2_000_000)
    await face.close()


async def test_weights_are_for_pools_that_know_them(new_face: Callable[..., Face]) -> None:
    """A pool whose balancer ignores weights takes the endpoints all the same."""
    face = new_face(clock=time.monotonic, balancer="round_robin")
    await follow(face, Registry(*endpoints("a", weight=7)), Clients())
    assert face.member("a").weight == 1
    await face.close()


async def test_two_sources_of_one_pool(face: Face) -> None:
    """Each has its own members and numbers, and removes none of the other's."""
    one, two, clients = Registry(*endpoints("a", "b")), Registry(*endpoints("c")), Clients()
    await follow(face, one, clients, count=2)
    await follow(face, two, clients)
    one.says(*endpoints("b"))
    await until(lambda: names(face) == {"b", "c"})
    assert [stats.endpoints for stats in face.stats().discovery] == [1, 1]
    await face.close()


async def test_a_source_of_ones_own_is_one_method(face: Face) -> None:
    """A class with `fetch` is a source; addresses and mappings count as endpoints."""
    base = StaticSource if face.kind == "threads" else AsyncStaticSource
    source = base(["a:1", {"address": "b:2", "weight": 2}])
    await follow(face, Registry(), Clients(), source=source, count=2)
    assert names(face) == {"a:1", "b:2"}
    assert face.member("b:2").weight == 2
    await face.close()


async def test_a_connector_opens_checks_and_replaces(face: Face) -> None:
    """Members of a connector are verified, checked while they are idle, and replaced when they stay broken."""
    registry, made = Registry(*endpoints("a", "b")), list[Client]()
    sick: set[int] = set()

    def make(address: str) -> Client:
        made.append(Client(address))
        return made[-1]

    def check(client: Client) -> object:
        return id(client) not in sick

    async def check_async(client: Client) -> object:
        return check(client)

    config = ConnectorConfig(
        endpoints=DISCOVERED, health_interval=0.02, reconnect_interval=0.01, connect_timeout=5
    )
    connector: Any = (
        CustomConnector(make, config, check=check)
        if face.kind == "threads"
        else AsyncCustomConnector(make, config, check=check_async)
    )
    await follow(face, registry, Clients(), connect=connector, count=2)
    assert sorted(client.name for client in made) == ["10.0.0.1:7097", "10.0.0.1:7098"]
    broken = face.member("a").client
    sick.add(id(broken))
    await until(lambda: face.member("a").client is not broken)
    await until(lambda: broken.closed == 1)
    assert dict(face.stats().health_checks)["failure"] >= 2
    registry.says(*endpoints("b"))
    await until(lambda: names(face) == {"b"})
    await until(lambda: [one.name for one in made if not one.closed] == ["10.0.0.1:7098"])
    await face.close()
    await until(lambda: all(client.closed for client in made))
    health = "health of test"
    await until(lambda: health not in {thread.name for thread in threading.enumerate()})
    await until(lambda: health not in {task.get_name() for task in asyncio.all_tasks()})


async def test_numbers_are_exported(face: Face) -> None:
    """Stats and series tell endpoints by state, updates, errors, age and the last success of each source."""
    from prometheus_client.registry import CollectorRegistry

    from connpool_runtime.metrics.prometheus import PoolCollector

    registry, clients = Registry(*endpoints("a", "b")), Clients()
    clients.refused.add("b")
    discovery = await follow(face, registry, clients)
    await until(lambda: discovery.stats().failed == 1)
    registry.fails(ConnectionError("down"))
    await until(lambda: discovery.stats().stale > 0)
    collected = CollectorRegistry()
    PoolCollector(face.pool, registry=collected)
    labels = {"pool": "test", "source": "registry"}

    def value(name: str, **more: str) -> float | None:
        return collected.get_sample_value(f"connpool_discovery_{name}", {**labels, **more})

    assert value("endpoints", state="joined") == 1
    assert value("endpoints", state="failed") == 1
    assert value("updates_total") == 1
    assert (value("errors_total", reason="error") or 0) >= 1
    assert (value("stale_seconds") or 0) > 0
    assert value("last_success") == pytest.approx(time.time(), abs=60)
    await face.close()


def test_what_cannot_be_followed_is_refused_at_once() -> None:
    """The wrong kind of source, of `connect` or of option is named, with what would be right."""
    pool, apool = Pool("p"), AsyncPool[Any]("p")
    static = StaticSource(["a:1"])
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: pool.discover(AsyncStaticSource(["a:1"]), Client), "is for threads"),  # type: ignore[arg-type]
        (lambda: asyncio.run(apool.discover(static, Client)), "is for tasks"),  # type: ignore[arg-type]
        (lambda: pool.discover("consul://x", Client), "source_of makes one"),  # type: ignore[arg-type]
        (lambda: pool.discover(static, "redis"), "must be a connector"),  # type: ignore[arg-type]
        (lambda: pool.discover(static, asyncio.sleep), "must be awaited"),  # type: ignore[arg-type]
        (lambda: pool.discover(static, Client, alow_empty=True), "'allow_empty'"),  # type: ignore[call-arg]
    ]
    for call, message in wrong:
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(ValueError, match="fetch_timeout must be"):
        pool.discover(static, Client, fetch_timeout=math.nan)
    with pytest.raises(InvalidEndpoint):
        StaticSource(["nowhere"])
    with pytest.raises(TypeError, match=r"ConsulSourceConfig\(service="):
        ConsulSource("web")  # type: ignore[arg-type]
    pool.close()
    with pytest.raises(PoolClosed, match="is closed"):
        pool.discover(static, Client)


async def test_members_join_at_the_same_moment(face: Face) -> None:
    """Endpoints that are opened together are added in few steps, not one by one."""
    many = [f"10.0.0.1:{port}" for port in range(1, 2001)]
    added: list[int] = []
    add = face.pool.add_clients

    def counting(clients: Any) -> None:
        clients = list(clients)
        added.append(len(clients))
        add(clients)

    face.pool.add_clients = counting
    clients = [Client(name) for name in many]
    found = dict(zip(many, clients, strict=True))
    source = (StaticSource if face.kind == "threads" else AsyncStaticSource)(many)

    async def connect(endpoint: Endpoint) -> Client:
        return found[endpoint.id]

    opens = (lambda endpoint: found[endpoint.id]) if face.kind == "threads" else connect
    await follow(face, Registry(), Clients(), source=source, connect=opens, count=2000)
    assert sum(added) == 2000
    assert len(added) < 1000
    assert len(events(face, MemberAdded)) == 2000
    await face.close()


async def test_thousands_leave_at_the_same_moment(face: Face) -> None:
    """So many that are idle are closed one after the other, not each within the closing of the one before."""
    many = [f"10.0.0.1:{port}" for port in range(1, 2001)]
    registry, found = Registry(*many), {name: Client(name) for name in many}

    async def connect(endpoint: Endpoint) -> Client:
        return found[endpoint.id]

    opens = (lambda endpoint: found[endpoint.id]) if face.kind == "threads" else connect
    await follow(face, registry, Clients(), connect=opens, count=2000)
    registry.says(many[0])
    await until(lambda: len(face.pool.members) == 1)
    await until(lambda: sum(client.closed for client in found.values()) == 1999)
    assert await face.call() == many[0]
    await face.close()


class Panic(BaseException):
    """What Rust's bindings raise."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", [Panic, asyncio.CancelledError])
async def test_opening_goes_on_after_what_is_no_exception(
    face: Face, kind: type[BaseException]
) -> None:
    """An attempt that ends in no `Exception` counts as failed, and its place is free for the next attempt."""
    failures: list[Endpoint] = []

    def connect(endpoint: Endpoint) -> Client:
        if len(failures) < 6:
            failures.append(endpoint)
            raise kind
        return Client(endpoint.id)

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    registry = Registry(*endpoints("a", "b", "c"))
    options: dict[str, Any] = {"connect": connect, "max_connecting": 2, "connect_backoff_max": 0.02}
    discovery = await follow(face, registry, Clients(), count=3, **options)
    assert (discovery.stats().failed, len(failures)) == (0, 6)
    causes = {type(event.cause) for event in events(face, ReconnectFailed)}
    assert causes == {ClientPanic}
    await face.close()
