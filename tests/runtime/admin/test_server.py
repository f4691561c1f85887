"""The server of its own: addresses, sockets, ends, forks."""

import os
import socket
import stat
import threading
import urllib.request
from pathlib import Path

import httpx
import pytest

from connpool_runtime import AsyncPool
from connpool_runtime.admin import serve_admin
from tests.runtime.admin.pools import TOKEN, served, shop_pool
from tests.runtime.forking import in_child


def over(path: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost")


def test_it_listens_on_this_machine_and_a_free_port() -> None:
    """By default it listens on 127.0.0.1, on a port of its own, in a thread that ends when it is closed."""
    with serve_admin({"shop": shop_pool()}) as one, serve_admin({"shop": shop_pool()}) as other:
        assert one.url.startswith("http://127.0.0.1:")
        assert one.port != other.port
        assert httpx.get(one.url + "/health/live").status_code == 200
        assert "connpool admin" in [thread.name for thread in threading.enumerate()]
    assert one.closed
    one.close()
    assert "connpool admin" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(httpx.ConnectError):
        httpx.get(one.url + "/health/live")


def test_an_address_that_is_taken() -> None:
    """An address that cannot be had is the caller's error, and names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            serve_admin({"shop": shop_pool()}, port=port)


def test_ipv6() -> None:
    """The address of IPv6's loopback is this machine too."""
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("THERE IS NO IPv6 HERE")
    with served({"shop": shop_pool()}, host="::1", token=None) as (server, admin):
        assert server.url == f"http://[::1]:{server.port}"
        assert admin.get("/stats").status_code == 200


def test_a_unix_socket(tmp_path: Path) -> None:
    """On a Unix socket, which is its owner's alone, one reads without a token; writing takes it all the same."""
    path = tmp_path / "admin.sock"
    pool = shop_pool()
    with serve_admin({"shop": pool}, unix_socket=path, token=TOKEN) as server, over(path) as client:
        assert server.url == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert client.get("/stats").status_code == 200
        assert client.post("/eject", json={"member": "m0"}).status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = client.post("/eject", json={"member": "m0"}, headers=headers)
        assert answer.status_code == 200
        with pytest.raises(OSError, match="a process listens"):
            serve_admin({"shop": pool}, unix_socket=path)
    assert not path.exists()


def test_the_socket_of_a_dead_process_gives_way(tmp_path: Path) -> None:
    """What a process that was killed has left is replaced; a file that is no socket is not."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with serve_admin({"shop": shop_pool()}, unix_socket=path), over(path) as client:
        assert client.get("/stats").status_code == 200
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        serve_admin({"shop": shop_pool()}, unix_socket=path)
    assert path.read_text() == "precious"
    with pytest.raises(OSError, match="bytes too long"):
        serve_admin({"shop": shop_pool()}, unix_socket=tmp_path / ("x" * 100))


def test_asynchronous_pools_need_their_loop() -> None:
    """Served outside of an event loop, asynchronous pools are refused with what to do."""
    with pytest.raises(TypeError, match="loop="):
        serve_admin({"shop": AsyncPool("shop")})


def test_unknown_options_are_refused() -> None:
    """An option that there is not is refused with the nearest name."""
    with pytest.raises(TypeError, match="body_limit"):
        serve_admin({"shop": shop_pool()}, body_limits=3)  # type: ignore[call-arg]  # the point of it


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_leaves_the_address_to_its_parent(tmp_path: Path) -> None:
    """In the child of a fork the server is closed, the parent's goes on, and the child may serve its own."""
    path = tmp_path / "admin.sock"
    pool = shop_pool()
    with serve_admin({"shop": pool}, unix_socket=path) as server:

        def child() -> bool:
            closed = server.closed
            server.close()
            with (
                serve_admin({"shop": pool}) as own,
                urllib.request.urlopen(own.url + "/stats") as answer,
            ):
                found = str(os.getpid()).encode() in answer.read()
            return closed and found and path.exists()

        assert in_child(child) == "True"
        with over(path) as client:
            assert client.get("/stats").json()["process"]["pid"] == os.getpid()
