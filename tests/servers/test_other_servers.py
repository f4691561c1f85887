"""The etcd, Milvus and HTTP servers that other tests rely on, and the proxy's TLS."""

import socket
import ssl
import urllib.error
import urllib.request

import pytest
import redis
import requests
import trustme
from dnslib import DNSRecord
from pymilvus import MilvusClient

from local_servers import (
    ConsulServer,
    DnsServer,
    EtcdCluster,
    FaultProxy,
    HttpServer,
    MilvusServer,
    RedisServer,
    consul_program,
)
from tests.servers.clients import plain_redis

pytestmark = pytest.mark.servers


def test_an_etcd_cluster_is_one_cluster() -> None:
    """What is written through one member is read through another, also after a member's restart."""
    with EtcdCluster() as cluster:
        one, other = (f"http://{place}/v3/kv" for place in cluster.endpoints[:2])
        put = requests.post(f"{one}/put", json={"key": "YQ==", "value": "Yg=="}, timeout=10)
        assert put.status_code == 200
        cluster.servers[1].kill()
        assert not cluster.servers[1].is_running
        cluster.restart_dead()
        found = requests.post(f"{other}/range", json={"key": "YQ=="}, timeout=10).json()
        assert found["kvs"][0]["value"] == "Yg=="


@pytest.mark.skipif(consul_program() is None, reason="there is no Consul here; see .ci/consul")
def test_consul_knows_what_is_registered() -> None:
    """An instance is there until it is taken out; after a restart the port is the same, and nothing is known."""
    with ConsulServer() as server:
        port, path = server.port, "/v1/health/service/web"
        server.register("one", "127.0.0.1:8001")
        assert [entry["Service"]["ID"] for entry in server.ask("GET", path)] == ["one"]
        server.deregister("one")
        assert server.ask("GET", path) == []
        server.register("two", "127.0.0.1:8002")
        server.restart()
        assert server.port == port
        assert server.ask("GET", path) == []


def test_a_dns_server_says_what_its_zone_holds() -> None:
    """The zone is replaced at once, also while the server is down; the port stays the same."""

    def asked(port: int) -> str:
        packet = DNSRecord.question("web.test").send("127.0.0.1", port, timeout=5)
        return str(DNSRecord.parse(packet).short())

    with DnsServer("web.test. 7 IN A 10.0.0.1") as server:
        assert asked(server.port) == "10.0.0.1"
        server.say("web.test. 7 IN A 10.0.0.2")
        assert asked(server.port) == "10.0.0.2"
        server.kill()
        server.say("other.test. 7 IN A 10.0.0.3")
        server.restart()
        assert asked(server.port) == ""


def test_milvus_keeps_what_it_stores() -> None:
    """After a restart on the same port the collections are there."""
    with MilvusServer() as server:
        for restart in (False, True):
            if restart:
                server.restart()
            client = MilvusClient(f"http://{server.address}", dedicated=True, timeout=20)
            if not restart:
                client.create_collection("numbers", dimension=2)
            assert client.list_collections() == ["numbers"]
            client.close()


def test_http_wants_its_token() -> None:
    """With it: 200 and the name; without it: 401; the status is what a test makes it."""
    with HttpServer("a", token="secret") as server:
        request = urllib.request.Request(server.address, headers={"Authorization": "Bearer secret"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.read() == b"a"
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            urllib.request.urlopen(server.address, timeout=10)
        caught.value.close()


def test_https() -> None:
    """With a context it serves HTTPS."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with (
        HttpServer("a", tls=context) as server,
        urllib.request.urlopen(server.address, timeout=10, context=trusting) as answer,
    ):
        assert answer.read() == b"a"


def test_a_proxy_can_speak_tls(redis_server: RedisServer) -> None:
    """Clients speak TLS to the proxy, the proxy speaks plainly to the server."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultProxy(redis_server.port, tls=context) as proxy:
        with plain_redis(proxy.port, timeout=1.0) as client, pytest.raises(redis.RedisError):
            client.ping()
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(trusting)
        with (
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(b"PING\r\n")
            assert secure.recv(16) == b"+PONG\r\n"
