"""What all servers have in common that are programs of their own: a port, a folder, and being killed and brought back."""

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from local_servers.folders import ServerFolder
from local_servers.ports import HOST, free_port
from local_servers.process import LocalProcess

START_TIMEOUT = 60.0  # seconds; a start takes between 0.05 and 3 on an idle machine
_POLL = 0.005


class ProcessServer(ABC):
    """A server on a loopback port of its own, running once constructed; end it with `stop` or `with`.

    Raises:
        RuntimeError: the server ended or did not answer within `START_TIMEOUT`; the text holds what it printed.
    """

    host = HOST
    program = "server"

    def __init__(self, *, port: int = 0) -> None:
        self._folder = ServerFolder(prefix=f"{self.program}-")
        self._port = port
        try:
            self._process = self._start()
        except BaseException:
            self._folder.cleanup()
            raise

    @abstractmethod
    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""

    @abstractmethod
    def answers(self, process: LocalProcess, port: int) -> bool:
        """Tell whether this very process serves at the port."""

    @property
    def port(self) -> int:
        """The port, the same before and after a restart."""
        return self._port

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server that runs, or ran last."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended; true for one that hangs."""
        return self._process.is_running

    def kill(self) -> None:
        """Kill the server at once (SIGKILL), as a crash would; `restart` brings it back."""
        self._process.kill()

    def restart(self) -> None:
        """Start the server on the same port and folder, killing the one that runs.

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
        return f"{type(self).__name__}({self.host}:{self.port}, pid={self.pid})"

    def _start(self) -> LocalProcess:
        """Start a server on its port, or on a new one as long as it has none."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            port = self._port or free_port()
            process = LocalProcess(*self.command(port, self._folder.name), folder=self._folder.name)
            try:
                ready = self._wait_until_ready(process, port, deadline)
            except BaseException:
                process.kill()
                raise
            if ready:
                self._port = port
                return process
            printed = process.kill()
            port_was_taken = "address already in use" in printed.lower()
            if not port_was_taken or time.monotonic() > deadline:
                raise RuntimeError(f"no {self.program} on port {port}; it printed:\n{printed}")

    def _wait_until_ready(self, process: LocalProcess, port: int, deadline: float) -> bool:
        """Wait until this very process answers; False when it ended (the port was taken) or time is up."""
        while process.is_running and time.monotonic() < deadline:
            if self.answers(process, port):
                return True
            time.sleep(_POLL)
        return False
