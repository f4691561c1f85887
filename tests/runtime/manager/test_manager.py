"""Many services by name, for threads and for tasks."""

import asyncio
import inspect
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import patch

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from connpool_runtime import AsyncPool, ConfigConflict, NotFound, Pool, PoolClosed, PoolSettings
from connpool_runtime.connectors import ConnectRefused, InvalidConfig
from connpool_runtime.connectors.kinds import CUSTOM, KINDS, config_class
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.discovery import DiscoverySettings
from connpool_runtime.discovery.kinds import SOURCES, source_config_class
from connpool_runtime.manager import Manager
from connpool_runtime.manager.async_manager import AsyncManager
from connpool_runtime.manager.services import (
    ServiceConfig,
    open_async_pool,
    open_pool,
    read_services,
    services_schema,
)
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.runtime.faces import PATIENCE, Client, until


def service(name: str, **options: Any) -> ServiceConfig:
    return ServiceConfig(
        name=name, connector=RedisConfig(endpoints=f"{name}:6379"), options=options
    )


class ThreadFace:
    kind = "threads"
    open = staticmethod(open_pool)

    def __init__(self, build: Any = None, services: Any = (), **options: Any) -> None:
        self.clients: dict[str, Client] = {}
        self.built: list[str] = []
        self.manager: Any = self.make(build or self.build, services, **options)

    def make(self, build: Any, services: Any, **options: Any) -> Any:
        return Manager(build, services, **options)

    def new_pool(self, name: str, options: Any) -> Any:
        return Pool[Client](name, close=lambda client: client.close(), **options)

    def build(self, service: ServiceConfig) -> Any:
        self.built.append(service.name)
        if service.name == "broken":
            raise ConnectionError("broken")
        pool = self.new_pool(service.name, service.pool_options)
        pool.add_client(self.clients.setdefault(service.name, Client(service.name)), "m")
        return pool

    async def do(self, verb: str, *args: Any) -> Any:
        return await asyncio.to_thread(getattr(self.manager, verb), *args)

    async def ask(self, service: str) -> Any:
        return await self.do("execute", service, lambda client: client.get())

    async def set_and_get(self, service: str) -> Any:
        await self.do("execute", service, lambda client: client.set("key", service))
        return await self.do("execute", service, lambda client: client.get("key"))


class TaskFace(ThreadFace):
    kind = "tasks"
    open = staticmethod(open_async_pool)  # type: ignore[assignment]

    def make(self, build: Any, services: Any, **options: Any) -> Any:
        return AsyncManager(build, services, **options)

    def new_pool(self, name: str, options: Any) -> Any:
        return AsyncPool[Client](name, close=lambda client: client.aclose(), **options)

    async def do(self, verb: str, *args: Any) -> Any:
        return await getattr(self.manager, verb)(*args)

    async def ask(self, service: str) -> Any:
        return await self.do("execute", service, lambda client: client.aget())


