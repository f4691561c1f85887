"""Each extra of connpool-runtime alone, in an environment that holds nothing else: one real use of each works."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from local_servers import (
    DnsServer,
    EtcdCluster,
    GreeterServer,
    HttpServer,
    MilvusServer,
    RedisServer,
)
from tests.packaging.environment import Environment, oldest
from tests.runtime.discovery.interfaces import Interface, json_answer
from tests.thorough import thorough

pytestmark = [pytest.mark.packaging, thorough]

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]

Server = Callable[[], AbstractContextManager[str]]

CONSUL = [
    {
        "Node": {"Node": "node-1", "Address": "10.0.0.1"},
        "Service": {"ID": "web-1", "Service": "web", "Address": "10.0.0.7", "Port": 80},
        "Checks": [{"Status": "passing"}],
    }
]
SLICE = {
    "metadata": {"name": "web-1", "resourceVersion": "1"},
    "addressType": "IPv4",
    "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.0.0.7"], "conditions": {"ready": True}}],
}
SLICES = {"metadata": {"resourceVersion": "1"}, "items": [SLICE]}


def at(server: Callable[[], Any], form: str = "{0.host}:{0.port}") -> Server:
    """Start a server and give its address."""

    @contextmanager
    def started() -> Iterator[str]:
        with server() as running:
            yield form.format(running)

    return started


def answering(content: object) -> Server:
    """An HTTP interface that gives one answer, as a registry does."""
    return at(lambda: Interface(lambda _request, _write: json_answer(content)), "{0.address}")


@contextmanager
def an_etcd() -> Iterator[str]:
    with EtcdCluster(1) as cluster:
        yield cluster.endpoints[0]


def call(connector: str, use: str) -> str:
    """A program that calls a server through a pool; `address` is the server's, `client` what was connected."""
    kind = "Async" if connector.startswith("Async") else ""
    lines = f"""
import asyncio, sys
from connpool_runtime import AsyncPool, Method, Pool
from connpool_runtime.connectors.{connector.removeprefix("Async").partition("Connector")[0].lower()} import *
address = sys.argv[1]
"""
    if not kind:
        return f"""{lines}
with Pool() as pool:
    pool.add_connector({connector})
    print(pool.call(Method("ask", lambda client, _: {use})))
"""
    return f"""{lines}
async def main():
    async with AsyncPool() as pool:
        await pool.add_connector({connector})
        async def ask(client, _):
            return await {use}
        print(await pool.call(Method("ask", ask)))
asyncio.run(main())
"""


def fetch(source: str) -> str:
    """A program that asks a source once, and prints the addresses."""
    return f"""
import sys
from connpool_runtime.discovery.kinds import source_of
address = sys.argv[1]
source = source_of({source})
print(*[endpoint.address for endpoint in source.fetch(20.0)])
source.close()
"""


def alone() -> AbstractContextManager[str]:
    """No server: the use needs none."""
    return nullcontext("")


