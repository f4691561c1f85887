"""What every connector does, on a real server of its kind and for threads and for tasks."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connpool_runtime.connectors import (
    CertificateRejected,
    ConnectFailed,
    ConnectorClosed,
    ConnectRefused,
    ConnectTimeout,
    FailureKind,
    HealthCheckFailed,
    InvalidConfig,
    NotConnected,
)
from local_servers import FaultProxy, free_port
from tests.runtime.connectors.kinds import Face, Kind

pytestmark = pytest.mark.servers

Make = Callable[..., Face]

SOON = 0.4  # seconds, a deadline that a hanging server meets
LATE = 15.0  # seconds, when a deadline was surely missed


async def test_connect_gives_a_client_that_works(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """The client is verified, the same for all who ask, and works."""
    one = face(endpoints=kind.at(proxy.port))
    assert not one.connector.healthy
    with pytest.raises(NotConnected):
        _ = one.connector.client
    clients = await asyncio.gather(*(one.connect() for _ in range(5)))
    assert len({id(client) for client in clients}) == 1
    assert one.connector.client is clients[0]
    assert one.connector.healthy
    await one.use(kind)
    await one.health_check()
    assert one.connector.healthy


async def test_closed_is_for_ever(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """After `close` everything but `close` itself is refused."""
    one = face(endpoints=kind.at(proxy.port))
    await one.connect()
    await one.close()
    await one.close()
    assert not one.connector.healthy
    for step in (one.connect, one.health_check):
        with pytest.raises(ConnectorClosed):
            await step()
    with pytest.raises(ConnectorClosed):
        _ = one.connector.client


async def test_a_server_that_is_down(kind: Kind, face: Make) -> None:
    """Nobody listens: ConnectRefused with the library's own error as its cause, and no later than allowed."""
    one = face(endpoints=kind.at(free_port()), connect_timeout=5)
    started = time.monotonic()
    with pytest.raises(ConnectRefused) as caught:
        await one.connect()
    assert caught.value.__cause__ is not None
    assert caught.value.endpoint == one.connector.config.endpoints[0]
    assert time.monotonic() - started < LATE
    assert not one.connector.healthy


async def test_a_server_that_hangs(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """It accepts and never answers: ConnectTimeout at the deadline."""
    proxy.black_hole()
    one = face(endpoints=kind.at(proxy.port), connect_timeout=SOON)
    started = time.monotonic()
    with pytest.raises(ConnectTimeout) as caught:
        await one.connect()
    assert caught.value.__cause__ is not None
    assert SOON * 0.8 <= time.monotonic() - started < LATE


async def test_after_a_failure_the_next_attempt_counts(
    kind: Kind, proxy: FaultProxy, face: Make
) -> None:
    """A connector that could not connect can when the server is back."""
    proxy.refuse()
    one = face(endpoints=kind.at(proxy.port))
    with pytest.raises(ConnectFailed):
        await one.connect()
    proxy.pass_through()
    await one.connect()
    await one.use(kind)


async def test_any_endpoint_will_do(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """The first endpoints are down or hang; the client is of the one that answers."""
    with FaultProxy(proxy.port) as hole:
        hole.black_hole()
        endpoints = [kind.at(free_port()), kind.at(hole.port), kind.at(proxy.port)]
        one = face(endpoints=endpoints, connect_timeout=4.5)  # a third for each
        await one.connect()
        await one.use(kind)


async def test_all_endpoints_are_told(kind: Kind, face: Make) -> None:
    """When no endpoint gives a client, the error names each."""
    endpoints = [kind.at(free_port()), kind.at(free_port())]
    one = face(endpoints=endpoints)
    with pytest.raises(ConnectFailed) as caught:
        await one.connect()
    assert all(endpoint in str(caught.value) for endpoint in endpoints)


async def test_a_private_authority(
    kind: Kind,
    tls_proxy: FaultProxy,
    face: Make,
    ca_file: Path,
    stranger_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A CA file makes the server trusted, whatever CA variables the environment has."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(stranger_file))
    one = face(endpoints=kind.at(tls_proxy.port, tls=True), tls={"ca_file": ca_file})
    await one.connect()
    await one.use(kind)


async def test_a_certificate_of_somebody_else(
    kind: Kind,
    tls_proxy: FaultProxy,
    face: Make,
    ca_file: Path,
    stranger_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server whose certificate our CA file gives no reason to trust gets nothing, whoever else trusts it."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(ca_file))
    endpoint = kind.at(tls_proxy.port, tls=True)
    one = face(endpoints=endpoint, tls={"ca_file": stranger_file}, connect_timeout=5)
    with pytest.raises(CertificateRejected) as caught:
        await one.connect()
    assert caught.value.__cause__ is not None


async def test_the_name_in_the_certificate(
    kind: Kind, named_proxy: FaultProxy, face: Make, ca_file: Path
) -> None:
    """A certificate for another name is refused, unless that is the name to expect."""
    endpoint = kind.at(named_proxy.port, tls=True)
    with pytest.raises(CertificateRejected):
        await face(endpoints=endpoint, tls={"ca_file": ca_file}).connect()
    tls = {"ca_file": ca_file, "server_name": "server.test"}
    if kind.name == "redis":
        with pytest.raises(InvalidConfig, match="server_name"):
            face(endpoints=endpoint, tls=tls)
    else:
        one = face(endpoints=endpoint, tls=tls)
        await one.connect()
        await one.use(kind)


async def test_health_follows_the_server(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """A check of a server that hangs fails in time and is remembered; one that passes restores."""
    one = face(endpoints=kind.at(proxy.port), health_timeout=SOON)
    await one.connect()
    proxy.black_hole()
    started = time.monotonic()
    with pytest.raises(HealthCheckFailed) as caught:
        await one.health_check()
    assert time.monotonic() - started < LATE
    assert caught.value.kind is FailureKind.TIMEOUT
    assert not one.connector.healthy
    proxy.pass_through()
    proxy.reset()
    await until_healthy(one)
    assert one.connector.healthy
    await one.use(kind)


async def until_healthy(one: Face) -> None:
    """Check until it passes: a library may need a moment to connect anew."""
    deadline = time.monotonic() + LATE
    while True:
        try:
            return await one.health_check(2.0)
        except HealthCheckFailed:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.01)  # the previous check has to end, and a task needs a turn for that


async def test_a_fresh_connector_is_another(kind: Kind, proxy: FaultProxy, face: Make) -> None:
    """`fresh` gives one of the same kind, unconnected, with a client of its own."""
    one = face(endpoints=kind.at(proxy.port))
    first = await one.connect()
    other = Face(one.connector.fresh(kind.at(proxy.port)))
    with pytest.raises(NotConnected):
        _ = other.connector.client
    assert await other.connect() is not first
    await one.close()
    await other.use(kind)
    await other.close()
