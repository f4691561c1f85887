"""The HTTP server as a program of its own, so that it can be killed and hung as a real one."""

import http.client
import sys
from pathlib import Path

from local_servers.ports import HOST
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer

_SERVE = Path(__file__).with_name("_serve.py")


class HttpProcess(ProcessServer):
    """An `HttpServer` in a process of its own; end it with `stop` or `with`.

    Args:
        name: what it answers.

    Raises:
        RuntimeError: the server ended or did not answer; the text holds what it printed.
    """

    program = "http"

    def __init__(self, name: str = "http") -> None:
        self.name = name
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        return [sys.executable, str(_SERVE), "http", self.name, str(port)]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Ask for its name; a process that lost the port to another one would have ended."""
        connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read() == self.name.encode() and process.is_running
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