# The server, the program, and what it prints.
USES: dict[str, tuple[Server, str, str]] = {
    "admin": (
        alone,
        """
import json
from urllib.request import urlopen
from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin
with serve_admin({"web": Pool("web")}) as server:
    print(*json.load(urlopen(server.url + "/stats"))["services"])
""",
        "web",
    ),
    "cli": (
        alone,
        """
import json, pathlib, subprocess, sys
from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin
ctl = [str(pathlib.Path(sys.executable).parent / "connpoolctl")]
with serve_admin({"web": Pool("web")}) as server:
    asked = subprocess.run([*ctl, "--url", server.url, "stats", "--format", "json"], capture_output=True, check=True)
print(*json.loads(asked.stdout)["services"])
""",
        "web",
    ),
    "consul": (answering(CONSUL), fetch('f"consul://{address}/web"'), "10.0.0.7:80"),
    "dns": (
        at(lambda: DnsServer("web.example.org. 60 A 10.0.0.7")),
        fetch('dict(kind="dns", name="web.example.org", port=80, nameservers=[address])'),
        "10.0.0.7:80",
    ),
    "etcd": (
        an_etcd,
        call("EtcdConnector(EtcdConfig(endpoints=address))", 'client.put("a", "b")'),
        "True",
    ),
    "etcd-aio": (
        an_etcd,
        call("AsyncEtcdConnector(EtcdConfig(endpoints=address))", 'client.kv.put("a", "b")'),
        "",
    ),
    "etcd-discovery": (an_etcd, fetch('f"etcd://{address}/web/"'), ""),
    "files": (
        alone,
        """
import threading, time
from pathlib import Path
from connpool_runtime.discovery.file_changes import FileChanges
file = Path("endpoints.json")
file.write_text("[]")
changes = FileChanges(str(file), interval=3600.0)  # without watchfiles nobody would look before that
before = changes.signature()
threading.Timer(0.3, lambda: file.write_text("[1]")).start()
print(changes.wait(before, 30.0))
""",
        "True",
    ),
    "grpc": (
        at(lambda: GreeterServer("a"), "{0.address}"),
        call(
            "GrpcConnector(GrpcConfig(endpoints=address))",
            'client.unary_unary("/greeter.Greeter/SayHello")(b"\\x0a\\x02ab")',
        ),
        "b'",
    ),
    "http": (
        at(lambda: HttpServer("hello"), "{0.address}"),
        call("HttpConnector(HttpConfig(endpoints=address))", 'client.get("/").text'),
        "hello",
    ),
    "kubernetes": (
        answering(SLICES),
        fetch(
            'dict(kind="kubernetes", service="web", namespace="shop", api_server=f"http://{address}", token="t")'
        ),
        "10.0.0.7:80",
    ),
    "limits": (
        alone,
        """
from connpool_runtime import Method, Pool, RateLimited
from connpool_runtime.middleware.shared_rate_limit import SharedRateLimit
with Pool() as pool:
    pool.add_client("a")
    pool.register_middleware(SharedRateLimit("1/hour", "memory://"))
    ask = Method("ask", lambda client, _: client)
    print(pool.call(ask))
    try:
        pool.call(ask)
    except RateLimited:
        print("limited")
""",
        "a\nlimited",
    ),
    "milvus": (
        at(MilvusServer),
        call("MilvusConnector(MilvusConfig(endpoints=address))", "client.list_collections()"),
        "[]",
    ),
    "otel": (
        alone,
        """
from connpool_runtime import Method, Pool
from connpool_runtime.metrics.otel import observe
from connpool_runtime.middleware.tracing import Tracing
with Pool() as pool:
    pool.add_client("a")
    pool.register_middleware(Tracing())
    observe(pool)
    print(pool.call(Method("ask", lambda client, _: client)))
""",
        "a",
    ),
    "otel-sdk": (
        alone,
        """
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from connpool_runtime import Method, Pool
from connpool_runtime.metrics.otel import observe
from connpool_runtime.metrics.otel_histograms import HistogramExporter
import io
out = io.StringIO()
provider = MeterProvider([PeriodicExportingMetricReader(HistogramExporter(ConsoleMetricExporter(out=out)))])
set_meter_provider(provider)
with Pool() as pool:
    pool.add_client("a")
    observe(pool)
    pool.call(Method("ask", lambda client, _: client))
    provider.force_flush()
provider.shutdown()
print("explicit_bounds" in out.getvalue())
""",
        "True",
    ),
    "prometheus": (
        alone,
        """
from prometheus_client import REGISTRY, generate_latest
from connpool_runtime import Pool
from connpool_runtime.metrics.prometheus import PoolCollector
with Pool("web") as pool:
    pool.add_client("a", name="a")
    PoolCollector(pool, registry=REGISTRY)
    print('connpool_trips_total{member="a",pool="web"}' in generate_latest().decode())
""",
        "True",
    ),
    "redis": (
        at(RedisServer),
        call("RedisConnector(RedisConfig(endpoints=address))", 'client.set("a", "b")'),
        "True",
    ),
    "yaml": (
        alone,
        """
from pathlib import Path
from connpool_runtime.config.loading import read_config
Path("it.yaml").write_text("services: {web: {kind: http, endpoints: 'http://10.0.0.7'}}")
print(*read_config("it.yaml").services)
""",
        "web",
    ),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime, as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT / "runtime")], check=True, stdout=subprocess.DEVNULL)
    [made] = folder.glob("*.whl")
    return made


@pytest.mark.parametrize("lowest", [False, True], ids=["newest", "lowest"])
@pytest.mark.parametrize("extra", USES)
def test_an_extra_is_enough(extra: str, lowest: bool, wheel: Path, tmp_path: Path) -> None:
    """With one extra installed and nothing else, what it is for works; also with the oldest libraries that it allows."""
    server, program, printed = USES[extra]
    environment = Environment(tmp_path / "venv")
    pins = [oldest(requirement) for requirement in EXTRAS[extra]] if lowest else []
    environment.install(f"{wheel}[{extra}]", *pins)
    with ExitStack() as stack:
        address = stack.enter_context(server())
        said = environment.run("python", "-W", "error", "-c", program, address, folder=tmp_path)
    assert said.strip().startswith(printed)


def test_every_extra_is_used() -> None:
    """No extra is published that nothing here was installed and used with."""
    assert USES.keys() == EXTRAS.keys(), json.dumps(sorted(USES.keys() ^ EXTRAS.keys()))
