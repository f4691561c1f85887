"""The servers of this process, run as programs of their own."""

import urllib.error
import urllib.request

import grpc
import pytest

from greeter import greeter_pb2_grpc
from greeter.greeter_pb2 import HelloRequest
from local_servers import GreeterProcess, HttpProcess
from local_servers.greeter_server import NOBODY
from local_servers.http_server import MISSING
from local_servers.process import LocalProcess

pytestmark = pytest.mark.servers


def test_a_greeter_is_killed_and_brought_back() -> None:
    """After a kill it is gone, after a restart it answers at the same port by the same name."""
    with GreeterProcess("ann") as server:
        port = server.port
        assert server.answers(server._process, port)
        server.kill()
        assert not server.is_running
        assert not server.answers(server._process, port)
        server.restart()
        assert server.port == port
        with grpc.insecure_channel(server.address) as channel:
            stub = greeter_pb2_grpc.GreeterStub(channel)
            assert stub.SayHello(HelloRequest(name="Bob")).message == "Hello, Bob, from ann"
            with pytest.raises(grpc.RpcError) as caught:
                stub.SayHello(HelloRequest(name=NOBODY))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_http_server_hangs_and_goes_on() -> None:
    """Stopped it answers nothing, resumed it answers its name; below one path there is nothing."""
    with HttpProcess("bob") as server:
        url = f"http://{server.address}"
        server.hang()
        with pytest.raises(OSError, match="timed out"):
            urllib.request.urlopen(url, timeout=0.1)
        server.resume()
        with urllib.request.urlopen(url, timeout=5.0) as answer:
            assert answer.read() == b"bob"
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{url}{MISSING}", timeout=5.0)
        caught.value.close()


def test_another_at_the_port_is_not_it() -> None:
    """A server that answers by another name, or for a process that has ended, is not the one asked about."""
    with HttpProcess("bob") as bob, HttpProcess("ann") as ann:
        assert not ann.answers(ann._process, bob.port)
        ended = LocalProcess("/bin/true", folder="/")
        while ended.is_running:
            pass
        assert not bob.answers(ended, bob.port)
        ended.kill()