@pytest.fixture(params=[ThreadFace, TaskFace], ids=lambda face: face.kind)
def new_face(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def face(new_face: Callable[..., Any]) -> Any:
    return new_face(services=[service("users", max_fails=2), service("orders")])


async def test_pools_on_demand(face: Any) -> None:
    """A pool is built when its service is first wanted, once, with the options of that service."""
    assert face.manager.services == ("orders", "users")
    assert face.manager.started == ()
    assert await asyncio.gather(*(face.ask("users") for _ in range(4))) == ["users"] * 4
    assert face.built == ["users"]
    pool = await face.do("get_pool", "users")
    assert pool.settings.max_fails == 2
    assert face.manager.started == ("users",)
    assert await face.ask("orders") == "orders"
    await face.do("stop")


async def test_configs_are_isolated(face: Any) -> None:
    """No service sees another's options, and nobody can change a config (B28)."""
    given = {"max_fails": 1}
    config = ServiceConfig(name="new", connector=RedisConfig(endpoints="new:1"), options=given)
    given["max_fails"] = 9
    face.manager.define(config)
    config.pool_options["max_fails"] = 8
    with pytest.raises(FrozenInstanceError):
        config.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.options["max_fails"] = 7  # type: ignore[index]
    assert (await face.do("get_pool", "new")).settings.max_fails == 1
    assert (await face.do("get_pool", "orders")).settings.max_fails == 5
    assert face.manager.config("new").connector.endpoints == ("new:1",)
    await face.do("stop")


async def test_a_name_has_one_config(face: Any) -> None:
    """Defining a service again with the same config is well, with another one an error (B22)."""
    face.manager.define(service("users", max_fails=2))
    with pytest.raises(ConfigConflict, match="'users'"):
        face.manager.define(service("users", max_fails=3))


async def test_unknown_services(face: Any) -> None:
    """A service that nobody defined is an error that names the known ones."""
    with pytest.raises(NotFound, match="no service 'user'; it has 'orders', 'users'"):
        await face.do("get_pool", "user")


async def test_start(new_face: Callable[..., Any]) -> None:
    """Starting builds all pools, or those named; what goes wrong with some does not stop the others."""
    face = new_face(services=[service("a"), service("broken"), service("b")])
    with pytest.raises(ExceptionGroup) as caught:
        await face.do("start")
    assert [str(error) for error in caught.value.exceptions] == ["broken"]
    assert face.manager.started == ("a", "b")
    assert repr(face.manager).endswith("'manager' 3 services, started: a, b>")
    other = new_face(services=[service("a"), service("b")])
    await other.do("start", "b")
    assert other.manager.started == ("b",)


async def test_health_and_stats_of_all(face: Any) -> None:
    """Health and stats are those of all pools there are, by the name of their service."""
    await face.do("start")
    await face.ask("users")
    pool = await face.do("get_pool", "orders")
    pool.eject("m")
    assert face.manager.health() == {"orders": False, "users": True}
    stats = face.manager.stats()
    assert list(stats) == ["orders", "users"]
    assert stats["users"].methods[0].successes == 1
    await face.do("stop")


async def test_drain(face: Any) -> None:
    """Draining lets the calls of one service end, closes its pool and leaves the others alone."""
    await face.do("start")
    client = face.clients["users"]
    client.hold()
    running = asyncio.ensure_future(face.ask("users"))
    await until(lambda: face.manager.stats()["users"].in_flight == 1)
    draining = asyncio.ensure_future(face.do("drain", "users"))
    await until(lambda: face.manager.started == ("orders",))
    assert client.closed == 0
    assert await face.ask("orders") == "orders"
    client.release()
    assert await running == "users"
    await draining
    assert client.closed == 1
    await face.ask("users")
    assert face.built.count("users") == 2
    with pytest.raises(NotFound):
        await face.do("drain", "nothing")
    await face.do("stop")


async def test_stop(face: Any) -> None:
    """Stopping closes all pools, is for ever, and can be done again (B19)."""
    await face.do("start")
    await face.do("stop")
    await face.do("stop")
    assert [client.closed for client in face.clients.values()] == [1, 1]
    assert face.manager.closed
    assert face.manager.stats() == {}
    with pytest.raises(PoolClosed):
        await face.do("get_pool", "users")
    with pytest.raises(PoolClosed):
        await face.ask("users")


async def test_pools_that_leave_get_what_time_the_others_left(face: Any) -> None:
    """Stopping has one limit: what the closing of the pools takes is not waited again for pools that leave."""
    await face.do("start")
    waits: list[float] = []
    join = face.manager._leaving.join

    def noting(seconds: float) -> Any:
        waits.append(seconds)
        return join(seconds)

    client = face.clients["users"]
    client.hold()
    running = asyncio.ensure_future(face.ask("users"))
    await until(lambda: face.manager.stats()["users"].in_flight == 1)
    with patch.object(face.manager._leaving, "join", noting):
        stopping = asyncio.ensure_future(face.do("stop", PATIENCE))
        await until(lambda: face.manager.closed)
        began = monotonic()  # stopping has begun before
        await asyncio.sleep(0.05)
        released = monotonic()
        client.release()
        await stopping
    assert await running == "users"
    (left,) = waits
    assert left <= PATIENCE - (released - began)


async def test_the_block_stops() -> None:
    """`with` and `async with` stop the manager at their end."""
    with ThreadFace(services=[service("a")]).manager as manager:
        manager.start()
    assert manager.closed
    async with TaskFace(services=[service("a")]).manager as manager:
        await manager.start()
    assert manager.closed


def test_wrappers() -> None:
    """A manager of generated wrappers gives wrappers, and calls through their pools."""

    def build(service: ServiceConfig) -> RedisPool:
        wrapper = RedisPool(**service.pool_options)
        wrapper.pool.add_client(Client("client"))  # type: ignore[arg-type]
        return wrapper

    with Manager(build, [service("users")]) as manager:
        assert isinstance(manager.get_pool("users"), RedisPool)
        assert manager.execute("users", lambda client: client.get()) == "client"
        assert manager.stats()["users"].name == "redis"


async def test_what_has_no_pool_runs_no_calls() -> None:
    """Running a function on what is neither a pool nor a wrapper is an error that says so."""

    class Service:
        def close(self) -> None: ...

    with Manager(lambda _: Service(), [service("users")]) as manager:
        with pytest.raises(TypeError, match=r"'users' of 'manager' .* Service is neither"):
            manager.execute("users", lambda client: client.get())
        assert manager.stats() == {}


REDIS = {"kind": "redis", "endpoints": "a:1"}
FILES = {
    "toml": """
        [services.users]
        kind = "redis"
        endpoints = ["users:1", "users:2"]
        connect_timeout = "500ms"
        [services.users.pool]
        balancer = "weighted_round_robin"
        cooldown = "1m"
        [services.orders]
        kind = "etcd"
        endpoints = "orders:1"
    """,
    "yaml": """
        services:
          users:
            kind: redis
            endpoints: ["users:1", "users:2"]
            connect_timeout: 0.5
            pool: {balancer: weighted_round_robin, cooldown: 60}
          orders: {kind: etcd, endpoints: "orders:1"}
    """,
    "json": json.dumps(
        {
            "services": {
                "users": {
                    "kind": "redis",
                    "endpoints": ["users:1", "users:2"],
                    "connect_timeout": "500ms",
                    "pool": {"balancer": "weighted_round_robin", "cooldown": 60},
                },
                "orders": {"kind": "etcd", "endpoints": "orders:1"},
            }
        }
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_one_file_for_all(form: str, tmp_path: Path) -> None:
    """All services come from one file, in three forms that mean the same."""
    if form == "yaml":
        pytest.importorskip("yaml")
    path = tmp_path / f"services.{form}"
    path.write_text(inspect.cleandoc(FILES[form]))
    users, orders = read_services(path)
    assert (users.name, orders.name) == ("users", "orders")
    assert users.connector == RedisConfig(endpoints="users:1,users:2", connect_timeout=0.5)
    assert users.pool_options == {"balancer": "weighted_round_robin", "cooldown": 60.0}
    assert orders.connector.kind == "etcd"
    assert Manager.from_file(path, open_pool, name="all").services == ("orders", "users")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "redis"}, "users.endpoints must be at least one address"),
        (
            {"kind": "reds", "endpoints": "a:1"},
            "users.kind must be one of .*did you mean 'redis'.*not 'reds'",
        ),
        (
            {"kind": "redis", "endpoints": "a:1", "pool": {"max_fail": 1}},
            "json:7: unknown option 'services.users.pool.max_fail'; did you mean 'max_fails'\\?$",
        ),
        (
            {"kind": "redis", "endpoints": "a:1", "pool": {"max_fails": -1}},
            "json:7: services.users.pool.max_fails must be a whole number of at least 0, not -1$",
        ),
        (
            {"kind": "redis", "endpoints": "a:1", "pool": {"clock": "now"}},
            "users.pool.clock must be a function",
        ),
        (
            {"kind": "redis", "endpoints": "a:1", "pool": {"sliding_window_calls": 3}},
            "'users': sliding_window_calls",
        ),
        ({"kind": "redis", "endpoints": "a:1", "pool": {"cooldown": "x"}}, "users.pool.cooldown"),
        ({"kind": "redis", "endpoints": "a:1", "pool": 3}, "users.pool must be a mapping"),
        (
            {"kind": "redis", "endpoints": "a:1", "passwort": "secret"},
            "unknown option 'services.users.passwort'; did you mean 'password'",
        ),
        (
            {"kind": "redis", "endpoints": "a:1", "tls": {"verfy": True}},
            "unknown option 'services.users.tls.verfy'; did you mean 'verify'",
        ),
        (3, "users must be a mapping"),
    ],
)
def test_bad_services_are_refused(values: Any, told: str, tmp_path: Path) -> None:
    """What is wrong in the file is an error that names service, field and what is allowed, never a secret."""
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"services": {"users": values}}, indent=1))
    with pytest.raises(ValueError, match=told) as caught:
        read_services(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [name for name, each in PoolSettings.declared.items() if each.rule.unit == "seconds"]
)
def test_every_duration_may_be_a_text(name: str) -> None:
    """Durations of all options of a pool are read: "30s" is 30 seconds."""
    one = service("users", **{name: ["500ms", "30s"] if name == "buckets" else "30s"})
    assert one.options[name] == ((0.5, 30.0) if name == "buckets" else 30.0)
    assert getattr(Pool[Any](**one.pool_options).settings, name) == one.options[name]


