"""Endpoints from a DNS server whose zone changes."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dnslib import AAAA, QTYPE, RCODE, RR, SRV, A
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from connpool_runtime import Pool
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import AsyncDnsSource, DnsSource, DnsSourceConfig, SourceFailed
from connpool_runtime.discovery.kinds import source_of
from local_servers import free_port
from tests.runtime.discovery.asking import asking
from tests.runtime.faces import Client
from tests.waiting import eventually

pytestmark = pytest.mark.servers
both = pytest.mark.parametrize("kind", [DnsSource, AsyncDnsSource])


class Zone(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """The names of a server; a test changes them while it runs."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[Any]] = {}
        self.ttl = 60
        self.code = RCODE.NOERROR
        self.asked = 0

    def resolve(self, request: Any, handler: Any) -> Any:
        reply, question = request.reply(), request.q
        self.asked += 1
        name, kind = str(question.qname).rstrip("."), QTYPE[question.qtype]
        known = {known for known, _ in self.records}
        reply.header.rcode = self.code or (RCODE.NOERROR if name in known else RCODE.NXDOMAIN)
        for data in self.records.get((name, kind), ()):
            reply.add_answer(RR(question.qname, question.qtype, rdata=data, ttl=self.ttl))
        return reply


class Server:
    """A DNS server on a loopback port of its own, over UDP and TCP."""

    def __init__(self) -> None:
        self.zone = Zone()
        self.port = 0
        self._servers: list[DNSServer] = []
        while not self._servers:
            try:
                self.start(free_port())
            except OSError:  # somebody else was quicker
                continue

    def start(self, port: int) -> None:
        quiet = DNSLogger(log="-request,-reply,-truncated,-error")
        options = {"address": "127.0.0.1", "port": port, "logger": quiet}
        servers = [DNSServer(self.zone, tcp=tcp, **options) for tcp in (False, True)]
        for server in servers:
            serve = server.server.serve_forever
            threading.Thread(target=serve, args=(0.01,), daemon=True).start()
        self.port, self._servers = port, servers

    def stop(self) -> None:
        for server in self._servers:
            server.server.shutdown()
            server.server.server_close()

    def config(self, name: str, **more: Any) -> DnsSourceConfig:
        return DnsSourceConfig(name=name, nameservers=f"127.0.0.1:{self.port}", **more)


@pytest.fixture
def server() -> Iterator[Server]:
    """One DNS server."""
    server = Server()
    yield server
    server.stop()


@both
def test_addresses_of_a_name(server: Server, kind: Any) -> None:
    """Each address is an endpoint at the port that was given; the zone is asked again when its records expire."""
    server.zone.records = {
        ("web.test", "A"): [A("10.0.0.1"), A("10.0.0.2")],
        ("web.test", "AAAA"): [AAAA("::1")],
    }
    server.zone.ttl = 7
    with asking(kind(server.config("web.test", port=80))) as asker:
        assert set(asker.ask()) == {"10.0.0.1:80", "10.0.0.2:80", "[::1]:80"}
        assert asker.source.interval == 7
        server.zone.ttl, server.zone.records = 0, {("web.test", "A"): [A("10.0.0.3")]}
        assert set(asker.ask()) == {"10.0.0.3:80"}
        assert asker.source.interval == 1, "the shortest"
        server.zone.ttl = 9999
        asker.ask()
        assert asker.source.interval == 30, "the longest"
    with asking(kind(server.config("web.test", port=80, family="ipv6"))) as asker:
        assert asker.ask() == {}


