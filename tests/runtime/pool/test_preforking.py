"""Servers that load a program and then fork: `gunicorn --preload`, and a pool of multiprocessing."""

import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.forking import forks
from tests.runtime.pool.preloaded import Seen, Service, line_server
from tests.thorough import thorough
from tests.waiting import eventually

pytestmark = forks
ROOT = Path(__file__).parents[3]
WORKERS = 3
APPLICATION = """
from tests.runtime.pool.preloaded import Service
application = Service({address!r}).application
"""
service: Service  # of the parent of a pool of processes, which its children inherit


def answer(number: int) -> tuple[int, dict[str, int]]:
    return service.answer(number)


def check(answers: list[tuple[int, dict[str, int]]], seen: Seen, parent: int) -> None:
    """Each process was answered over connections of its own, checks them, and spoke on no other's."""
    workers = {process for process, _ in answers}
    assert len(workers) == WORKERS
    assert parent not in workers
    for process, by in answers:
        assert set(by.values()) == {process}, by
    for process in workers:
        assert eventually(lambda process=process: seen.of(process, "check") > 2)
    before = seen.of(parent, "check")
    assert eventually(lambda: seen.of(parent, "check") > before + 1), "the parent goes on"
    assert seen.strangers == []


@thorough
def test_a_pool_of_processes() -> None:
    """Each child of `multiprocessing` has clients of its own, checks them, and lets the parent's alone."""
    global service
    with line_server() as (address, seen):
        service = Service(address)
        with multiprocessing.get_context("fork").Pool(WORKERS) as processes:
            answers: list[Any] = []

            def all_have_answered() -> bool:
                answers.extend(processes.map(answer, range(12), chunksize=1))
                return len({process for process, _ in answers}) == WORKERS

            assert eventually(all_have_answered)
            check(answers, seen, os.getpid())
        assert set(service.ask().values()) == {os.getpid()}
        service.connected.close()
        service.shared.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, which has a path instead of a port."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


@contextmanager
def gunicorn(folder: Path, address: str) -> Iterator[tuple[int, Path]]:
    """Run gunicorn with --preload; gives its process and the path of its socket."""
    (folder / "service.py").write_text(APPLICATION.format(address=address))
    path, log = folder / "s", folder / "log"
    command = [sys.executable, "-m", "gunicorn", "--preload", f"--workers={WORKERS}"]
    command += [f"--bind=unix:{path}", f"--chdir={folder}", "--no-control-socket", "service"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'examples'}"}
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        assert eventually(lambda: listens(path)), log.read_text()
        yield process.pid, path
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()


def listens(path: Path) -> bool:
    """The socket's file appears a moment before the server listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def get(path: Path) -> tuple[int, dict[str, int]]:
    connection = UnixConnection(path)
    connection.request("GET", "/")
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found[0], found[1]


def test_gunicorn_with_preload(tmp_path: Path) -> None:
    """Each worker has clients of its own, checks them, and never touches the sockets of the master."""
    pytest.importorskip("gunicorn", reason="NO TEST OF GUNICORN: it is not installed")
    with line_server() as (address, seen), gunicorn(tmp_path, address) as (master, path):
        answers: list[Any] = []

        def all_have_answered() -> bool:
            answers.append(get(path))
            return len({process for process, _ in answers}) == WORKERS

        assert eventually(all_have_answered)
        check(answers, seen, master)