def test_none_in_a_file_is_the_default(tmp_path: Path) -> None:
    """A value that a file leaves empty is not given."""
    path = tmp_path / "services.json"
    pool = {"cooldown": None, "max_fails": 0}
    path.write_text(json.dumps({"services": {"users": {**REDIS, "pool": pool}}}))
    settings = Pool[Any](**read_services(path)[0].pool_options).settings
    assert (settings.cooldown, settings.max_fails) == (5.0, 0)


def test_the_schema_lists_what_a_file_may_say() -> None:
    """Every kind has its fields, and the options of a pool but for those that no file can hold."""
    schema = services_schema()
    kinds = schema["properties"]["services"]["additionalProperties"]["oneOf"]
    assert [kind["properties"]["kind"]["const"] for kind in kinds] == [*KINDS, CUSTOM]
    for kind in kinds:
        fields = set(config_class(kind["properties"]["kind"]["const"]).fields)
        assert set(kind["properties"]) == fields | {"kind", "pool", "middleware", "discovery"}
        assert kind["required"] == ["kind"]
        assert [set(one["required"]) for one in kind["anyOf"]] == [{"endpoints"}, {"discovery"}]
        assert kind["additionalProperties"] is False
        assert kind["properties"]["pool"] == {"$ref": "#/$defs/pool"}
        assert all(kind["properties"][name]["description"] for name in fields)
    pool = schema["$defs"]["pool"]
    assert set(pool["properties"]) == set(PoolSettings.declared) - {"clock", "random"}
    assert pool["additionalProperties"] is False
    assert all(each["description"] for each in pool["properties"].values())
    json.dumps(schema, allow_nan=False)


