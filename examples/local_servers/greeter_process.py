"""The gRPC server as a program of its own, so that it can be killed and hung as a real one."""

import sys
from pathlib import Path

import grpc

from greeter import greeter_pb2_grpc
from greeter.greeter_pb2 import HelloRequest
from local_servers.ports import HOST
from local_servers.process import LocalProcess
from local_servers.server import ProcessServer

_SERVE = Path(__file__).with_name("_serve.py")


class GreeterProcess(ProcessServer):
    """A `GreeterServer` in a process of its own; end it with `stop` or `with`.

    Args:
        name: what the server calls itself in its replies.

    Raises:
        RuntimeError: the server ended or did not answer; the text holds what it printed.
    """

    program = "greeter"

    def __init__(self, name: str = "greeter") -> None:
        self.name = name
        super().__init__()

    def command(self, port: int, folder: str) -> list[str]:
        """Return the program and its arguments."""
        return [sys.executable, str(_SERVE), "greeter", self.name, str(port)]

    def answers(self, process: LocalProcess, port: int) -> bool:
        """Ask for a greeting; a process that lost the port to another one would have ended."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(f"{HOST}:{port}", options) as channel:
            try:
                reply = greeter_pb2_grpc.GreeterStub(channel).SayHello(HelloRequest(), timeout=1.0)
            except grpc.RpcError:
                return False
        return reply.message.endswith(self.name) and process.is_running
