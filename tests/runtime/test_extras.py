"""A library that an integration needs and that is not installed."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from connpool_runtime._extras import extra, need

PROJECT = Path(__file__).parents[2] / "runtime" / "pyproject.toml"

# What a program writes that uses an extra; each is to say what is missing as soon as it says what it wants.
USES = {
    "admin": ["from connpool_runtime.admin import serve_admin"],
    "cli": ["from connpool_runtime.ctl.__main__ import main; main()"],
    "consul": [
        "from connpool_runtime.discovery.kinds import source_of; source_of('consul://h:1/web')",
        "from connpool_runtime.discovery.kinds import async_source_of; async_source_of('consul://h:1/web')",
    ],
    "dns": [
        "from connpool_runtime.discovery.kinds import source_of; source_of('dns://web.example.org:80')",
        "from connpool_runtime.discovery.kinds import async_source_of; async_source_of('dns://web.example.org:80')",
    ],
    "etcd": [
        "from connpool_runtime.connectors.etcd import *; EtcdConnector(EtcdConfig(endpoints='h:1'))"
    ],
    "etcd-aio": [
        "from connpool_runtime.connectors.etcd import *; AsyncEtcdConnector(EtcdConfig(endpoints='h:1'))"
    ],
    "etcd-discovery": [
        "from connpool_runtime.discovery.kinds import source_of; source_of('etcd://h:1/web/')",
        "from connpool_runtime.discovery.kinds import async_source_of; async_source_of('etcd://h:1/web/')",
    ],
    "grpc": [
        "import connpool_runtime.grpc",
        "import connpool_runtime.grpc_aio",
        "from connpool_runtime.connectors.grpc import *; GrpcConnector(GrpcConfig(endpoints='h:1'))",
        "from connpool_runtime.connectors.grpc import *; AsyncGrpcConnector(GrpcConfig(endpoints='h:1'))",
    ],
    "http": [
        "from connpool_runtime.connectors.http import *; HttpConnector(HttpConfig(endpoints='http://h'))",
        "from connpool_runtime.connectors.http import *; AsyncHttpConnector(HttpConfig(endpoints='http://h'))",
        "from connpool_runtime.connectors.kinds import *; connector_of(config_of(dict(kind='http', endpoints='http://h')))",
    ],
    "kubernetes": [
        "from connpool_runtime.discovery.kubernetes import *;"
        " KubernetesSource(KubernetesSourceConfig(service='web', api_server='https://h', namespace='n', token='t'))",
    ],
    "limits": ["import connpool_runtime.middleware.shared_rate_limit"],
    "milvus": [
        "from connpool_runtime.connectors.milvus import *; MilvusConnector(MilvusConfig(endpoints='h:1'))",
        "from connpool_runtime.connectors.milvus import *; AsyncMilvusConnector(MilvusConfig(endpoints='h:1'))",
    ],
    "otel": [
        "import connpool_runtime.metrics.otel",
        "import connpool_runtime.metrics.otel_shared_clients",
        "import connpool_runtime.middleware.exemplars",
        "import connpool_runtime.middleware.tracing",
    ],
    "prometheus": [
        "import connpool_runtime.metrics.prometheus",
        "import connpool_runtime.metrics.config_reloads",
        "import connpool_runtime.metrics.shared_clients",
    ],
    "redis": [
        "from connpool_runtime.connectors.redis import *; RedisConnector(RedisConfig(endpoints='h:1'))",
        "from connpool_runtime.connectors.redis import *; AsyncRedisConnector(RedisConfig(endpoints='h:1'))",
    ],
    "yaml": [
        "from connpool_runtime.config.document import read_document; read_document('services.yaml')",
        "from connpool_runtime.connectors.config.files import read; read('redis.yaml')",
    ],
}
# What nobody misses: without watchfiles files are looked at now and then; with the API alone there is no
# exporter whose histograms could be made.
OPTIONAL = {"files", "otel-sdk"}
HIDDEN = (
    "anyio dns etcd3aio etcd3gw grpc httpx limits opentelemetry prometheus_client pymilvus redis requests rich"
    " starlette typer uvicorn watchfiles yaml"
)
PROGRAM = f"""
import json, sys
for name in {HIDDEN!r}.split():
    sys.modules[name] = None  # as if it were not installed
said = []
for use in json.load(sys.stdin):
    try:
        exec(use, {{}})
    except BaseException as error:
        said.append(str(error))
    else:
        said.append("nothing")
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each use says where the runtime is installed alone."""
    folder = tmp_path_factory.mktemp("alone")
    for name in ("services.yaml", "redis.yaml"):
        (folder / name).write_text("a: 1\n", encoding="utf-8")
    uses = [use for of_extra in USES.values() for use in of_extra]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(uses),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(uses, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", USES)
def test_what_is_missing_is_named(name: str, said: dict[str, str]) -> None:
    """Whoever uses an integration without its library reads at once the extra that brings it, and the command."""
    for use in USES[name]:
        assert f'pip install "connpool-runtime[{name}]"' in said[use], use
        assert f"`{name}`" in said[use], use


def test_every_extra_is_tried() -> None:
    """No extra is without a use that shows what is said when it is missing."""
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) == USES.keys() | OPTIONAL


def test_a_module_of_ours_is_no_extra() -> None:
    """A module of the runtime that is not there is not taken for a library that an extra would bring."""
    said = r"^No module named 'connpool_runtime\.nothing'$"
    with pytest.raises(ModuleNotFoundError, match=said), extra("redis"):
        import_module("connpool_runtime.nothing")
    need("json", "redis")
