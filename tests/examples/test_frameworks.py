"""The examples for frameworks: each is served by its real server, called, and ended as a deployment ends it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from connpool_runtime.admin.run_folder import running
from local_servers import RedisServer, free_port
from tests.waiting import eventually

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WORKERS = 2


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [name for name in packages if find_spec(name) is None]
    told = " ".join(name.upper() for name in missing)
    return pytest.mark.skipif(
        bool(missing) and os.environ.get("FRAMEWORKS") != "all",  # there a test fails instead
        reason=f"THERE IS NO {told}: make frameworks, or pip install {' '.join(missing)}",
    )


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


@pytest.fixture
def environment(server: RedisServer, tmp_path: Path) -> dict[str, str]:
    """What tells an example where its server is, and where its processes are found."""
    paths = [str(ROOT), str(EXAMPLES), str(ROOT / "runtime")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "SHOP_SERVICES_CACHE_ENDPOINTS": f"{server.host}:{server.port}",
        "CONNPOOL_RUN_DIR": str(tmp_path / "run"),
        "CELERY_BROKER_URL": f"redis://{server.host}:{server.port}/1",
        "CELERY_RESULT_BACKEND": f"redis://{server.host}:{server.port}/1",
    }


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """A server that runs; what it leaves is checked after SIGTERM has ended it."""
    with (
        log.open("w") as out,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=EXAMPLES,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                process.kill()
    text = log.read_text()
    assert "Traceback" not in text, text
    assert process.returncode in (0, -15), text  # uvicorn ends by the signal that ended it


def visits(client: httpx.Client) -> int:
    answer = client.get("/", headers={"Connection": "close"})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["visits"])


def up(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def clients_of(server: RedisServer, environment: dict[str, str]) -> int:
    """How many connections to the server there are, beside the one that asks."""
    code = f"import redis; print(len(redis.Redis('{server.host}', {server.port}).client_list()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    return int(done.stdout) - 1


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("starlette_app", marks=needs("starlette")),
        pytest.param("fastapi_app", marks=needs("fastapi")),
    ],
)
def test_a_lifespan_holds_the_pools(
    module: str, server: RedisServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """Under uvicorn the pools are open before the first request, shown under /ops, and closed at the end."""
    log, port = tmp_path / "log", free_port()
    command = ["uvicorn", f"frameworks.{module}:app", "--port", str(port)]
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
        started(command, environment, log),
    ):
        assert eventually(lambda: up(client, "/ops/health/ready")), log.read_text()
        assert client.get("/ops/health/ready").json() == {"status": "ok", "reasons": []}
        first = visits(client)
        assert visits(client) == first + 1
        (service,) = client.get("/ops/stats").json()["services"].values()
        (member,) = service["members"]
        assert member["successes"] == 2
    assert "Application shutdown complete" in log.read_text()
    assert clients_of(server, environment) == 0


@pytest.mark.parametrize(
    "application",
    [
        pytest.param("frameworks.flask_app:app", marks=needs("flask", "gunicorn")),
        pytest.param("frameworks.django_shop.wsgi", marks=needs("django", "gunicorn")),
    ],
)
def test_each_worker_has_pools_of_its_own(
    application: str, server: RedisServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """Under gunicorn --preload each worker opens pools and an admin, and leaves no connection behind."""
    log, folder = tmp_path / "log", tmp_path / "run"
    port = free_port()
    command = ["gunicorn", "--preload", "-c", "frameworks/gunicorn_conf.py", application]
    command += ["--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"]
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
        started(command, environment, log),
    ):
        assert eventually(lambda: len(running(folder, "shop")) == WORKERS), log.read_text()
        first = visits(client)
        assert eventually(
            lambda: max(visits_at_once(client)) > first and admins_with_pools(folder) == WORKERS
        )
        assert clients_of(server, environment) >= WORKERS
    assert sockets(folder) == []
    assert clients_of(server, environment) == 0


def visits_at_once(client: httpx.Client) -> list[int]:
    """Count visits beside each other, so that no worker is left out because another one is always quicker."""
    with ThreadPoolExecutor(2 * WORKERS) as callers:
        return list(callers.map(lambda _: visits(client), range(2 * WORKERS)))


def sockets(folder: Path) -> list[Path]:
    """What processes leave in the run folder that end without closing their admin, which they do last of all."""
    return list(folder.glob("*.sock"))


def admins_with_pools(folder: Path) -> int:
    """How many workers say in their admin that they have a pool."""
    found = 0
    for process in running(folder, "shop"):
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(process.socket))) as client:
            found += len(client.get("http://localhost/stats").json()["services"])
    return found


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("starlette_app", marks=needs("starlette")),
        pytest.param("fastapi_app", marks=needs("fastapi")),
    ],
)
def test_a_lifespan_closes_the_pools(module: str, environment: dict[str, str]) -> None:
    """When the application ends its manager is closed, whether or not the process ends with it."""
    program = f"""
from starlette.testclient import TestClient
from frameworks.{module} import app, manager
with TestClient(app) as page:
    print(page.get("/").status_code, manager.closed)
print(manager.closed)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["200 False", "True"], done.stderr


FLASK = "from frameworks.flask_app import app; page = app.test_client()"
DJANGO = "from frameworks.django_shop.wsgi import application; from django.test import Client; page = Client()"


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(FLASK, marks=needs("flask")),
        pytest.param(DJANGO, marks=needs("django")),
    ],
)
def test_a_process_without_hooks_closes_its_pools(begin: str, environment: dict[str, str]) -> None:
    """Where no server tells of the end, as under `flask run`, the pools are closed when the interpreter ends."""
    program = f"""
import atexit
from frameworks.services import manager
atexit.register(lambda: print(manager.started, manager.closed))  # the first to be registered is the last to be run
{begin}
print(manager.started, page.get("/", headers={{"Host": "localhost"}}).status_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["() 200", "() True"], done.stderr


@needs("celery")
def test_each_process_of_a_celery_worker_has_pools_of_its_own(
    server: RedisServer, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each process of the prefork pool opens pools and an admin before its first task, and closes them at the end."""
    log, folder = tmp_path / "log", tmp_path / "run"
    command = ["celery", "-A", "frameworks.celery_app", "worker", "--without-mingle"]
    command += ["--without-gossip", "--concurrency", str(WORKERS)]
    with started(command, environment, log):
        assert eventually(lambda: len(running(folder, "shop-tasks")) == WORKERS), log.read_text()
        code = "from frameworks.celery_app import visit\n"
        code += "print([task.get(20) for task in [visit.delay() for _ in range(6)]])"
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        counted = sorted(json.loads(done.stdout or "[]"))
        assert len(counted) == 6, done.stderr
        assert counted == list(range(counted[0], counted[0] + 6))
    assert sockets(folder) == []
    assert clients_of(server, environment) == 0


@needs("structlog")
def test_lines_have_fields(environment: dict[str, str]) -> None:
    """Events and failures are lines of JSON with pool, member and method, and without texts of errors."""
    done = subprocess.run(
        [sys.executable, "-m", "frameworks.structlog_setup"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    changed = next(line for line in lines if line["event"] == "BreakerChanged")
    failed = next(line for line in lines if line["event"] == "call failed")
    assert (changed["pool"], changed["after"], changed["cause"]) == ("cache", "open", None)
    assert (failed["method"], failed["error"]) == ("get", "AllMembersOpen")
    assert {line["level"] for line in lines} >= {"info", "warning"}
