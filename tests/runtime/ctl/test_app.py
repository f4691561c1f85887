"""The command that asks running processes."""

import errno
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connpool_runtime import Pool
from connpool_runtime.admin import serve_admin
from connpool_runtime.admin.run_folder import RunningProcess, running
from connpool_runtime.ctl.app import app
from local_servers import RedisServer
from tests.runtime.admin.pools import GET, TOKEN, Shop, break_member, served, shop_pool
from tests.waiting import eventually


@pytest.fixture
def pool() -> Pool[Shop]:
    pool = shop_pool()
    for _ in range(6):
        pool.call(GET)
    return pool


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder of this test's own, which every command looks into."""
    monkeypatch.setenv("CONNPOOL_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("CONNPOOL_ADMIN_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "run"


@pytest.fixture
def process(folder: Path, pool: Pool[Shop]) -> Iterator[Any]:
    """A process that is registered, the one of this test."""
    with serve_admin({"shop": pool}, run_folder=True, name="web", stats_age=0.0) as server:
        yield server


def ctl(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_it_shows(process: Any, pool: Pool[Shop]) -> None:
    """Stats, members, health and events are those of the running process, as tables and as JSON."""
    break_member(pool, "m1")
    assert re.search(r"shop +2 of 3", ctl("stats").stdout)
    assert said(ctl("stats", "--format", "json"))["process"]["pid"] == os.getpid()
    rows = ctl("members").stdout.splitlines()
    assert re.search(r"shop +m1 +open .*ConnectionResetError", rows[1])
    assert "role" not in rows[0]
    pool.set_labels("m1", {"role": "replica"})
    rows = ctl("members").stdout.splitlines()
    assert re.search(r"state +role +weight", rows[0])
    assert re.search(r"shop +m1 +open +replica +1 ", rows[1])
    assert "m1" not in ctl("members", "--state", "closed").stdout
    assert [one["name"] for one in said(ctl("members", "--format", "json"))["shop"]] == [
        "m0",
        "m1",
        "m2",
    ]
    health = ctl("health")
    assert (health.exit_code, "2 of 3 members ready" in health.stdout) == (0, True)
    assert "shop/m1 breaker_changed before=closed after=open" in ctl("events").stdout
    assert json.loads(ctl("events", "--format", "json").stdout)["member"] == "m1"


def test_what_it_changes(process: Any, pool: Pool[Shop]) -> None:
    """What is ordered is done in the running process; the token is found beside its socket."""
    assert said(ctl("eject", "m0", "--format", "json"))[0]["done"] == "ejected"
    assert not pool.members[0].ready
    assert ctl("uneject", "m0", "-s", "shop").exit_code == 0
    assert pool.members[0].ready
    assert "done=drained" in ctl("drain", "m0", "--wait", "--timeout", "5").stdout
    assert [member.name for member in pool.members] == ["m1", "m2"]
    assert "labels=role=primary,rack=a" in ctl("labels", "m1", "role=primary", "rack=a").stdout
    assert dict(pool.members[0].labels) == {"role": "primary", "rack": "a"}
    assert "labels=none" in ctl("labels", "m1", "--none").stdout
    assert dict(pool.members[0].labels) == {}
    assert ctl("metrics-only", "true").exit_code == 0
    assert pool.metrics_only
    refused = ctl("weight", "m1", "3")
    assert (refused.exit_code, "ignores weights" in refused.stderr) == (1, True)
    assert "no config to reload" in ctl("reload").stderr


def test_exit_codes(process: Any, pool: Pool[Shop], folder: Path) -> None:
    """Refused, not well, not reached, no token and a wrong command line each have their exit code."""
    assert ctl("eject", "m9").exit_code == 1
    assert ctl("stats", "--service", "shpo").exit_code == 1
    assert ctl("--name", "api", "stats").exit_code == 3
    assert ctl("--url", "127.0.0.1:1", "stats").exit_code == 3
    assert ctl("weight", "m0", "0").exit_code == 2
    for wrong in ([], ["role"], ["=x"], ["role=x", "--none"]):
        assert ctl("labels", "m0", *wrong).exit_code == 2
    assert ctl("--url", "x", "--name", "y", "stats").exit_code == 2
    for member in pool.members:
        pool.eject(member.name)
    assert ctl("health").exit_code == 1


def test_tokens(
    pool: Pool[Shop], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token comes from a file or the environment; without it, or with a wrong one, nothing is changed."""
    file = tmp_path / "token"
    with served({"shop": pool}) as (server, _):
        refused = ctl("--url", server.url, "eject", "m0")
        assert (refused.exit_code, "--token-file" in refused.stderr) == (4, True)
        file.write_text("wrong-wrong-wrong-wrong")
        assert ctl("--url", server.url, "--token-file", str(file), "eject", "m0").exit_code == 4
        assert pool.members[0].ready
        file.write_text(TOKEN + "\n")
        assert ctl("--url", server.url, "--token-file", str(file), "eject", "m0").exit_code == 0
        monkeypatch.setenv("CONNPOOL_ADMIN_TOKEN", TOKEN)
        assert ctl("--url", server.url, "uneject", "m0").exit_code == 0
        assert ctl("--url", server.url, "--token-file", "none", "eject", "m0").exit_code == 3


def test_by_socket(pool: Pool[Shop], folder: Path, tmp_path: Path) -> None:
    """A process is asked by its socket as well."""
    path = tmp_path / "a.sock"
    with serve_admin({"shop": pool}, unix_socket=path):
        assert "shop" in ctl("--socket", str(path), "stats").stdout


def test_which_process_is_meant(pool: Pool[Shop], folder: Path) -> None:
    """One process need not be named; of several the names are told; none says how one registers."""
    assert "run_folder=True" in ctl("stats").stderr
    with (
        serve_admin({"shop": pool}, run_folder=True, name="web"),
        serve_admin({"shop": pool}, run_folder=True, name="api"),
    ):
        assert "api, web" in ctl("stats").stderr
        assert "there are api, web" in ctl("--name", "wbe", "stats").stderr
        assert ctl("--name", "web", "stats").exit_code == 0


def sockets_and_tokens(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".sock", ".token")]


def test_the_run_folder_is_private(pool: Pool[Shop], folder: Path) -> None:
    """What is in the folder is its owner's alone; socket and token are gone with the process, and its counts stay; a folder
    of others is refused.
    """
    with serve_admin({"shop": pool}, run_folder=True, name="web"):
        modes: dict[str, int] = {}
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # a draft of the counts has got its name meanwhile
                modes[path.suffix] = stat.S_IMODE(path.stat().st_mode)
        assert {".sock", ".token"} <= set(modes)
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.suffix for path in folder.iterdir()} == {".counts", ".lock"}
    folder.chmod(0o755)
    assert "chmod 700" in ctl("stats").stderr
    with pytest.raises(OSError, match="chmod 700"):
        serve_admin({"shop": pool}, run_folder=True)
    with pytest.raises(ValueError, match="name of a process"):
        serve_admin({"shop": pool}, run_folder=folder.parent / "other", name="../x")


def test_what_was_left_is_removed(process: Any, folder: Path) -> None:
    """The sockets and tokens of processes that have ended are removed by whoever looks."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f"web.{ended.pid}", f"web.{os.getppid()}"):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder / f"{name}.sock"))
        (folder / f"{name}.token").write_text("x")
    assert [one.pid for one in running(folder)] == [os.getpid()]
    assert len(sockets_and_tokens(folder)) == 2


def test_a_process_that_begins_is_not_taken_for_an_ended_one(
    pool: Pool[Shop], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks while a process opens its socket removes nothing of it, and finds the token with the socket."""
    seen: list[int] = []

    class Watched(socket.socket):
        def bind(self, address: Any) -> None:
            super().bind(address)
            seen.append(len(running(folder)))

        def listen(self, *backlog: int) -> None:
            super().listen(*backlog)
            seen.append(len(running(folder)))

    def write(process: RunningProcess, token: str) -> None:
        seen.append(len(running(folder)))
        write_token(process, token)

    write_token = RunningProcess.write_token
    monkeypatch.setattr(RunningProcess, "write_token", write)
    monkeypatch.setattr("connpool_runtime.admin.sockets.socket.socket", Watched)
    with serve_admin({"shop": pool}, run_folder=True, name="web"):
        assert [one.token is not None for one in running(folder)] == [True]
        assert seen[:3] == [0, 0, 0]
        assert sorted(path.suffix for path in sockets_and_tokens(folder)) == [".sock", ".token"]


def test_a_process_that_cannot_begin_leaves_nothing(
    pool: Pool[Shop], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the token cannot be written, no socket is left, neither under its name nor under another one."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(RunningProcess, "write_token", full)
    with pytest.raises(OSError, match=r"cannot listen at .*web.*no space left"):
        serve_admin({"shop": pool}, run_folder=True, name="web")
    assert {path.suffix for path in folder.iterdir()} <= {".lock"}


def test_top(process: Any, pool: Pool[Shop]) -> None:
    """`top` shows services, members, and how many calls a second there are."""
    shown = ctl("top", "--rounds", "2", "--every", "0.2").stdout
    assert f"web  pid {os.getpid()}" in shown
    assert "calls/s" in shown
    assert re.search(r"shop +3 of 3", shown)


def test_following_events(process: Any, pool: Pool[Shop], folder: Path) -> None:
    """With --follow events are printed as they come."""
    command = [
        sys.executable,
        "-m",
        "connpool_runtime.ctl",
        "events",
        "--follow",
        "--format",
        "json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        pool.eject("m0")
        assert json.loads(follower.stdout.readline())["member"] == "m0"
        pool.uneject("m0")
        assert json.loads(follower.stdout.readline())["after"] == "closed"
        process.close()
        assert follower.wait(20) == 0


def test_start_runs_a_manager(folder: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    """`start` runs the services of a file until it is told to end, and is asked and steered like any process."""
    file = tmp_path / "cache.toml"
    endpoints = f"{redis_server.host}:{redis_server.port}"
    file.write_text(f'[services.cache]\nkind = "redis"\nendpoints = "{endpoints}"\n')
    command = [sys.executable, "-m", "connpool_runtime.ctl", "start", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stderr is not None
            line = started.stderr.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert url is not None, line
            assert said(ctl("stats", "--format", "json"))["process"]["name"] == "cache"
            assert "cache" in ctl("--url", url[0], "stats").stdout
            refused = ctl("--url", url[0], "eject", endpoints)
            assert (refused.exit_code, "without a token" in refused.stderr) == (1, True)
            assert ctl("eject", endpoints).exit_code == 0
            assert ctl("health").exit_code == 1
            started.send_signal(signal.SIGTERM)
            assert started.wait(20) == 0
        finally:
            started.kill()
    assert eventually(lambda: sockets_and_tokens(folder) == [])


def test_start_explains_a_wrong_file(folder: Path, tmp_path: Path) -> None:
    """A file that says something wrong is refused with the place and the nearest word."""
    file = tmp_path / "cache.toml"
    file.write_text('[services.cache]\nkind = "redis"\nendpoint = "x:1"\n')
    result = ctl("start", str(file))
    assert (result.exit_code, "did you mean 'endpoints'" in result.stderr) == (1, True)


def test_what_is_missing_is_said() -> None:
    """Where typer is not installed the command says what to install."""
    program = "import sys; sys.modules['typer'] = None; from connpool_runtime.ctl.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "connpool-runtime[cli]"' in done.stderr
    assert done.returncode == 1


def test_completion_is_offered() -> None:
    """The command completes itself in the shells that typer knows."""
    assert "install-completion" in ctl("--help").stdout


def test_workers_are_served_as_one(process: Any, folder: Path) -> None:
    """`workers` serves all processes of a name under one address until it is told to end."""
    command = [sys.executable, "-m", "connpool_runtime.ctl", "--name", "web", "workers"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        url = serving.stderr.readline().split(": ")[1].strip()
        assert said(ctl("--url", url, "stats", "--format", "json"))["process"]["workers"] == [
            os.getpid()
        ]
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(20) == 0
    assert ctl("workers").exit_code == 2


def test_an_option_of_the_wrong_place_is_told_its_place() -> None:
    """What says which process is asked stands before the command, and the error says so where it stands behind."""
    for flag in ("--url", "--socket", "--name", "-n"):
        done = ctl("members", flag, "somewhere")
        assert done.exit_code == 2
        said = " ".join(done.stderr.replace("│", " ").split())
        assert f"{flag} stands before the command: connpoolctl {flag} ... members" in said
    assert "stands before" not in ctl("members", "--uri", "somewhere").stderr
