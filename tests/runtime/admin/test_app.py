"""What the admin application tells and does."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Mount

from connpool_runtime import AsyncPool, NoMemberForRoute, Pool, Registry
from connpool_runtime.admin import admin_app
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.manager import Manager, ServiceConfig
from connpool_runtime.manager.async_manager import AsyncManager
from connpool_runtime.middleware import Retry
from tests.runtime.admin.pools import GET, TOKEN, Shop, break_member, served, shop_pool
from tests.waiting import eventually


@pytest.fixture
def pool() -> Pool[Shop]:
    return shop_pool()


@pytest.fixture
def admin(pool: Pool[Shop]) -> Iterator[httpx.Client]:
    with served({"shop": pool}) as (_, client):
        yield client


@pytest.fixture(scope="module")
def unchanged() -> Iterator[httpx.Client]:
    """An admin of a pool that no test changes."""
    with served({"shop": shop_pool()}, writes_per_second=1e6) as (_, client):
        yield client


def test_stats_are_in_the_form_of_the_schema(pool: Pool[Shop], admin: httpx.Client) -> None:
    """`/stats` is valid by the published schema, which allows no field to be missing, and tells the numbers."""
    pool.register_middleware(Retry())
    for _ in range(4):
        pool.call(GET)
    break_member(pool, "m1")
    document = admin.get("/stats").json()
    schema = admin.get("/schema/stats.json").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    shop = document["services"]["shop"]
    method = schema["$defs"]["method"]["properties"]
    assert set(shop["methods"][0]) == set(method)
    assert set(shop["members"][0]) == set(schema["$defs"]["member"]["properties"])
    assert set(shop) == set(schema["$defs"]["service"]["properties"])
    states = {member["name"]: member["state"] for member in shop["members"]}
    assert states == {"m0": "closed", "m1": "open", "m2": "closed"}
    assert shop["methods"][0]["successes"] >= 4
    assert shop["methods"][0]["latency"]["p50"] < shop["methods"][0]["latency"]["p99"]
    assert shop["middleware"]


def test_stats_of_one_service(pool: Pool[Shop]) -> None:
    """`?service=` tells of one service; of a name that there is not it says which is nearest."""
    with served({"shop": pool, "other": shop_pool(1, "other")}) as (_, admin):
        assert list(admin.get("/stats?service=shop").json()["services"]) == ["shop"]
        answer = admin.get("/stats?service=shpo")
        assert answer.status_code == 404
        assert "'shop'" in answer.json()["detail"]


def test_metrics_are_openmetrics(pool: Pool[Shop], admin: httpx.Client) -> None:
    """A scraper that accepts OpenMetrics gets it, with each service as the pool; others get the old form."""
    pool.call(GET)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = admin.get("/metrics", headers=accept)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    samples = {
        (sample.name, sample.labels.get("outcome"), sample.labels["pool"]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if "pool" in sample.labels
    }
    assert samples["connpool_calls_total", "success", "shop"] == 1
    assert admin.get("/metrics").headers["Content-Type"].startswith("text/plain")


def test_without_prometheus_metrics_say_what_is_missing() -> None:
    """Where prometheus-client is not installed, `/metrics` says what to install, and all else works."""
    program = """
