"""A real Milvus server: the one of `milvus-lite`, as a program of its own."""

import socket
import sys
from importlib.util import find_spec

from local_servers.ports import HOST
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer


class MilvusServer(ProcessServer):
    """A Milvus server on a loopback port of its own, running once constructed; end it with `stop` or `with`.

    What it stores is there again after `restart`.

    Raises:
        RuntimeError: the server ended or did not answer; the text holds what it printed.
    """

    program = "milvus-lite"

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        if find_spec("milvus_lite") is None:
            raise RuntimeError("the package milvus-lite is missing: pip install milvus-lite")
        options = ["--data-dir", f"{folder}/data", "--host", HOST, "--port", str(port)]
        return [sys.executable, "-m", "milvus_lite", "server", *options]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Whether it listens; a taken port would have ended the process."""
        try:
            socket.create_connection((HOST, port), timeout=1.0).close()
        except OSError:
            return False
        return process.is_running
