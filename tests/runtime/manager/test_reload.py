"""A config that is read again while its services are used, for threads and for tasks."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.registry import CollectorRegistry

from connpool_runtime import NotFound, RateLimited
from connpool_runtime.config import ServiceConfig
from connpool_runtime.metrics.config_reloads import ConfigCollector
from connpool_runtime.middleware import Retry
from local_servers import RedisServer
from tests.runtime.faces import Client, until
from tests.runtime.manager.reloading import Tasks, Threads, cut_in_half, write

pytestmark = pytest.mark.servers


@pytest.fixture(params=[Threads, Tasks], ids=lambda face: face.kind)
def face(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "services.json"


def redis(*servers: RedisServer, **more: Any) -> dict[str, Any]:
    addresses = [server.address for server in servers]
    return {"kind": "redis", "endpoints": addresses, **more}


@asynccontextmanager
async def managed(face: Any, path: Path, **options: Any) -> AsyncIterator[Any]:
    manager = face.manager(path, **options)
    try:
        yield manager
    finally:
        await face.do(manager.stop)


def names(pool: Any) -> set[str]:
    return {member.name for member in pool.members if not member.leaving}


async def test_what_may_change_in_place_does(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """Options and middleware change in the same pool, on the same members, and the result says what in sentences."""
    first = {"max_fails": 3, "checkout_timeout": "1s", "max_concurrency": 2}
    retry, limit = {"attempts": 2}, {"limit": 7}
    users = redis(*redis_servers, pool=first, middleware={"retry": retry, "bulkhead": limit})
    write(path, services={"users": users})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        members, before = pool.members, dict(pool.named_middleware)
        second = {"max_fails": 9, "balancer": "least_request", "max_concurrency": 5}
        users = redis(*redis_servers, pool=second, middleware={"retry": retry, "deadline": True})
        write(path, services={"users": users})
        result = await face.do(manager.reload)
        assert (result.applied, result.version, result.errors) == (True, 2, ())
        assert result.changes == (
            "users.pool.max_fails is 9, was 3",
            "users.pool.balancer is 'least_request', was 'round_robin'",
            "users.pool.max_concurrency is 5, was 2",
            "users.pool.checkout_timeout is 5.0, was 1.0",
            "users.middleware.deadline is added",
            "users.middleware.bulkhead is removed",
        )
        assert await face.do(manager.get_pool, "users") is pool
        assert pool.members == members
        assert pool.settings.max_fails == 9
        assert {member.limit for member in pool.members} == {5}
        assert set(pool.named_middleware) == {"deadline", "retry"}
        assert pool.named_middleware["retry"] is before["retry"], "what did not change goes on"
        assert await face.do(manager.execute, "users", lambda client: client.ping())
        again = await face.do(manager.reload)
        assert (again.applied, again.version, again.changes) == (True, 2, ())


async def test_endpoints_come_and_go_in_place(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """New endpoints join the pool that there is, those that vanish drain, and who stays keeps its client."""
    a, b, c = redis_servers
    write(path, services={"users": redis(a, b)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        kept = next(member.client for member in pool.members if member.name == b.address)
        write(path, services={"users": redis(b, c)})
        result = await face.do(manager.reload)
        assert result.changes == (
            f"users.endpoints: {c.address} added",
            f"users.endpoints: {a.address} removed",
        )
        assert names(pool) == {b.address, c.address}
        assert kept in pool.clients
        await until(lambda: a.address not in {member.name for member in pool.members})


async def test_labels_change_in_place(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """A failover is a change of labels: calls go by it at once, and the clients stay; a slip changes nothing."""
    a, b, c = redis_servers
    pool_options = {"default_route": "primary"}

    def told(primary: RedisServer) -> dict[str, Any]:
        labels = {"role": "replica", primary.address: {"role": "primary"}}
        return redis(a, b, c, labels=labels, pool=pool_options)

    def labels_of(pool: Any) -> dict[str, str]:
        return {member.name: member.labels["role"] for member in pool.members}

    write(path, services={"users": told(a)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        members = pool.members
        assert labels_of(pool) == {a.address: "primary", b.address: "replica", c.address: "replica"}
        write(path, services={"users": told(b)})
        result = await face.do(manager.reload)
        assert result.applied
        assert "users.labels is " in result.changes[0]
        assert labels_of(pool) == {a.address: "replica", b.address: "primary", c.address: "replica"}
        assert pool.members == members
        execute = manager.execute
        told_port = await face.do(execute, "users", lambda client: client.config_get("port"))
        assert told_port == {"port": str(b.port)}
        write(path, services={"users": {**told(b), "labels": {"1.1.1.1:1": {"role": "primary"}}}})
        result = await face.do(manager.reload)
        assert not result.applied
        assert "labels by name, or by endpoint" in str(result.errors)


async def test_clients_are_opened_anew_under_their_names(
    face: Any, path: Path, redis_servers: list[RedisServer], tmp_path: Path
) -> None:
    """A field that clients are opened by gives each member a new client; one that cannot connect changes nothing."""
    write(path, services={"users": redis(*redis_servers)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        before = pool.clients
        write(path, services={"users": redis(*redis_servers, database=3)})
        result = await face.do(manager.reload)
        assert result.changes == ("users.database is 3, was 0",)
        assert names(pool) == {server.address for server in redis_servers}
        await until(lambda: not set(map(id, before)) & set(map(id, pool.clients)))
        write(
            path,
            services={
                "users": redis(
                    *redis_servers, database=3, username="nobody", password="wrong-secret"
                )
            },
        )
        result = await face.do(manager.reload)
        assert result.applied
        assert result.outcome == "partial"
        assert "users: " in result.errors[0]
        assert "it goes on as it was" in result.errors[0]
        shown = manager.shown_config()["services"]["users"]
        assert shown["database"]["value"] == 3
        assert shown["password"]["from"] == "default", "what is shown is what is in use"
        assert "wrong-secret" not in str(result)
        assert manager.config("users").connector.password is None
        assert await face.do(manager.execute, "users", lambda client: client.ping())


async def test_services_appear_and_vanish(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """A service that appears can be called at once; one that vanishes is closed, and unknown from then on."""
    a, b, _ = redis_servers
    write(path, services={"users": redis(a)})
    async with managed(face, path) as manager:
        await face.do(manager.start)
        old = await face.do(manager.get_pool, "users")
        write(path, services={"orders": redis(b)})
        result = await face.do(manager.reload)
        assert result.changes == ("orders is added", "users is removed, and drains")
        assert manager.services == ("orders",)
        assert manager.started == ("orders",), "as the others were, since all were started"
        with pytest.raises(NotFound):
            await face.do(manager.get_pool, "users")
        await until(lambda: old.closed)


async def test_an_invalid_file_keeps_the_old(
    face: Any,
    path: Path,
    redis_servers: list[RedisServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Errors of a file change nothing, and are in the result, the log, the numbers and the metrics."""
    good = {"users": redis(*redis_servers, pool={"max_fails": 3})}
    write(path, services=good)
    async with managed(face, path) as manager:
        registry = CollectorRegistry()
        ConfigCollector(manager, registry=registry)

        def number(name: str, **labels: str) -> float | None:
            labels = {"manager": "manager", **labels}
            return registry.get_sample_value(f"connpool_config_{name}", labels)

        pool = await face.do(manager.get_pool, "users")
        bad = redis(*redis_servers, pool={"max_fail": 3, "cooldown": "soon"}, password="geheim")
        write(path, services={"users": bad})
        with caplog.at_level(logging.ERROR, "connpool_runtime"):
            result = await face.do(manager.reload)
        assert (result.applied, result.version, len(result.errors)) == (False, 1, 2)
        assert "services.users.pool.max_fail" in result.errors[0]
        assert f"{path}:" in result.errors[0]
        assert "the old config is kept" in caplog.text
        assert "services.users.pool.cooldown" in caplog.text
        assert "geheim" not in caplog.text
        assert manager.reloads.errors == result.errors
        assert number("last_reload_success") == 0
        assert number("reloads_total", result="failure") == 1
        assert pool.settings.max_fails == 3
        path.unlink()  # noqa: ASYNC240
        missing = await face.do(manager.reload)
        assert not missing.applied
        assert "cannot be read" in missing.errors[0]
        write(path, services=good)
        assert (await face.do(manager.reload)).applied
        assert number("last_reload_success") == 1
        assert number("version") == 1
        assert await face.do(manager.get_pool, "users") is pool


