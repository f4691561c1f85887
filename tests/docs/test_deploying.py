"""What docs/deploying.md shows is deployed as far as a machine without a cluster can: its files, its commands, its order."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from starlette.routing import Route

from connpool_runtime.admin import admin_app
from connpool_runtime.config import read_config
from local_servers import RedisServer, free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text()
FILES = dict(
    re.findall(r"<!-- test: write (\S+) -->\n+```\w+\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
)
TOKEN = "a-token-for-the-tests"


def manifest(kind: str) -> Any:
    return next(one for one in yaml.safe_load_all(FILES["shop.yaml"]) if one["kind"] == kind)


POD = manifest("Deployment")["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
COMMAND: list[str] = json.loads(re.findall(r"^CMD (.*)$", FILES["Dockerfile"], re.MULTILINE)[-1])
PROBES = {name: probe["httpGet"] for name, probe in CONTAINER.items() if name.endswith("Probe")}


def flag(name: str) -> str:
    return COMMAND[COMMAND.index(name) + 1]


def test_probes_ask_for_what_the_admin_has() -> None:
    """Each probe's path is a route of the admin for GET, at the port where the config has it served."""
    routes = {
        route.path
        for route in admin_app({}).routes
        if isinstance(route, Route) and "GET" in (route.methods or ())
    }
    assert {probe["path"] for probe in PROBES.values()} <= routes
    assert PROBES["livenessProbe"]["path"] == "/health/live"  # servers that are down restart nobody
    assert PROBES["readinessProbe"]["path"] == PROBES["startupProbe"]["path"] == "/health/ready"
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    admin = written_config()["admin"]
    assert {ports[probe["port"]] for probe in PROBES.values()} == {admin["port"]}
    assert admin["health_without_token"]
    assert admin["host"] == flag("--host") == "0.0.0.0"
    assert str(ports["http"]) == flag("--port")
    assert {str(port) for port in ports.values()} == set(
        re.findall(r"^EXPOSE (.*)$", FILES["Dockerfile"], re.MULTILINE)[0].split()
    )
    (service,) = manifest("Service")["spec"]["ports"]
    assert service["targetPort"] == "http"  # nobody reaches the admin by it


def written_config() -> Any:
    import tomllib

    return tomllib.loads(FILES["services.toml"])


def test_a_pod_has_time_to_end() -> None:
    """The grace of a pod is longer than its preStop, the last requests and the drain of its pools together."""
    _, wait = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    requests = float(flag("--timeout-graceful-shutdown"))
    drain = float(written_config()["manager"]["drain_timeout"].removesuffix("s"))
    assert POD["terminationGracePeriodSeconds"] >= float(wait) + requests + drain + 5
    told = re.findall(r"^\| (?:up to )?(\d+) \|", PAGE, re.MULTILINE)
    ends = [0.0, float(wait), float(wait) + requests, float(wait) + requests + drain]
    assert [*map(float, told)] == [*ends, POD["terminationGracePeriodSeconds"]]