def test_the_schema_lists_every_source() -> None:
    """A source is a URL, or a mapping of the fields of one kind with the options of discovery."""
    text, *forms, null = services_schema()["$defs"]["discovery"]["anyOf"]
    assert null == {"type": "null"}
    assert text["type"] == "string"
    assert [form["properties"]["kind"]["const"] for form in forms] == list(SOURCES)
    for form in forms:
        config = source_config_class(form["properties"]["kind"]["const"])
        fields = {"endpoints"} if config is None else set(config.fields)
        assert set(form["properties"]) == {"kind"} | fields | set(DiscoverySettings.declared)
        assert form["additionalProperties"] is False


def test_a_service_may_be_discovered() -> None:
    """Its source is a URL or a mapping, with options beside; then the connector needs no endpoints."""
    fields = {"kind": "consul", "service": "users", "token": "hidden", "removal_delay": "5s"}
    found = ServiceConfig.from_mapping("users", {"kind": "redis", "discovery": fields})
    assert found.discovery is not None
    assert found.discovery.open().name == "consul 127.0.0.1:8500 users"
    assert found.discovery.open_async().name == "consul 127.0.0.1:8500 users"
    assert found.discovery.discovery_options == {"removal_delay": 5.0}
    assert "hidden" not in repr(found)
    url = {"kind": "http", "discovery": "dns://users.example:80?allow_empty=true"}
    (found,) = [ServiceConfig.from_mapping("users", url)]
    assert found.discovery is not None
    assert found.discovery.discovery_options == {"allow_empty": True}
    assert found == ServiceConfig.from_mapping("users", url)


@pytest.mark.parametrize(
    ("discovery", "said"),
    [
        ("consull://a:1/web", "'consul'"),
        (7, r"users.discovery must be the URL of a source"),
        ({"kind": "consull"}, "'consul'"),
        ({"kind": "consul"}, r"users.discovery.service must be"),
        ({"kind": "consul", "service": "web", "tocken": "x"}, r"users.discovery.tocken.*'token'"),
        ({"kind": "consul", "service": "web", "alow_empty": True}, "'allow_empty'"),
        ({"kind": "file", "path": "x", "removal_delay": -1}, r"users.discovery.removal_delay"),
        ({"kind": "static"}, r"users.discovery.endpoints"),
        ({"kind": "static", "endpoints": ["a:99999"]}, r"users.discovery: address"),
        ({"kind": "static", "endpoints": [], "tags": "x"}, r"users.discovery.tags"),
    ],
)
def test_bad_discovery_is_refused(discovery: object, said: str) -> None:
    """The error names the service, the field, and the nearest name."""
    with pytest.raises(ValueError, match=said):
        ServiceConfig.from_mapping("users", {"kind": "redis", "discovery": discovery})