async def test_a_pool_that_only_its_builder_can_fill_is_built_anew(face: Any, path: Path) -> None:
    """With clients that a `build` opens by itself the service gets a new pool, and the old one drains."""
    write(path, services={"users": {"kind": "custom", "endpoints": ["a:1"]}})
    async with managed(face, path, build=face.custom) as manager:
        old = await face.do(manager.get_pool, "users")
        write(path, services={"users": {"kind": "custom", "endpoints": ["a:1", "b:2"]}})
        result = await face.do(manager.reload)
        assert result.changes == ("users.endpoints: b:2 added",)
        new = await face.do(manager.get_pool, "users")
        assert new is not old
        assert names(new) == {"a:1", "b:2"}
        await until(lambda: old.closed)


async def test_discovery_changes_in_place(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """Weights change on the members that there are, another source takes over, a silent one changes nothing."""
    a, b, c = (server.address for server in redis_servers)

    def service(discovery: Any, **more: Any) -> dict[str, Any]:
        options = {"balancer": "weighted_round_robin"}
        return {"users": {"kind": "redis", "pool": options, "discovery": discovery, **more}}

    def static(**weights: int) -> dict[str, Any]:
        endpoints = [
            {"id": name, "address": {"a": a, "b": b, "c": c}[name], "weight": weight}
            for name, weight in weights.items()
        ]
        return {"kind": "static", "endpoints": endpoints}

    write(path, services=service(static(a=1, b=1)))
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        await until(lambda: names(pool) == {"a", "b"})
        clients = set(map(id, pool.clients))
        write(path, services=service(static(a=5, b=1)))
        result = await face.do(manager.reload)
        assert result.changes == ("users.discovery.endpoints: a changed",)
        await until(lambda: {one.name: one.weight for one in pool.members} == {"a": 5, "b": 1})
        assert set(map(id, pool.clients)) == clients
        other = path.with_name("endpoints.json")
        write(other, endpoints=[b, c])
        write(path, services=service({"kind": "file", "path": str(other), "settle": 0}))
        assert (await face.do(manager.reload)).outcome == "success"
        await until(lambda: names(pool) == {b, c})
        silent = {"kind": "file", "path": str(other) + ".toml"}
        write(path, services=service(silent))
        result = await face.do(manager.reload)
        assert result.outcome == "partial"
        assert names(pool) == {b, c}
        database = service({"kind": "file", "path": str(other), "settle": 0}, database=2)
        write(path, services=database)
        before = pool.clients
        assert (await face.do(manager.reload)).changes == ("users.database is 2, was 0",)
        await until(lambda: not set(map(id, before)) & set(map(id, pool.clients)))
        assert names(pool) == {b, c}


async def test_labels_of_discovered_members_change_in_place(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """Those of the source go before those that the config gives all members, also when only these change."""
    a, b, _ = (server.address for server in redis_servers)

    def service(role: str, rack: str) -> dict[str, Any]:
        endpoints = [{"address": a, "metadata": {"role": role}}, {"address": b}]
        discovery = {"kind": "static", "endpoints": endpoints}
        labels = {"role": "replica", "rack": rack}
        return {"users": {"kind": "redis", "labels": labels, "discovery": discovery}}

    def labels_of(pool: Any) -> dict[str, dict[str, str]]:
        return {member.name: dict(member.labels) for member in pool.members}

    write(path, services=service("primary", "x"))
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        for role, rack in (("primary", "x"), ("primary", "y"), ("replica", "y")):
            write(path, services=service(role, rack))
            await face.do(manager.reload)
            wanted = {a: {"role": role, "rack": rack}, b: {"role": "replica", "rack": rack}}
            await until(lambda wanted=wanted: labels_of(pool) == wanted)  # type: ignore[misc]


async def test_the_file_is_watched(face: Any, path: Path, redis_servers: list[RedisServer]) -> None:
    """A change of the file is taken over by itself, one that is half written only when it is whole."""
    write(path, reload={"settle": 0.05}, services={"users": redis(*redis_servers)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        watch = manager.watch()
        assert manager.watch() is watch
        write(path, services={"users": redis(*redis_servers, pool={"max_fails": 8})})
        await until(lambda: pool.settings.max_fails == 8)
        cut_in_half(path)
        await until(lambda: manager.reloads.failures == 1)
        assert pool.settings.max_fails == 8
        write(path, services={"users": redis(*redis_servers, pool={"max_fails": 4})})
        await until(lambda: pool.settings.max_fails == 4)
        await face.do(watch.close)


async def test_a_change_before_the_watch_began_is_taken_over(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """A program that reads its config, builds pools and then begins to watch misses nothing in between, nor between two watches."""
    write(path, services={"users": redis(*redis_servers)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        for most in (8, 4):
            write(path, services={"users": redis(*redis_servers, pool={"max_fails": most})})
            watch = manager.watch()
            await until(lambda most=most: pool.settings.max_fails == most)  # type: ignore[misc]
            await face.do(watch.close)


async def test_middleware_of_ones_own_stays_and_roles_are_not_doubled(
    face: Any, path: Path, redis_servers: list[RedisServer]
) -> None:
    """What was registered by hand stays around the calls; a role that is taken so cannot come from the file."""
    write(path, services={"users": redis(*redis_servers)})
    async with managed(face, path) as manager:
        pool = await face.do(manager.get_pool, "users")
        mine = Retry(attempts=2)
        pool.register_middleware(mine)
        write(path, services={"users": redis(*redis_servers, middleware={"deadline": True})})
        assert (await face.do(manager.reload)).outcome == "success"
        assert await face.do(manager.execute, "users", lambda client: client.ping())
        write(path, services={"users": redis(*redis_servers, middleware={"retry": True})})
        result = await face.do(manager.reload)
        assert result.outcome == "partial"
        assert "a pool has one middleware of the role" in result.errors[0]
        assert list(pool.named_middleware) == ["deadline"]


async def test_middleware_with_other_numbers_counts_on(face: Any, path: Path) -> None:
    """A limit that changes holds at once, and the refusals that were counted before stay counted."""

    def config(rate: float) -> dict[str, Any]:
        limit = {"rate": rate, "burst": 1}
        return {"kind": "custom", "endpoints": "a:1", "middleware": {"rate_limit": limit}}

    async def ask(pool: Any) -> Any:
        call = {"threads": Client.get, "tasks": Client.aget}[face.kind]
        return await face.do(pool.execute, call)

    def refused(pool: Any) -> float:
        return sum(one.value for one in pool.stats().middleware if one.name == "rejections")

    write(path, services={"users": config(0.001)})
    async with managed(face, path, build=face.custom) as manager:
        pool = await face.do(manager.get_pool, "users")
        assert await ask(pool) == "a:1"
        with pytest.raises(RateLimited):
            await ask(pool)
        assert refused(pool) == 1
        write(path, services={"users": config(100_000)})
        changes = (await face.do(manager.reload)).changes
        assert changes == ("users.middleware.rate_limit.rate is 100000, was 0.001",)
        assert [await ask(pool), await ask(pool)] == ["a:1", "a:1"]
        assert refused(pool) == 1


async def test_a_pool_that_was_being_built_catches_up(face: Any, path: Path) -> None:
    """Who builds a pool while its config is replaced gets one that goes by the new config."""
    began, go = threading.Event(), threading.Event()
    users = {"kind": "custom", "endpoints": "a:1"}
    write(path, services={"users": users})
    async with managed(face, path, build=face.slowly(began, go)) as manager:
        building = asyncio.create_task(face.do(manager.get_pool, "users"))
        await until(began.is_set)
        write(path, services={"users": {**users, "pool": {"max_fails": 8}}})
        assert (await face.do(manager.reload)).outcome == "success"
        go.set()
        pool = await building
        assert pool.settings.max_fails == 8
        assert await face.do(manager.get_pool, "users") is pool


async def test_a_pool_that_is_drained_during_a_reload_keeps_no_old_config(
    face: Any, path: Path
) -> None:
    """A service whose pool is drained while a reload changes it goes by the new config, as all others do."""
    began, go = threading.Event(), threading.Event()
    users = {"kind": "custom", "endpoints": ["a:1"]}
    write(path, services={"users": users})
    go.set()
    async with managed(face, path, build=face.slowly(began, go)) as manager:
        await face.do(manager.get_pool, "users")
        began.clear()
        go.clear()
        write(path, services={"users": {**users, "endpoints": ["b:2"], "pool": {"max_fails": 8}}})
        reloading = asyncio.create_task(face.do(manager.reload))
        await until(began.is_set)
        await face.do(manager.drain, "users")
        go.set()
        result = await reloading
        assert (result.outcome, result.errors) == ("success", ())
        pool = await face.do(manager.get_pool, "users")
        assert (names(pool), pool.settings.max_fails) == ({"b:2"}, 8)


async def test_reloads_are_made_one_after_the_other(face: Any, path: Path) -> None:
    """Reloads that are asked for at the same time do not mix: each is one version, or finds nothing new."""
    users = {"kind": "custom", "endpoints": "a:1"}
    write(path, services={"users": users})
    async with managed(face, path, build=face.custom) as manager:
        await face.do(manager.get_pool, "users")
        write(path, services={"users": {**users, "pool": {"max_fails": 8}}})
        results = await asyncio.gather(*(face.do(manager.reload) for _ in range(8)))
        assert sorted(len(result.changes) for result in results) == [0] * 7 + [1]
        assert {result.version for result in results} == {2}
        assert manager.reloads.successes == 8


async def test_a_manager_shows_the_config_in_use(
    face: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values have their origins, secrets are masked, and services that a program defined are there too."""
    monkeypatch.setenv("PASSWORD", "geheim")
    fields = {"kind": "redis", "endpoints": "a:1", "pool": {"max_fails": 8}}
    write(path, services={"users": {**fields, "password": "env:PASSWORD"}})
    async with managed(face, path) as manager:
        discovery = {"kind": "consul", "service": "x", "token": "geheim"}
        own = {"kind": "redis", "password": "geheim", "discovery": discovery}
        manager.define(ServiceConfig.from_mapping("own", own))
        shown = manager.shown_config()
        assert (shown["file"], shown["version"]) == (str(path), 1)
        users, defined = shown["services"]["users"], shown["services"]["own"]
        assert users["pool"]["max_fails"] == {"value": 8, "from": f"{path}:7"}
        assert users["password"]["value"] == "env:PASSWORD"
        assert users["pool"]["cooldown"] == {"value": 5.0, "from": "default"}
        assert defined["password"] == {"value": "***", "from": "program"}
        assert defined["discovery"]["token"] == {"value": "***", "from": "program"}
        assert "geheim" not in json.dumps(shown, allow_nan=False)
        write(path, services={"users": {**fields, "pool": {"max_fails": 9}}})
        await face.do(manager.reload)
        shown = manager.shown_config()
        assert shown["version"] == 2
        assert shown["services"]["users"]["pool"]["max_fails"]["value"] == 9
        assert manager.services == ("own", "users"), "a reload leaves what a program defined"


async def test_a_manager_without_a_file_has_nothing_to_reload(face: Any, path: Path) -> None:
    """Then `reload` says so, and `watch` refuses."""
    manager = face.manager_class(face.open, name="by hand")
    result = await face.do(manager.reload)
    assert (result.applied, result.version) == (False, 1)
    assert "'by hand' was not made from a file" in result.errors[0]
    with pytest.raises(ValueError, match="not made from a file"):
        manager.watch()
    await face.do(manager.stop)


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None])
async def test_a_signal_reloads(
    face: Any, path: Path, redis_servers: list[RedisServer], before: Any
) -> None:
    """SIGHUP has the config read again, until the old handling is put back, which may be that of `nohup`."""
    write(path, services={"users": redis(*redis_servers)})
    outside = signal.signal(signal.SIGHUP, before)
    async with managed(face, path) as manager:
        restore = manager.reload_on_signal()
        write(path, services={"users": redis(*redis_servers, pool={"max_fails": 8})})
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: manager.reloads.successes == 1)
        assert manager.config("users").options == {"max_fails": 8}
        restore()
    assert signal.signal(signal.SIGHUP, outside) == before