def test_the_manifest_and_the_config_fit(tmp_path: Path) -> None:
    """Selectors, volume, path of the config and the variables of the token are those that the program reads."""
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert manifest("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    environment = {one["name"]: one.get("value", TOKEN) for one in CONTAINER["env"]}
    (mount,) = CONTAINER["volumeMounts"]
    assert mount["name"] in {volume["name"] for volume in POD["volumes"]}
    assert "subPath" not in mount
    assert POD["enableServiceLinks"] is False  # they would begin with the prefix of the options
    assert environment["CONFIG_FILE"] == f"{mount['mountPath']}/services.toml"
    file = tmp_path / "services.toml"
    file.write_text(FILES["services.toml"])
    config = read_config(file, env="SHOP_", environ=environment)
    assert config.admin_arguments["token"] == TOKEN
    assert set(config.admin_arguments["required"]) <= set(config.services)


class Running(NamedTuple):
    """A deployment that runs: its folder, its server, and clients of the service and of its admin."""

    folder: Path
    cache: RedisServer
    process: "subprocess.Popen[bytes]"
    service: httpx.Client
    admin: httpx.Client


@contextmanager
def deployed(command: list[str], folder: Path, port: int) -> Iterator[Running]:
    """What the page has, with its config mounted as Kubernetes does: by links, of which one is replaced."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    mounted = folder / "mounted"
    (mounted / "..1").mkdir(parents=True)
    (mounted / "..1" / "services.toml").write_text(FILES["services.toml"])
    (mounted / "..data").symlink_to("..1")
    (mounted / "services.toml").symlink_to("..data/services.toml")
    admin_port = free_port()
    with RedisServer() as cache:
        environment = {
            **os.environ,
            "CONFIG_FILE": str(mounted / "services.toml"),
            "SHOP_ADMIN_TOKEN": TOKEN,
            "SHOP_ADMIN_HOST": "127.0.0.1",
            "SHOP_ADMIN_PORT": str(admin_port),
            "SHOP_SERVICES_CACHE_ENDPOINTS": f"{cache.host}:{cache.port}",
            "SHOP_SERVICES_CACHE_CALL_TIMEOUT": "20s",  # however busy the machine is
            "SHOP_SERVICES_CACHE_MIDDLEWARE_DEADLINE_LIMIT": "20s",
            "CONNPOOL_RUN_DIR": str(folder / "run"),
        }
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as service,
            httpx.Client(base_url=f"http://127.0.0.1:{admin_port}", timeout=20) as admin,
        ):
            try:
                yield Running(folder, cache, process, service, admin)
            finally:
                process.kill()


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.servers
def test_the_container_serves_reloads_and_ends_in_order(tmp_path: Path) -> None:
    """The image's command is ready, takes a new ConfigMap over, and answers the request that SIGTERM finds under way."""
    port = free_port()
    command = ["127.0.0.1" if word == "0.0.0.0" else word for word in COMMAND]
    command[command.index("--port") + 1] = str(port)
    with deployed(command, tmp_path, port) as running:
        for probe in PROBES.values():
            assert eventually(lambda path=probe["path"]: answers(running.admin, path)), (
                tmp_path / "log"
            ).read_text()
        assert running.service.get("/").json() == {"visits": 1}

        new = tmp_path / "mounted" / "..2"
        new.mkdir()
        changed = FILES["services.toml"] + "\n[services.cache.pool]\nmax_fails = 9\n"
        (new / "services.toml").write_text(changed)
        (tmp_path / "mounted" / "..new").symlink_to("..2")
        (tmp_path / "mounted" / "..new").replace(tmp_path / "mounted" / "..data")
        assert eventually(lambda: max_fails(running.admin) == 9)

        running.cache.hang()
        answered: list[int] = []
        caller = threading.Thread(
            target=lambda: answered.append(running.service.get("/").json()["visits"])
        )
        caller.start()
        assert eventually(lambda: in_flight(running.admin) == 1)
        running.process.terminate()
        assert eventually(lambda: "Shutting down" in (tmp_path / "log").read_text())
        running.cache.resume()
        caller.join(20)
        assert answered == [2]
        running.process.wait(20)
        log = (tmp_path / "log").read_text()
        assert "Application shutdown complete" in log
        assert "Traceback" not in log


def max_fails(admin: httpx.Client) -> int:
    return int(admin.get("/config").json()["services"]["cache"]["pool"]["max_fails"]["value"])


def in_flight(admin: httpx.Client) -> int:
    members = admin.get("/stats").json()["services"]["cache"]["members"]
    return sum(member["in_flight"] for member in members)


@pytest.mark.servers
def test_one_admin_tells_of_all_workers(tmp_path: Path) -> None:
    """gunicorn with the page's hooks has one admin, ready with its workers, and leaves nothing in the run folder."""
    port = free_port()
    command = ["gunicorn", "web:app", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    with deployed(command, tmp_path, port) as running:
        log = tmp_path / "log"
        running.admin.headers["Authorization"] = f"Bearer {TOKEN}"
        assert eventually(lambda: answers(running.admin, "/health/ready")), log.read_text()
        assert running.service.get("/").text == "1"
        assert eventually(
            lambda: len(running.admin.get("/stats").json()["process"]["workers"]) == 2
        )
        running.process.terminate()
        assert running.process.wait(30) == 0, log.read_text()
        assert list((tmp_path / "run").glob("*.sock")) == []
        assert "Traceback" not in log.read_text()
