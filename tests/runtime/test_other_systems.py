"""What Windows and macOS lack or do otherwise, taken away here: nothing may rely on it unasked.

These tests run on Linux and prove the guards alone; nothing of the project has been run on those systems.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import Pool
from connpool_runtime._concurrency import tasks
from connpool_runtime.admin import serve_admin, serve_workers, sockets
from connpool_runtime.admin.run_folder import RunningProcess, running
from connpool_runtime.ctl.processes import Where, found
from tests.runtime.admin.pools import Shop, shop_pool

# Linux as if it were Windows. A pair of sockets, of which event loops are made, is one of TCP there.
AS_WINDOWS = """
import os, signal, socket
pair, family = socket.socketpair, socket.AF_UNIX
socket.socketpair = lambda *ignored: pair(family)
del socket.AF_UNIX, signal.SIGHUP, os.getuid, os.fork, os.register_at_fork
"""
# The clock of Windows before Python 3.13: it moves 64 times a second.
COARSE = """
import time
exact = time.monotonic
time.monotonic = time.perf_counter = lambda: exact() * 64 // 1 / 64
"""
USE = """
import math
from connpool_runtime import Method, Pool, deadline
from connpool_runtime.middleware import *

call = Method("look", lambda client, args: client, idempotent=True)
for balancer in ("round_robin", "least_request", "peak_ewma"):
    pool = Pool(balancer=balancer, failure_rate_threshold=0.5, slow_call_rate_threshold=0.5)
    for middleware in (AdaptiveLimit(), Bulkhead(4), Deadline(), MethodBreaker(), RateLimit(1e6), Retry()):
        pool.register_middleware(middleware)
    for name in "abc":
        pool.add_client(name, name=name)
    with deadline(60.0):
        answers = [pool.call(call) for _ in range(2_000)]
    assert set(answers) == set("abc"), set(answers)
    [method] = pool.stats().methods
    assert method.successes == method.latency.count == 2_000
    assert 0.0 <= method.latency.total < math.inf
    pool.close()
print("well")
"""


@pytest.fixture
def no_unix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without Unix sockets and users, on which to ask for a process would end it; gives a folder."""
    pair, family = socket.socketpair, socket.AF_UNIX
    monkeypatch.setattr(
        socket, "socketpair", lambda *_: pair(family)
    )  # of which event loops are made
    monkeypatch.delattr(socket, "AF_UNIX")
    monkeypatch.delattr(os, "getuid")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("this would have ended a process"))
    return tmp_path


def run(program: str, *arguments: str) -> str:
    """Run a program in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_fork_pools_work() -> None:
    """Where no process can be forked, nothing is prepared for it, and calls go on as usual."""
    assert run(AS_WINDOWS + USE) == "well\n"


def test_a_coarse_clock_is_no_fault() -> None:
    """With a clock that stands still for 16 ms, calls take no time at all, and nothing divides by that."""
    assert run(COARSE + USE) == "well\n"


@pytest.mark.parametrize(
    "use",
    [
        lambda pool, folder: serve_admin({"shop": pool}, run_folder=folder),
        lambda pool, folder: serve_admin({"shop": pool}, run_folder=True),
        lambda pool, folder: serve_admin({"shop": pool}, unix_socket=folder / "it.sock"),
        lambda _pool, folder: serve_workers("web", run_folder=folder),
        lambda _pool, folder: running(folder),
        lambda _pool, folder: running(folder / "that is not there"),
        lambda _pool, _folder: found(Where()),
    ],
)
def test_where_there_are_no_unix_sockets_it_is_said(no_unix: Path, use: Any) -> None:
    """Whoever wants one, or a run folder, reads what to do instead, and no process is asked for there."""
    (no_unix / f"web.{os.getpid()}.sock").touch()
    with pytest.raises(
        Exception, match=r"no Unix sockets.*serve by host and port, and ask with --url"
    ):
        use(shop_pool(), no_unix)


def test_by_tcp_the_admin_is_served_everywhere(no_unix: Path) -> None:
    """The admin endpoint asks for nothing that only Unix has, unless it is told to."""
    pool: Pool[Shop] = shop_pool()
    with serve_admin({"shop": pool}) as server:
        assert server.url.startswith("http://127.0.0.1:")


def test_a_port_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option that lets a port be taken again after a restart is not set where it lets two have it at once."""
    with sockets.listen_on_tcp("127.0.0.1", 0) as here:
        assert here.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)

    class Windows:
        name = "nt"

    monkeypatch.setattr(sockets, "os", Windows)
    with sockets.listen_on_tcp("127.0.0.1", 0) as there:
        assert not there.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


async def test_signals_come_to_loops_that_take_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the event loop cannot wait for signals, a signal still has its function called in the loop, until it is put back."""

    def cannot(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(type(asyncio.get_running_loop()), "add_signal_handler", cannot)
    before, came = signal.getsignal(signal.SIGUSR1), asyncio.Event()
    restore = tasks.on_signal(signal.SIGUSR1, came.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(came.wait(), 20)
    restore()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_start_needs_neither_hangup_nor_sockets(tmp_path: Path) -> None:
    """`connpoolctl start` runs and ends where there is no SIGHUP, and says at which address alone it is asked."""
    file = tmp_path / "services.toml"
    file.write_text("[services]\n", encoding="utf-8")
    program = f"{AS_WINDOWS}\nfrom connpool_runtime.ctl.__main__ import main\nmain()"
    command = [sys.executable, "-c", program, "start", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            assert started.stderr is not None
            line = started.stderr.readline()
            assert "no service; admin at http://127.0.0.1:" in line, line + started.stderr.read()
            assert "unix:" not in line
            started.send_signal(signal.SIGTERM)
            assert started.wait(20) == 0
        finally:
            started.kill()


def test_a_token_is_the_same_in_every_locale(tmp_path: Path) -> None:
    """What is written into a file of a token is read from it, whatever the system's encoding is."""
    process = RunningProcess("web", 1, tmp_path / "web.1.sock")
    process.write_token("geheim-ü-→")
    assert process.token_file.read_bytes() == "geheim-ü-→".encode()
    assert process.token == "geheim-ü-→"
