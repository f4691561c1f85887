"""The Redis servers that other tests rely on."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from local_servers import RedisServer, free_port
from tests.servers.clients import plain_redis
from tests.waiting import eventually

pytestmark = pytest.mark.servers

EXAMPLES = Path(__file__).parents[2] / "examples"


def has_ended(pid: int) -> bool:
    """A process that nobody waited for is a zombie; it has ended all the same."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_answering_process_is_ours(redis_server: RedisServer) -> None:
    """The server at the port is the process that the object started."""
    with plain_redis(redis_server.port) as client:
        assert client.info("server")["process_id"] == redis_server.pid


def test_kill_and_restart_keep_the_port(redis_server: RedisServer) -> None:
    """A killed server refuses connections; after `restart` a new, empty one answers at the same port."""
    port, pid = redis_server.port, redis_server.pid
    with plain_redis(redis_server.port) as client:
        client.set("key", "value")
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        redis_server.restart()
        assert redis_server.port == port
        assert redis_server.pid != pid
        assert client.get("key") is None


def test_a_hanging_server_accepts_and_does_not_answer(redis_server: RedisServer) -> None:
    """While a server hangs, calls time out; after `resume` it answers."""
    with plain_redis(redis_server.port, timeout=0.05) as client:
        redis_server.hang()
        with pytest.raises(redis.TimeoutError):
            client.ping()
    redis_server.resume()
    with plain_redis(redis_server.port) as client:
        assert client.ping()


def test_options_reach_the_server() -> None:
    """Options given to the constructor are options of redis-server."""
    with RedisServer("--maxclients", "7") as server, plain_redis(server.port) as client:
        assert client.config_get("maxclients") == {"maxclients": "7"}


def test_a_bad_option_is_told() -> None:
    """When a server ends instead of coming up, the error holds what it printed."""
    with pytest.raises(RuntimeError, match="no-such-option"):
        RedisServer("--no-such-option", "1")


def test_a_port_taken_by_somebody_else_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """When another server has the port, a free one is tried, and the other server is not taken for ours."""
    with RedisServer() as other:
        ports = iter([other.port, free_port()])
        monkeypatch.setattr("local_servers.server.free_port", lambda: next(ports))
        with RedisServer() as server, plain_redis(server.port) as client:
            assert server.port != other.port
            assert client.info("server")["process_id"] == server.pid


def test_stop_removes_the_folder_and_may_be_repeated() -> None:
    """After `stop` neither the process nor its folder is there; stopping again does nothing."""
    server = RedisServer()
    folder = Path(f"/proc/{server.pid}/cwd").readlink()
    assert folder.is_dir()
    server.stop()
    server.stop()
    assert has_ended(server.pid)
    assert not folder.exists()


def test_the_server_outlives_the_thread_that_asked_for_it() -> None:
    """A server started in a short-lived thread goes on after that thread's end."""
    servers: list[RedisServer] = []
    thread = threading.Thread(target=lambda: servers.append(RedisServer()))
    thread.start()
    thread.join()
    with servers[0] as server, plain_redis(server.port) as client:
        assert client.ping()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent's life")
def test_no_server_outlives_a_crash() -> None:
    """When the process that started a server is killed, the server dies too."""
    program = "from local_servers import RedisServer; print(RedisServer().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as crashing:
        assert crashing.stdout is not None
        pid = int(crashing.stdout.readline())
        assert not has_ended(pid)
        crashing.send_signal(signal.SIGKILL)
    assert eventually(lambda: has_ended(pid))
