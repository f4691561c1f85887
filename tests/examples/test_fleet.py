"""The fleet loses no call, ends what it has started however it ends, and fails when it should."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from connpool_runtime import Pool, PoolClosed
from connpool_runtime.discovery.endpoint import snapshot_of
from fleet.__main__ import main
from fleet.acts import Stage
from fleet.callers import Callers
from fleet.figures import Figures
from fleet.registry import FileRegistry
from fleet.screen import Screen
from fleet.servers import Servers, start_all
from fleet.services import Service
from fleet.summary import Summary, is_good
from local_servers import RedisServer
from tests.waiting import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
# A job in the background of a script ignores Ctrl-C, and so would all that it starts.
AS_IN_A_SHELL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("fleet", run_name="__main__", alter_sys=True)
"""
SHORT = ["--registry", "file", "--servers", "2", "--pause", "0.1"]


@contextmanager
def running(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """The fleet in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", AS_IN_A_SHELL, *SHORT, *options]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=EXAMPLES,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as fleet:
        try:
            yield fleet
        finally:
            fleet.kill()


@pytest.mark.servers
def test_the_fleet_loses_no_call() -> None:
    """While all servers are replaced and one of each service is killed every call is answered, and the table says so."""
    with running() as fleet:
        printed, _ = fleet.communicate(timeout=120)
    assert fleet.returncode == 0, printed
    for row in (
        r"calls made +│ [1-9][\d,]* +│ [1-9][\d,]* +│ [1-9]",
        r"calls lost +│ 0 +│ 0 +│ 0 ",
        r"retries +│ \d+ +│ \d+ +│ \d",
        r"ejections +│ [1-9]\d* +│ [1-9]\d* +│ [1-9]",
        r"members that joined +│ 5 +│ 5 +│ 5 ",
        r"members that left +│ 3 +│ 3 +│ 3 ",
        r"metrics: http://127.0.0.1:\d+/metrics",
    ):
        assert re.search(row, printed), f"{row}\n{printed}"


def children_of(pid: int) -> set[int]:
    """The processes that a process has started, as far as they still run."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for one in lists for child in one.read_text().split()}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.servers
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are counted in /proc")
def test_nothing_is_left_after_an_interrupt() -> None:
    """Ctrl-C ends it in the middle: servers and the registry's file are gone, and the shell is told by status 130."""
    with running() as fleet:
        assert fleet.stdout is not None
        printed = ""
        while "a rolling restart" not in printed:
            line = fleet.stdout.readline()
            assert line, printed
            printed += line
        children = children_of(fleet.pid)
        assert len(children) >= 5, printed
        fleet.send_signal(signal.SIGINT)
        rest, _ = fleet.communicate(timeout=60)
    assert fleet.returncode == 130, printed + rest
    assert "interrupted; all servers are ended" in rest
    assert "Traceback" not in rest
    assert [child for child in children if is_running(child)] == []
    found = re.search(r"registry: the file (\S+)", printed)
    assert found is not None
    assert not Path(found[1]).parent.exists()


def test_what_cannot_be_run_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single server, which nobody could take over from, and a Consul that is not there: nothing is started."""
    monkeypatch.setattr("fleet.__main__.consul_program", lambda: None)
    for wrong, said in (
        (["--servers", "1"], "between 2 and 9: one of them is killed"),
        (["--registry", "consul"], "there is no Consul here; .ci/consul brings one"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert said in capsys.readouterr().err


@pytest.mark.servers
def test_servers_that_did_start_are_ended_when_another_did_not(tmp_path: Path) -> None:
    """A start that fails in the middle is told, and leaves no process."""
    started: list[RedisServer] = []

    def make(name: str) -> RedisServer:
        if name == "b":
            raise RuntimeError("no server b")
        started.append(RedisServer())
        return started[-1]

    registry = FileRegistry(tmp_path / "endpoints.json")
    with pytest.raises(RuntimeError, match="no server b"), ExitStack() as stack:
        start_all([Servers("cache", "abc", make, registry)], stack)
    assert len(started) == 2
    assert not any(server.is_running for server in started)


@pytest.mark.servers
def test_a_server_that_comes_too_late_is_ended(tmp_path: Path) -> None:
    """One that is still being started when everything ends, as at an interrupt, does not stay; its thread does not wait."""
    started: list[RedisServer] = []

    def make(_name: str) -> RedisServer:
        started.append(RedisServer())
        return started[-1]

    with Servers("cache", "a", make, FileRegistry(tmp_path / "endpoints.json")) as servers:
        pass
    with pytest.raises(RuntimeError, match="cache has ended"):
        servers.start("a")
    assert [server.is_running for server in started] == [False]
    pool: Pool[str] = Pool("cache")
    pool.close()
    stage = Stage(Service("cache", pool, lambda _number: None), servers, FileRegistry(tmp_path))
    with pytest.raises(PoolClosed):
        stage.wait_for("a")


def test_the_file_holds_all_services_at_any_time(tmp_path: Path) -> None:
    """Several threads change it, and who reads it always finds a whole list of the own service."""
    registry = FileRegistry(tmp_path / "endpoints.json")
    for service in ("cache", "pages"):
        registry.register(service, "a", "127.0.0.1:1")

    def change(service: str) -> None:
        for port in range(2, 30):
            registry.register(service, "b", f"127.0.0.1:{port}")
            registry.deregister(service, "b")

    changing = [threading.Thread(target=change, args=(one,)) for one in ("cache", "pages")]
    for thread in changing:
        thread.start()
    while any(thread.is_alive() for thread in changing):
        for found in json.loads((tmp_path / "endpoints.json").read_text()).values():
            assert [one["id"] for one in found["endpoints"]][:1] == ["a"]
    source = registry.source("pages")
    assert [one.address for one in snapshot_of(source.fetch(5.0), source.name)] == ["127.0.0.1:1"]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])
def test_the_screen_tells_calls_and_losses(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal members have rows of a table; elsewhere there is a line from time to time."""
    monkeypatch.setattr("fleet.screen.PLAIN_REFRESH", 0.05)
    pool: Pool[str] = Pool("pages")
    pool.add_client("client", "a")

    def call(number: int) -> object:
        if number == 3:
            raise ConnectionError("gone")
        return pool.execute(lambda client: client)

    service = Service("pages", pool, call)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=160)
    shown: Callable[[], str] = console.file.getvalue  # type: ignore[attr-defined]  # it is a StringIO
    with Callers([service], threads=1) as callers, Screen(console, [service], callers) as screen:
        screen.say("an act")
        assert eventually(lambda: "calls, 1 lost" in shown())
    pool.close()
    assert "an act" in shown()
    assert ("attempts" in shown()) == terminal
    assert ("1 of 1 serve" in shown()) != terminal
    assert [(name, str(error)) for name, error in callers.lost] == [("pages", "gone")]


@pytest.mark.parametrize(
    "change", [{"calls": 0}, {"lost": [ConnectionError("gone")]}, {"left": 0}, {"ejections": 0}]
)
def test_what_is_not_good(change: dict[str, object]) -> None:
    """No call at all, a lost one, a registry that was not followed, a dead server that was not cut off: each is a failure."""

    def summary(**changes: object) -> Summary:
        numbers = {"retries": 0, "ejections": 1, "updates": 3, "joined": 3, "left": 1}
        figures = Figures(**{name: changes.pop(name, number) for name, number in numbers.items()})  # type: ignore[arg-type]
        return Summary(**{"service": "pages", "calls": 9, "lost": [], "figures": figures, **changes})  # type: ignore[arg-type]

    assert is_good([summary(), summary()])
    assert not is_good([summary(), summary(**change)])
