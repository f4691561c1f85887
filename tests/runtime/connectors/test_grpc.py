"""What only gRPC connectors do: mTLS, the health protocol, connections of their own."""

from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from connpool_runtime.connectors import CertificateRejected, ConnectFailed, HealthCheckFailed
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig, GrpcConnector
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import GreeterServer
from tests.runtime.connectors.kinds import Face

pytestmark = pytest.mark.servers

COLOURS = pytest.mark.parametrize("connector", [GrpcConnector, AsyncGrpcConnector])


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """A certificate of ours, for servers that ask."""
    cert = authority.issue_cert("client.test")
    files = {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
    cert.cert_chain_pems[0].write_to_path(files["cert_file"])
    cert.private_key_pem.write_to_path(files["key_file"])
    return files


def mutual(authority: trustme.CA) -> grpc.ServerCredentials:
    cert = authority.issue_cert("greeter.test")
    pair = (cert.private_key_pem.bytes(), cert.cert_chain_pems[0].bytes())
    ca = authority.cert_pem.bytes()
    return grpc.ssl_server_credentials([pair], ca, require_client_auth=True)


@COLOURS
async def test_mutual_tls(
    connector: Any, authority: trustme.CA, ca_file: Path, pair: dict[str, Path]
) -> None:
    """With our certificate we are let in, without it CertificateRejected."""
    with GreeterServer(credentials=mutual(authority)) as server:
        tls = {"ca_file": ca_file, "server_name": "greeter.test"}
        config = GrpcConfig(endpoints=server.address, tls={**tls, **pair})
        one = Face(connector(config, GreeterStub))
        stub = await one.connect()
        assert await one.run(lambda: stub.SayHello(HelloRequest(name="Ann")))
        await one.close()
        other = Face(connector(GrpcConfig(endpoints=server.address, tls=tls)))
        with pytest.raises(CertificateRejected):
            await other.connect()
        wrong_name = Face(
            connector(GrpcConfig(endpoints=server.address, tls={"ca_file": ca_file, **pair}))
        )
        with pytest.raises(CertificateRejected):
            await wrong_name.connect()


@COLOURS
async def test_the_health_protocol(connector: Any) -> None:
    """A server that says it is not serving is not healthy, and no client of it is given out."""
    with GreeterServer(health=True) as server:
        one = Face(connector(GrpcConfig(endpoints=server.address)))
        await one.connect()
        server.serve(serving=False)
        with pytest.raises(HealthCheckFailed, match="not serving"):
            await one.health_check()
        with pytest.raises(ConnectFailed, match="not serving"):
            await Face(connector(GrpcConfig(endpoints=server.address))).connect()
        server.serve(serving=True)
        await one.health_check()
        unknown = Face(connector(GrpcConfig(endpoints=server.address, health_service="other")))
        with pytest.raises(ConnectFailed):
            await unknown.connect()
        plain = Face(connector(GrpcConfig(endpoints=server.address, health_protocol=False)))
        await plain.connect()
        await one.close()
        await plain.close()


@COLOURS
async def test_each_client_has_a_connection_of_its_own(connector: Any) -> None:
    """Five connectors to one server are five TCP connections, not one."""
    with GreeterServer() as server:
        faces = [
            Face(connector(GrpcConfig(endpoints=server.address), GreeterStub)) for _ in range(5)
        ]
        for one in faces:
            stub = await one.connect()
            await one.run(lambda stub=stub: stub.SayHello(HelloRequest(name="Ann")))
        assert len(server.peers) == 5
        for one in faces:
            await one.close()


def test_keep_alive_reaches_the_channel() -> None:
    """Durations become the options that gRPC knows, in milliseconds; 0 is no keep-alive."""
    options = dict(
        GrpcConfig(endpoints="h:1", keepalive_time="5m", keepalive_timeout=1).channel_options()
    )
    assert options["grpc.keepalive_time_ms"] == 300_000
    assert options["grpc.keepalive_timeout_ms"] == 1000
    assert "grpc.keepalive_time_ms" not in dict(GrpcConfig(endpoints="h:1").channel_options())


def test_a_channel_is_the_client_where_there_is_no_stub() -> None:
    """`GrpcConnector(config)` gives the channel itself."""
    with (
        GreeterServer() as server,
        GrpcConnector(GrpcConfig(endpoints=server.address)) as connector,
    ):
        assert GreeterStub(connector.client).SayHello(HelloRequest(name="Ann")).message