@both
def test_services(server: Server, kind: Any) -> None:
    """SRV records tell hosts, ports, priorities and weights; a dot says that there is none."""
    server.zone.records = {
        ("_web._tcp.test", "SRV"): [
            SRV(0, 60, 8001, "one.test"),
            SRV(0, 0, 8002, "two.test"),
            SRV(5, 1, 8003, "three.test"),
        ],
        ("one.test", "A"): [A("10.0.0.1"), A("10.0.0.2")],
        ("two.test", "A"): [A("10.0.0.3")],
        ("three.test", "A"): [A("10.0.0.4")],
    }
    with asking(kind(server.config("_web._tcp.test"))) as asker:
        found = asker.ask()
        assert {one.id: (one.weight, one.priority) for one in found.values()} == {
            "one.test:8001": (60, 0),
            "two.test:8002": (1, 0),
            "three.test:8003": (1, 5),
        }
        server.zone.records["_web._tcp.test", "SRV"] = [SRV(0, 0, 0, ".")]
        assert asker.ask() == {}
        big = [SRV(0, 60000, 8001, "one.test"), SRV(0, 30000, 8002, "two.test")]
        server.zone.records["_web._tcp.test", "SRV"] = big
        assert sorted(one.weight for one in asker.ask().values()) == [50, 100]
    with asking(kind(server.config("_web._tcp.test", resolve=True))) as asker:
        assert set(asker.ask()) == {"10.0.0.1:8001", "10.0.0.2:8001", "10.0.0.3:8002"}


@both
def test_an_answer_too_long_for_a_packet(server: Server, kind: Any) -> None:
    """Hundreds of records come over TCP."""
    addresses = [A(f"10.0.{number // 250}.{number % 250 + 1}") for number in range(600)]
    server.zone.records = {("web.test", "A"): addresses}
    with asking(kind(server.config("web.test", port=80, family="ipv4"))) as asker:
        assert len(asker.ask()) == 600


@both
def test_no_record_is_an_answer_and_no_server_is_none(server: Server, kind: Any) -> None:
    """A name that does not exist has no endpoints; a server that fails, or is gone, is a failure with its reason."""
    with asking(kind(server.config("nothing.test", port=80))) as asker:
        assert asker.ask() == {}
        server.zone.code = RCODE.SERVFAIL
        with pytest.raises(SourceFailed, match=r"dns nothing.test:80.*SERVFAIL") as caught:
            asker.ask(1.0)
        assert caught.value.reason == "unreachable"
        server.stop()
        with pytest.raises(SourceFailed) as caught:
            asker.ask(0.3)
        assert caught.value.reason in ("timeout", "unreachable")


def test_a_pool_goes_on_without_its_dns_server(server: Server) -> None:
    """The server ends and comes back with another zone: no call is lost, and the change is taken over."""
    server.zone.records, server.zone.ttl = {("web.test", "A"): [A("10.0.0.1")]}, 0
    config = server.config("web.test", port=80, family="ipv4", shortest_interval=0.01)
    pool: Pool[Client] = Pool("web")
    options = {"retry_backoff": 0.05, "retry_backoff_max": 0.1, "fetch_timeout": 0.3}
    discovery = pool.discover(DnsSource(config), lambda one: Client(one.address), **options)
    server.stop()
    assert eventually(lambda: discovery.stats().stale > 0)
    assert pool.execute(lambda client: client.name) == "10.0.0.1:80"
    server.zone.records = {("web.test", "A"): [A("10.0.0.2")]}
    server.start(server.port)
    assert eventually(lambda: [member.name for member in pool.members] == ["10.0.0.2:80"])
    assert discovery.stats().stale == 0
    pool.close()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "name must be"),
        ({"name": "http://x"}, "name must be"),
        ({"name": "x", "port": 70000}, "port must be between"),
        ({"name": "x", "nameservers": "nowhere:x"}, "nameservers must be"),
        ({"name": "x", "shortest_interval": 60}, "longest_interval must be at least"),
        ({"name": "x", "family": "ipx"}, "'ipv4'"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], said: str) -> None:
    """The error names the field, the value and what is allowed."""
    with pytest.raises(InvalidConfig, match=said):
        DnsSourceConfig(**fields)


def test_a_url_names_host_and_port() -> None:
    """With a port addresses are asked for, without one services."""
    assert source_of("dns://web.test:80").name == "dns web.test:80"
    assert source_of("dns://_web._tcp.test").name == "dns _web._tcp.test"
