"""Servers that want to know who we are."""

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
import redis
import requests
import trustme

from connpool_runtime.connectors import AuthenticationFailed, FailureKind, HealthCheckFailed
from connpool_runtime.connectors.etcd import AsyncEtcdConnector, EtcdConfig, EtcdConnector
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig, GrpcConnector
from connpool_runtime.connectors.http import AsyncHttpConnector, HttpConfig, HttpConnector
from connpool_runtime.connectors.milvus import AsyncMilvusConnector, MilvusConfig, MilvusConnector
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import HttpServer, RedisServer
from tests.runtime.connectors.kinds import Face, OneEtcd

pytestmark = pytest.mark.servers

SECRET = "hunter2"


@pytest.fixture(scope="module")
def guarded_redis() -> Iterator[str]:
    """A Redis that wants a password; the address."""
    with RedisServer() as server:
        with redis.Redis(port=server.port) as client:
            client.config_set("requirepass", SECRET)
        yield server.address


@pytest.fixture(scope="module")
def guarded_etcd() -> Iterator[str]:
    """An etcd with authentication on; the address."""
    with OneEtcd() as cluster:
        url = f"http://{cluster.endpoints[0]}/v3"
        for path, body in (
            ("/auth/user/add", {"name": "root", "password": SECRET}),
            ("/auth/user/grant", {"user": "root", "role": "root"}),
            ("/auth/enable", {}),
        ):
            requests.post(url + path, json=body, timeout=10).raise_for_status()
        yield cluster.endpoints[0]


class _Guard(grpc.GenericRpcHandler):
    """Answers no call that has not the right credentials; the answer is an empty message."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        metadata = dict(details.invocation_metadata or ())
        plain = metadata.get("authorization", "").removeprefix("Bearer ")
        if isinstance(plain, bytes):
            plain = plain.decode()

        def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            if plain not in (SECRET, base64.b64encode(SECRET.encode()).decode()):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
            return b"\x08\x01" if details.method.endswith("Health/Check") else b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def guard(credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Guard(),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


async def refused(connector: Any) -> AuthenticationFailed:
    one = Face(connector)
    with pytest.raises(AuthenticationFailed) as caught:
        await one.connect()
    await one.close()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is not None
    return caught.value


async def accepted(connector: Any) -> None:
    one = Face(connector)
    await one.connect()
    await one.health_check()
    await one.close()


@pytest.mark.parametrize("connector", [RedisConnector, AsyncRedisConnector])
async def test_redis_wants_a_password(guarded_redis: str, connector: Any) -> None:
    """Without it and with a wrong one: AuthenticationFailed; with it: a client."""
    await refused(connector(RedisConfig(endpoints=guarded_redis)))
    await refused(connector(RedisConfig(endpoints=guarded_redis, password=f"{SECRET}x")))
    await accepted(connector(RedisConfig(endpoints=guarded_redis, password=SECRET)))


@pytest.mark.parametrize("connector", [EtcdConnector, AsyncEtcdConnector])
async def test_etcd_wants_a_user(guarded_etcd: str, connector: Any) -> None:
    """Without one and with a wrong password: AuthenticationFailed; with the right one: a client."""
    await refused(connector(EtcdConfig(endpoints=guarded_etcd)))
    wrong = EtcdConfig(endpoints=guarded_etcd, username="root", password=f"{SECRET}x")
    await refused(connector(wrong))
    await accepted(connector(EtcdConfig(endpoints=guarded_etcd, username="root", password=SECRET)))


def test_a_token_that_etcd_forgot_is_renewed(guarded_etcd: str) -> None:
    """A synchronous etcd client logs in again when its token is not known any more."""
    config = EtcdConfig(endpoints=guarded_etcd, username="root", password=SECRET)
    with EtcdConnector(config) as connector:
        connector.client.session.auth._token = "forgotten.1"  # type: ignore[union-attr]
        connector.client.put("a", "b")
        assert connector.client.get("a") == [b"b"]


@pytest.mark.parametrize("connector", [MilvusConnector, AsyncMilvusConnector])
async def test_milvus_wants_a_token(connector: Any) -> None:
    """Without it and with a wrong one: AuthenticationFailed."""
    with guard() as endpoint:
        await refused(connector(MilvusConfig(endpoints=endpoint, connect_timeout=2)))
        wrong = MilvusConfig(endpoints=endpoint, token="nobody", connect_timeout=2)
        await refused(connector(wrong))


@pytest.mark.parametrize("connector", [GrpcConnector, AsyncGrpcConnector])
async def test_grpc_wants_a_token(connector: Any, authority: trustme.CA, ca_file: Any) -> None:
    """It travels over TLS; without it: AuthenticationFailed."""
    cert = authority.issue_cert("localhost")
    pair = (cert.private_key_pem.bytes(), cert.cert_chain_pems[0].bytes())
    with guard(grpc.ssl_server_credentials([pair])) as endpoint:
        tls = {"ca_file": ca_file, "server_name": "localhost"}
        await refused(connector(GrpcConfig(endpoints=endpoint, tls=tls), GreeterStub))
        await accepted(
            connector(GrpcConfig(endpoints=endpoint, tls=tls, token=SECRET), GreeterStub)
        )


@pytest.mark.parametrize("connector", [HttpConnector, AsyncHttpConnector])
async def test_http_wants_a_token(connector: Any) -> None:
    """Without it and with a wrong one: AuthenticationFailed; with it: a client."""
    with HttpServer(token=SECRET) as server:
        await refused(connector(HttpConfig(endpoints=server.address)))
        await refused(connector(HttpConfig(endpoints=server.address, token="nobody")))
        await accepted(connector(HttpConfig(endpoints=server.address, token=SECRET)))


@pytest.mark.parametrize("connector", [HttpConnector, AsyncHttpConnector])
async def test_an_http_server_that_is_not_well(connector: Any) -> None:
    """A server error makes it unhealthy; with a health path anything but success does."""
    with HttpServer() as server:
        one = Face(connector(HttpConfig(endpoints=server.address)))
        strict = Face(connector(HttpConfig(endpoints=server.address, health_path="/healthz")))
        await asyncio.gather(one.connect(), strict.connect())
        server.status = 404
        await one.health_check()
        with pytest.raises(HealthCheckFailed, match="404"):
            await strict.health_check()
        server.status = 503
        with pytest.raises(HealthCheckFailed) as caught:
            await one.health_check()
        assert caught.value.kind is FailureKind.OTHER
        await asyncio.gather(one.close(), strict.close())