@pytest.mark.servers
async def test_a_discovered_service_follows_its_source(
    new_face: Callable[..., Any], redis_servers: list[RedisServer], tmp_path: Path
) -> None:
    """The pool has a member for each endpoint of the source, and changes with it."""
    path, first = tmp_path / "endpoints.json", redis_servers[0]
    path.write_text(json.dumps({"endpoints": [first.address]}))
    fields = {"kind": "file", "path": str(path), "settle": 0.01}
    given = ServiceConfig.from_mapping("users", {"kind": "redis", "discovery": fields})
    face = new_face(new_face.open, [given])  # type: ignore[attr-defined]
    pool = await face.do("get_pool", "users")
    assert [member.name for member in pool.members] == [first.address]
    path.write_text(json.dumps({"endpoints": [server.address for server in redis_servers[1:]]}))
    names = [server.address for server in redis_servers[1:]]
    await until(lambda: sorted(member.name for member in pool.members) == sorted(names))
    await face.do("stop")


def test_the_schema_is_that_of_the_section() -> None:
    """It is nested as the section is, or is that of the whole file."""
    inner = services_schema("")
    assert inner["type"] == "object"
    assert set(inner) == {"$schema", "$defs", "type", "additionalProperties"}
    nested = services_schema("a.b")
    assert nested["properties"]["a"]["properties"]["b"]["additionalProperties"] == (
        inner["additionalProperties"]
    )


def test_a_file_without_the_section(tmp_path: Path) -> None:
    """A file that has no such section is refused; the section can be the whole file."""
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"users": {"kind": "redis", "endpoints": "a:1"}}))
    with pytest.raises(InvalidConfig, match="no section"):
        read_services(path)
    assert [one.name for one in read_services(path, "")] == ["users"]


@pytest.mark.servers
async def test_real_servers(new_face: Callable[..., Any], redis_servers: list[RedisServer]) -> None:
    """A pool is opened from its config: a member for each server that answers, an error if none does."""
    addresses = [f"{server.host}:{server.port}" for server in redis_servers]
    redis_servers[2].kill()
    configs = {"two": addresses[:2], "part": addresses[1:], "none": addresses[2:]}
    face = new_face(
        new_face.open,  # type: ignore[attr-defined]
        [
            ServiceConfig(name=name, connector=RedisConfig(endpoints=endpoints))
            for name, endpoints in configs.items()
        ],
    )
    assert await face.set_and_get("part") == b"part"
    with pytest.raises(ExceptionGroup) as caught:
        await face.do("start")
    assert caught.group_contains(ConnectRefused)
    assert face.manager.started == ("part", "two")
    ready = {
        name: {one.name for one in (await face.do("get_pool", name)).members if one.ready}
        for name in ("part", "two")
    }
    assert ready == {"part": {addresses[1]}, "two": set(addresses[:2])}
    await face.do("stop")


def test_pools_that_are_made_later_are_observed(
    redis_servers: list[RedisServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With `[metrics] opentelemetry = true` a pool is exported from its first call on, as a database's if it is one."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    monkeypatch.setattr("connpool_runtime.metrics.otel.default_meter", lambda: meter)
    services = {
        name: {"kind": kind, "endpoints": [scheme + redis_servers[0].address]}
        for name, kind, scheme in (("cache", "redis", ""), ("files", "http", "http://"))
    }
    path = tmp_path / "services.json"
    path.write_text(json.dumps({"metrics": {"opentelemetry": True}, "services": services}))

    def names() -> set[tuple[str, str]]:
        data = reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return {
            (
                metric.name.removeprefix("connpool.client."),
                str(dict(point.attributes or {}).get(key)),
            )
            for metric in metrics
            for point in metric.data.data_points
            for key in point.attributes or {}
            if key.endswith("pool.name")
        }

    def build(config: ServiceConfig) -> Any:
        return open_pool(config) if config.name == "cache" else Pool[Any](config.name)

    with Manager.from_file(path, build) as manager:
        assert names() == set()
        manager.execute("cache", lambda client: client.ping())
        manager.get_pool("files")
        found = names()
    assert {("calls", "cache"), ("member.count", "files")} <= found
    assert ("db.client.connection.max", "cache") in found
    assert ("db.client.connection.max", "files") not in found