import sys
sys.modules["prometheus_client"] = None
from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin
import json, urllib.request, urllib.error
with serve_admin({"shop": Pool("shop")}) as server:
    urllib.request.urlopen(server.url + "/stats").read()
    try:
        urllib.request.urlopen(server.url + "/metrics")
    except urllib.error.HTTPError as error:
        print(error.code, json.loads(error.read())["detail"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("501 ")
    assert 'pip install "connpool-runtime[prometheus]"' in done.stdout


def test_health(pool: Pool[Shop], admin: httpx.Client) -> None:
    """A process is ready while each service has a member to call, and says why it is not; alive it stays."""
    assert admin.get("/health").json() == {"status": "ok", "reasons": []}
    pool.eject("m0")
    degraded = admin.get("/health/ready")
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    assert degraded.json()["reasons"] == ["service 'shop': 2 of 3 members ready, 1 ejected by hand"]
    pool.eject("m1")
    pool.eject("m2")
    unready = admin.get("/health/ready")
    assert (unready.status_code, unready.json()["status"]) == (503, "unavailable")
    assert admin.get("/health").status_code == 503
    assert admin.get("/health/live").status_code == 200


def test_health_of_what_is_required(pool: Pool[Shop]) -> None:
    """Only services that are required make a process unready; one of them without a pool does."""
    other = shop_pool(1, "other")
    other.eject("m0")
    with served({"shop": pool, "other": other}, required=["shop"]) as (_, admin):
        assert admin.get("/health/ready").status_code == 200
    with served({"shop": pool}, required=["shop", "users"]) as (_, admin):
        answer = admin.get("/health/ready")
        assert (answer.status_code, answer.json()["reasons"]) == (
            503,
            ["service 'users': it has no pool"],
        )


def test_eject_and_uneject(pool: Pool[Shop], admin: httpx.Client) -> None:
    """A member that is ejected gets no calls until it is let back; of one service its name may be left out."""
    assert admin.post("/eject", json={"member": "m0"}).json() == {
        "done": "ejected",
        "service": "shop",
        "member": "m0",
    }
    for _ in range(6):
        pool.call(GET)
    served_by = {member.name: member.served for member in pool.members}
    assert served_by == {"m0": 0, "m1": 3, "m2": 3}
    assert admin.get("/stats").json()["services"]["shop"]["members"][0]["ejected"] is True
    assert admin.post("/uneject", json={"service": "shop", "member": "m0"}).status_code == 200
    for _ in range(3):
        pool.call(GET)
    assert pool.members[0].served == 1


def test_weight() -> None:
    """A weight changes the shares at once; one that the balancer does not know is refused with the reason."""
    pool = shop_pool(2, balancer="weighted_round_robin")
    with served({"shop": pool}) as (_, admin):
        answer = admin.post("/weight", json={"member": "m0", "weight": 3}).json()
        assert (answer["before"], answer["weight"]) == (1, 3)
        for _ in range(8):
            pool.call(GET)
        assert [member.served for member in pool.members] == [6, 2]
        for wrong in (0, True, "3", None, 2.5):
            refused = admin.post("/weight", json={"member": "m0", "weight": wrong})
            assert refused.status_code == 422, wrong
        assert pool.members[0].weight == 3


def test_labels() -> None:
    """Labels are replaced as a whole, so that a failover can be told to a running process; other things are refused."""
    pool = shop_pool(2, default_route="primary")
    pool.set_labels("m0", {"role": "primary", "rack": "a"})
    pool.set_labels("m1", {"role": "replica"})
    with served({"shop": pool}) as (_, admin):
        answer = admin.post("/labels", json={"member": "m0", "labels": {"role": "replica"}}).json()
        before = {"role": "primary", "rack": "a"}
        assert (answer["done"], answer["before"]) == ("labelled", before)
        assert answer["labels"] == dict(pool.members[0].labels) == {"role": "replica"}
        with pytest.raises(NoMemberForRoute):
            pool.call(GET)
        admin.post("/labels", json={"member": "m1", "labels": {"role": "primary"}})
        pool.call(GET)
        assert [member.served for member in pool.members] == [0, 1]
        for wrong in ({"role": 1}, {"": "x"}, ["role"], "role", 1, True):
            refused = admin.post("/labels", json={"member": "m1", "labels": wrong})
            assert refused.status_code == 422, wrong
        assert admin.post("/labels", json={"member": "m1"}).status_code == 422
        assert dict(pool.members[1].labels) == {"role": "primary"}
        assert admin.post("/labels", json={"member": "m1", "labels": {}}).json()["labels"] == {}
        assert dict(pool.members[1].labels) == {}


def test_drain(pool: Pool[Shop], admin: httpx.Client) -> None:
    """A drained member gets no new calls at once, and leaves when its last call has ended."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_client: Shop) -> None:
        begun.set()
        go_on.wait(20)

    pool.eject("m1")
    pool.eject("m2")
    caller = threading.Thread(target=pool.execute, args=(wait,))
    caller.start()
    begun.wait(20)
    assert admin.post("/drain", json={"member": "m0"}).json()["in_flight"] == 1
    assert eventually(lambda: pool.members[0].leaving)
    again = admin.post("/drain", json={"member": "m0"})
    assert (again.status_code, "leaving already" in again.text) == (409, True)
    go_on.set()
    caller.join()
    assert eventually(lambda: [member.name for member in pool.members] == ["m1", "m2"])
    waited = admin.post("/drain", json={"member": "m1", "wait": True, "timeout": 5})
    assert waited.json()["done"] == "drained"
    assert [member.name for member in pool.members] == ["m2"]


def test_metrics_only(pool: Pool[Shop], admin: httpx.Client) -> None:
    """Breakers that only count let calls through though they are open, and cut off again when told so."""
    break_member(pool, "m0")
    pool.members[0].client.broken = False
    for _ in range(4):
        pool.call(GET)
    assert pool.members[0].served == 0
    assert admin.post("/metrics-only", json={"on": True}).status_code == 200
    for _ in range(6):
        pool.call(GET)
    assert pool.members[0].served == 2
    assert admin.get("/stats").json()["services"]["shop"]["metrics_only"] is True
    admin.post("/metrics-only", json={"on": False})
    for _ in range(6):
        pool.call(GET)
    assert pool.members[0].served == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/eject", {"service": "shpo", "member": "m0"}, 404, "did you mean 'shop'"),
        ("/eject", {"service": "shop", "member": "m9"}, 404, "has no member 'm9'"),
        ("/eject", {}, 422, "`member`"),
        ("/eject", {"service": 3, "member": "m0"}, 422, "`service`"),
        ("/drain", {"member": "m0", "timeout": -1}, 422, "from 0 to 3600"),
        ("/drain", {"member": "m0", "timeout": "1"}, 422, "number of seconds"),
        ("/drain", {"member": "m0", "wait": 1}, 422, "`wait`"),
        ("/metrics-only", {"on": 1}, 422, "`on`"),
        ("/reload", {}, 404, "no config to reload"),
        ("/nothing", {}, 404, "docs/admin.md"),
    ],
)
def test_mistakes_are_explained(
    unchanged: httpx.Client, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    """What cannot be done is refused with the status of its kind and a sentence that says why."""
    answer = unchanged.post(path, json=body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "application/problem+json",
    )
    assert said in answer.json()["detail"]


def test_what_is_no_object_is_refused(unchanged: httpx.Client) -> None:
    """A body that is no JSON, or no object, is refused, however deep it is."""
    headers = {"Content-Type": "application/json"}
    for text, status in (("{", 400), ("[]", 422), ("[" * 10_000, 400), ("3", 422)):
        assert unchanged.post("/eject", content=text, headers=headers).status_code == status


@dataclass(frozen=True)
class Result:
    applied: bool
    version: int = 2
    changes: tuple[str, ...] = ("shop: max_fails 1 -> 2",)
    errors: tuple[str, ...] = ()


class Configured(Manager[Any]):
    """A manager that has a config."""

    result = Result(applied=True)

    def shown_config(self) -> dict[str, Any]:
        return {"services": {"shop": {"password": "***"}}}

    def reload(self) -> Result:
        return self.result


def test_reload_and_config() -> None:
    """A manager with a config shows it and reloads it; a reload that was refused is an error with the reasons."""
    with served(Configured(lambda _: Pool("x"))) as (_, admin):
        assert admin.get("/config").json()["services"]["shop"] == {"password": "***"}
        assert admin.post("/reload", json={}).json()["changes"] == ["shop: max_fails 1 -> 2"]
        Configured.result = Result(applied=False, errors=("shop: nonsense",))
        answer = admin.post("/reload", json={})
        assert (answer.status_code, answer.json()["errors"]) == (422, ["shop: nonsense"])
    with served(Registry[Any]()) as (_, admin):
        assert admin.get("/config").status_code == 404


def test_pools_of_a_manager_appear_when_they_are_made() -> None:
    """A manager's services are known from the start, and their numbers are told once they have a pool."""
    services = [
        ServiceConfig(name=name, connector=RedisConfig(endpoints="x:1")) for name in ("a", "b")
    ]
    manager: Manager[Pool[Shop]] = Manager(lambda service: shop_pool(1, service.name), services)
    with served(manager) as (_, admin):
        assert admin.get("/stats").json()["process"]["services"] == ["a", "b"]
        assert admin.get("/stats").json()["services"] == {}
        assert "yet" in admin.post("/eject", json={"service": "a", "member": "m0"}).json()["detail"]
        manager.get_pool("a")
        assert list(admin.get("/stats").json()["services"]) == ["a"]
        manager.stop()
        assert admin.get("/health/ready").json()["reasons"] == ["the manager was stopped"]


def test_a_registry_is_a_target() -> None:
    """The pools of a registry are shown; what else it holds is not."""
    registry: Registry[Any] = Registry()
    registry.add("shop", shop_pool())
    registry.add("file", Path(__file__).open())  # noqa: SIM115  # the registry closes it
    with served(registry) as (_, admin):
        assert list(admin.get("/stats").json()["services"]) == ["shop"]
        registry.close()
        assert admin.get("/stats").json()["services"] == {}
        assert admin.get("/health/ready").status_code == 503


@pytest.mark.parametrize("target", [shop_pool(), 3, {"shop": 3}, None])
def test_what_is_no_target_is_refused(target: Any) -> None:
    """What is not a manager, a registry or a mapping of pools is refused at once."""
    with pytest.raises(TypeError, match=r"name|manager|wrapper"):
        admin_app(target)


class Async:
    async def get(self) -> int:
        return 1


async def test_asynchronous_pools_are_changed_on_their_loop() -> None:
    """What waits for an asynchronous pool does so on the loop that the pool belongs to, from a server's thread."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def close(_client: Async) -> None:
        loops.append(asyncio.get_running_loop())

    pool: AsyncPool[Async] = AsyncPool("shop", close=close)
    for name in "abc":
        pool.add_client(Async(), name)
    with served({"shop": pool}) as (_, admin):

        async def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return await asyncio.to_thread(admin.post, path, json=body)

        assert (await post("/eject", {"member": "a"})).status_code == 200
        assert (await post("/drain", {"member": "b", "wait": True})).json()["done"] == "drained"
        assert (await post("/drain", {"member": "c"})).status_code == 200
        while len(pool.members) > 1:  # noqa: ASYNC110  # a pool tells nobody
            await asyncio.sleep(0.005)
        # With the loop blocked the process is not alive any more, and says so.
        live = admin.get("/health/live")
        assert (live.status_code, "event loop" in live.text) == (503, True)
        assert loops == [asyncio.get_running_loop()] * 2
    await pool.close()


async def test_mounted_in_an_application() -> None:
    """Mounted in an application it works below its path, with asynchronous pools on the application's loop."""
    pool: AsyncPool[Async] = AsyncPool("shop")
    pool.add_client(Async(), "a")
    pool.add_client(Async(), "b")
    app = Starlette(routes=[Mount("/ops", admin_app({"shop": pool}, token=TOKEN))])
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/ops") as client:
        assert (await client.get("/health")).json()["status"] == "ok"
        assert "admin.js" in (await client.get("/")).text
        headers = {"Authorization": f"Bearer {TOKEN}"}
        body = {"member": "a", "wait": True}
        assert (await client.post("/drain", json=body, headers=headers)).status_code == 200
    assert [member.name for member in pool.members] == ["b"]


async def test_an_asynchronous_manager() -> None:
    """The pools of an asynchronous manager are shown and changed like any others."""
    services = [ServiceConfig(name="a", connector=RedisConfig(endpoints="x:1"))]

    def build(service: ServiceConfig) -> AsyncPool[Async]:
        pool: AsyncPool[Async] = AsyncPool(service.name)
        pool.add_client(Async(), "m")
        return pool

    async with AsyncManager(build, services) as manager:
        await manager.start()
        with served(manager) as (_, admin):
            answer = await asyncio.to_thread(admin.post, "/eject", json={"member": "m"})
            assert answer.status_code == 200
            assert not manager.health()["a"]


def test_the_schema_is_the_one_that_ships() -> None:
    """The schema is a file of the package."""
    text = (files("connpool_runtime.admin") / "stats.schema.json").read_text()
    assert json.loads(text)["properties"]["version"] == {"const": 1, "description": "Of this form."}
