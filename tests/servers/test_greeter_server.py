"""The gRPC servers that other tests rely on."""

import grpc
import pytest

from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import GreeterServer

pytestmark = pytest.mark.servers


def test_the_four_kinds_of_call() -> None:
    """Unary, server stream, client stream and chat are answered with the server's name, and counted."""
    names = [HelloRequest(name="Ann"), HelloRequest(name="Bob")]
    with GreeterServer("a") as server, grpc.insecure_channel(server.address) as channel:
        stub = GreeterStub(channel)
        assert stub.SayHello(names[0]).message == "Hello, Ann, from a"
        assert len(list(stub.ListReplies(names[0]))) == 3
        assert stub.RecordNames(iter(names)).message == "Hello, Ann and Bob, from a"
        assert [reply.message for reply in stub.Chat(iter(names))] == [
            "Hello, Ann, from a",
            "Hello, Bob, from a",
        ]
        assert server.calls == {"SayHello": 1, "ListReplies": 1, "RecordNames": 1, "Chat": 1}
        assert len(server.peers) == 1


async def test_asyncio_clients_are_served() -> None:
    """The same server answers a channel of grpc.aio."""
    with GreeterServer("a") as server:
        async with grpc.aio.insecure_channel(server.address) as channel:
            reply = await GreeterStub(channel).SayHello(HelloRequest(name="Ann"))
    assert reply.message == "Hello, Ann, from a"


def test_kill_and_restart_keep_the_port() -> None:
    """A killed server gives UNAVAILABLE; after `restart` one answers at the same port."""
    with GreeterServer("a") as server, grpc.insecure_channel(server.address) as channel:
        stub, port = GreeterStub(channel), server.port
        stub.SayHello(HelloRequest(name="Ann"))
        server.kill()
        with pytest.raises(grpc.RpcError) as caught:
            stub.SayHello(HelloRequest(name="Ann"), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        server.restart()
        assert server.port == port
        stub.SayHello(HelloRequest(name="Ann"), wait_for_ready=True, timeout=10)
        assert server.calls["SayHello"] == 2


def test_two_servers_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second server on a port that is in use does not come up."""
    monkeypatch.setattr("local_servers.greeter_server.START_TIMEOUT", 0.0)
    with GreeterServer("a") as first:
        monkeypatch.setattr("local_servers.greeter_server.free_port", lambda: first.port)
        with pytest.raises(RuntimeError):
            GreeterServer("b")
