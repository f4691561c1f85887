"""Several workers of one host, seen as one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin, serve_workers, workers
from connpool_runtime.admin.run_folder import running
from connpool_runtime.admin.workers import WorkerEvents, Workers
from tests.runtime.admin.pools import TOKEN
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
WORKERS = 4

# A service as one has it: a pool, which each worker makes for itself and calls as it is called ...
SERVICE = """
import os
from connpool_runtime import Method, Pool

GET = Method("get", lambda client, _: client())
pool = Pool("shop")
for name in ("a", "b"):
    pool.add_client(lambda: 1, name)


def app(environ, start_response):
    pool.call(GET)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""

# ... and what gunicorn is told: each worker serves its admin in the run folder.
SETTINGS = """
from connpool_runtime.admin import serve_admin


def post_worker_init(worker):
    from service import pool

    worker.admin = serve_admin({"shop": pool}, run_folder=True, name="web", stats_age=0.0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def service(tmp_path: Path, folder: Path) -> Iterator[str]:
    """A gunicorn of four workers; its address."""
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "settings.py").write_text(SETTINGS)
    command = [sys.executable, "-m", "gunicorn", "service:app"]
    command += ["--config", str(tmp_path / "settings.py")]
    command += ["--workers", str(WORKERS), "--bind", "127.0.0.1:0", "--chdir", str(tmp_path)]
    environment = {**os.environ, "CONNPOOL_RUN_DIR": str(folder)}
    log = tmp_path / "log"
    with log.open("w") as out, subprocess.Popen(command, stderr=out, env=environment) as gunicorn:
        try:
            assert eventually(lambda: len(running(folder, "web")) == WORKERS, 60), log.read_text()
            line = next(line for line in log.read_text().splitlines() if "Listening at" in line)
            yield line.split("Listening at: ")[1].split(" ")[0]
        finally:
            gunicorn.terminate()
            gunicorn.wait(20)


def call(address: str, count: int) -> set[int]:
    """Call the service, and return which workers have answered."""
    with httpx.Client(base_url=address, headers={"Connection": "close"}) as client:
        return {int(client.get("/").text) for _ in range(count)}


def successes(admin: httpx.Client) -> int:
    shop: dict[str, Any] = admin.get("/stats").json()["services"]["shop"]
    return sum(member["successes"] for member in shop["members"])


@pytest.mark.servers
def test_four_workers_are_one(service: str, folder: Path) -> None:
    """One scrape tells all calls of four workers, and loses none when one is killed and another takes its place."""
    called = call(service, 40)
    with (
        serve_workers("web", run_folder=folder, token=TOKEN, stats_age=0.0) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as admin,
    ):
        before = admin.get("/stats").json()
        assert len(before["process"]["workers"]) == WORKERS
        assert successes(admin) == 40
        assert 'connpool_calls_total{method="get",outcome="success",pool="shop"} 40.0' in (
            admin.get("/metrics").text
        )
        assert admin.get("/health").json() == {"status": "ok", "reasons": []}

        killed = min(called)
        os.kill(killed, signal.SIGKILL)
        assert eventually(
            lambda: (
                killed not in (pids := [one.pid for one in running(folder, "web")])
                and len(pids) == WORKERS
            )
        )
        assert successes(admin) == 40
        assert killed not in admin.get("/stats").json()["process"]["workers"]
        call(service, 8)
        assert successes(admin) == 48

        answer = admin.post("/eject", json={"member": "a"}).json()
        assert len(answer["workers"]) == WORKERS
        assert admin.get("/health").json()["status"] == "degraded"
        told = admin.get("/stats").json()["services"]["shop"]["members"]
        assert [one["ejected"] for one in told] == [True, False]
        call(service, 8)
        assert admin.get("/stats").json()["services"]["shop"]["members"][0] == {
            **told[0],
            "in_flight": 0,
        }
        assert eventually(
            lambda: admin.get("/events?follow=false").text.count("by_hand") == WORKERS
        )
        assert admin.post("/eject", json={"member": "x"}).status_code == 404


def test_no_worker(folder: Path) -> None:
    """Without a worker numbers are refused, health is unavailable, and both say which name was looked for."""
    with serve_workers("web", run_folder=folder, token=TOKEN) as server:
        answer = httpx.get(server.url + "/stats")
        assert (answer.status_code, "'web'" in answer.text) == (503, True)
        health = httpx.get(server.url + "/health")
        assert (health.status_code, "'web'" in health.text) == (503, True)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        refused = httpx.post(server.url + "/eject", json={}, headers=headers)
        assert refused.status_code == 503
    with pytest.raises(ValueError, match="token="):
        serve_workers("web", "0.0.0.0", run_folder=folder)


def test_events_are_polled_again_after_a_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run folder that others may look into for a while stops the polling of events for that while only, and is told once."""
    monkeypatch.setattr(workers, "_EVERY", 0.01)
    folder.mkdir(mode=0o755)
    pool = Pool[object]("shop")
    pool.add_client(object(), "a")
    events = WorkerEvents(Workers(folder, "web"), 10)
    events.follow()
    assert eventually(lambda: "polling workers" in caplog.text)
    time.sleep(0.1)
    assert caplog.text.count("polling workers") == 1
    folder.chmod(0o700)
    with serve_admin({"shop": pool}, run_folder=folder, name="web"):
        assert eventually(lambda: pool.eject("a") or pool.uneject("a") or events.after(0)[1])
    events.close()
    pool.close()


# Serves all workers until it is told to end; prints its URL, then what was imported since.
ALL_WORKERS = """
import sys
from connpool_runtime.admin import serve_workers

with serve_workers("web", run_folder=sys.argv[1], token=sys.argv[2]) as server:
    before = set(sys.modules)
    print(server.url, flush=True)
    sys.stdin.readline()
    print(*sorted(set(sys.modules) - before))
"""
CHANGES: dict[str, dict[str, object]] = {
    "/eject": {"service": "shop", "member": "a"},
    "/uneject": {"service": "shop", "member": "a"},
    "/labels": {"service": "shop", "member": "a", "labels": {"role": "primary"}},
    "/drain": {"service": "shop", "member": "a"},
    "/nothing": {},
}


def test_no_request_imports_anything(folder: Path) -> None:
    """The process that forks the workers may do so at any moment, and each would have half of what is being imported."""
    pool = Pool[str]("shop")
    pool.add_client("client", "a")
    command = [sys.executable, "-c", ALL_WORKERS, str(folder), TOKEN]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        serve_admin({"shop": pool}, run_folder=folder, name="web"),
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, headers=headers) as admin:
            for path in ("/", "/health", "/health/live", "/health/ready", "/stats", "/config"):
                admin.get(path)
            for accept in ("text/plain", "application/openmetrics-text"):
                assert admin.get("/metrics", headers={"Accept": accept}).status_code == 200
            assert admin.get("/events?follow=false").status_code == 200
            assert admin.get("/stats", headers={"Authorization": "Bearer no"}).status_code == 401
            answers = {path: admin.post(path, json=body) for path, body in CHANGES.items()}
        process.stdin.write("\n")
        process.stdin.close()
        assert process.stdout.read().split() == []
    assert [one.status_code for one in answers.values()] == [200, 200, 200, 200, 404]
