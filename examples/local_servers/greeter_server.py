"""An in-process gRPC server for the service of `greeter/greeter.proto`."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import TracebackType
from typing import Any, Self

import grpc

from greeter import greeter_pb2_grpc
from greeter.greeter_pb2 import HelloReply, HelloRequest
from local_servers.ports import HOST, free_port

START_TIMEOUT = 20.0  # seconds
NOBODY = "nobody"  # whom the servers do not know: NOT_FOUND


class GreeterServer:
    """A gRPC server on a loopback port of its own, running once constructed; end it with `kill` or `with`.

    Args:
        name: what the server calls itself in its replies.
        credentials: serves over TLS with these.
        health: whether it knows the health protocol.
        port: where it listens; 0 for any free port.

    Attributes:
        calls: how many calls of each kind arrived, by the method's name.
        peers: the client side of every TCP connection that a call came through, as `context.peer()` tells it.
    """

    host = HOST

    def __init__(
        self,
        name: str = "greeter",
        *,
        credentials: grpc.ServerCredentials | None = None,
        health: bool = False,
        port: int = 0,
    ) -> None:
        self.name = name
        self._credentials = credentials
        self._health: Any = _health("health").HealthServicer() if health else None
        self.calls: Counter[str] = Counter()
        self.peers: set[str] = set()
        self._port = port
        self._server = self._start()

    @property
    def port(self) -> int:
        """The port, the same before and after a restart."""
        return self._port

    @property
    def address(self) -> str:
        """`host:port`, as a gRPC channel takes it."""
        return f"{self.host}:{self.port}"

    def serve(self, *, serving: bool) -> None:
        """Say of itself that it is serving, or not, to who asks by the health protocol."""
        if self._health is None:
            raise RuntimeError("this server does not know the health protocol")
        statuses = _health("health_pb2").HealthCheckResponse
        self._health.set("", statuses.SERVING if serving else statuses.NOT_SERVING)

    def kill(self) -> None:
        """End the server at once: calls that run fail with UNAVAILABLE; `restart` brings it back."""
        self._server.stop(grace=None).wait()

    def restart(self) -> None:
        """Start the server again on the same port, killing the one that runs.

        Raises:
            RuntimeError: the port was not to be had within `START_TIMEOUT`.
        """
        self.kill()
        self._server = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def __repr__(self) -> str:
        return f"GreeterServer({self.name!r}, {self.address})"

    def _start(self) -> grpc.Server:
        server = grpc.server(
            ThreadPoolExecutor(thread_name_prefix=self.name),
            # Without this a second server could share the port, and get half of the calls.
            options=[("grpc.so_reuseport", 0)],
        )
        greeter_pb2_grpc.add_GreeterServicer_to_server(_Greeter(self), server)
        if self._health is not None:
            _health("health_pb2_grpc").add_HealthServicer_to_server(self._health, server)
        self._port = _bind(server, self._port, self._credentials)
        server.start()
        return server


def _health(module: str) -> Any:
    return import_module(f"grpc_health.v1.{module}")  # has no types


def _bind(server: grpc.Server, wanted: int, credentials: grpc.ServerCredentials | None) -> int:
    """Bind the wanted port, or any when it is 0; wait a moment for one that is still in use."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        port = wanted or free_port()
        try:
            if credentials is not None:
                return server.add_secure_port(f"{HOST}:{port}", credentials)
            return server.add_insecure_port(f"{HOST}:{port}")
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class _Greeter(greeter_pb2_grpc.GreeterServicer):
    """Answers each kind of call with the server's name in the text."""

    def __init__(self, owner: GreeterServer) -> None:
        self._owner = owner

    def _note(self, method: str, context: grpc.ServicerContext) -> None:
        self._owner.calls[method] += 1
        self._owner.peers.add(context.peer())

    def _reply(self, names: str) -> HelloReply:
        return HelloReply(message=f"Hello, {names}, from {self._owner.name}")

    def SayHello(self, request: HelloRequest, context: grpc.ServicerContext) -> HelloReply:
        self._note("SayHello", context)
        if request.name == NOBODY:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is nobody of that name")
        return self._reply(request.name)

    def ListReplies(
        self, request: HelloRequest, context: grpc.ServicerContext
    ) -> Iterator[HelloReply]:
        self._note("ListReplies", context)
        for _ in range(3):
            yield self._reply(request.name)

    def RecordNames(
        self, request_iterator: Iterator[HelloRequest], context: grpc.ServicerContext
    ) -> HelloReply:
        self._note("RecordNames", context)
        return self._reply(" and ".join(request.name for request in request_iterator))

    def Chat(
        self, request_iterator: Iterator[HelloRequest], context: grpc.ServicerContext
    ) -> Iterator[HelloReply]:
        self._note("Chat", context)
        for request in request_iterator:
            yield self._reply(request.name)
