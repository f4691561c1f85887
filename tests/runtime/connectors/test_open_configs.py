"""What configs hand to the libraries, on real servers: options, URLs, secrets that change, hooks, interceptors."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
import redis
import trustme
from redis.credentials import UsernamePasswordCredentialProvider

from connpool_runtime.connectors import ConnectFailed, InvalidConfig
from connpool_runtime.connectors.etcd import AsyncEtcdConnector, EtcdConfig, EtcdConnector
from connpool_runtime.connectors.grpc import AsyncGrpcConnector, GrpcConfig, GrpcConnector
from connpool_runtime.connectors.http import AsyncHttpConnector, HttpConfig, HttpConnector
from connpool_runtime.connectors.kinds import config_of
from connpool_runtime.connectors.milvus import MilvusConfig
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import GreeterServer, HttpServer, RedisServer
from tests.runtime.connectors.kinds import Face

pytestmark = pytest.mark.servers

REDIS = pytest.mark.parametrize("connector", [RedisConnector, AsyncRedisConnector])
HTTP = pytest.mark.parametrize("connector", [HttpConnector, AsyncHttpConnector])
GRPC = pytest.mark.parametrize("connector", [GrpcConnector, AsyncGrpcConnector])


class GuardedRedis(RedisServer):
    """A Redis with a socket, whose password changes."""

    def __init__(self, socket: Path) -> None:
        super().__init__("--unixsocket", str(socket))
        self.socket = socket

        self.password = ""

    def want(self, password: str) -> None:
        with redis.Redis(port=self.port, password=self.password or None) as client:
            client.config_set("requirepass", password)
        self.password = password


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    """One Redis for all tests here; each leaves it without a password."""
    with GuardedRedis(tmp_path_factory.mktemp("redis") / "s") as started:
        yield started


@pytest.fixture
def guarded(server: GuardedRedis) -> Iterator[GuardedRedis]:
    """The same with the password `first`; a test may make it `second`."""
    server.want("first")
    yield server
    server.want("")


@REDIS
async def test_redis_has_what_the_config_says(server: GuardedRedis, connector: Any) -> None:
    """The version of RESP, the name of connections and the decoding of answers arrive, and other options with them."""
    config = RedisConfig(
        endpoints=server.address,
        decode_responses=True,
        protocol=3,
        client_name="shop",
        options={"health_check_interval": 7},
    )
    one = Face(connector(config))
    client = await one.connect()
    await one.run(lambda: client.set("a", "b"))
    assert await one.run(lambda: client.get("a")) == "b"
    assert await one.run(client.client_getname) == "shop"
    hello = await one.run(lambda: client.execute_command("HELLO"))
    assert hello["proto"] == 3
    assert client.connection_pool.connection_kwargs["health_check_interval"] == 7
    assert client.connection_pool.connection_kwargs["protocol"] == 3
    await one.close()


@REDIS
async def test_redis_by_url(guarded: GuardedRedis, connector: Any) -> None:
    """A connector takes a URL with a password and a database, of a host or of a socket."""
    for url in (
        f"redis://:first@{guarded.address}/3?socket_timeout=2",
        f"unix://:first@{guarded.socket}?db=3&decode_responses=true",
    ):
        one = Face(connector(url))
        client = await one.connect()
        assert client.connection_pool.connection_kwargs["db"] == 3
        await one.run(lambda client=client: client.set("a", "b"))
        await one.close()
        assert "first" not in repr(one.connector)


@REDIS
@pytest.mark.parametrize("kept", ["file", "variable", "function", "url"])
async def test_a_password_that_changes(
    guarded: GuardedRedis,
    connector: Any,
    kept: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next connection that a client opens has the password that is there by then; nobody restarts anything."""
    file = tmp_path / "password"
    form = "redis://:{}@" + guarded.address if kept == "url" else "{}"

    def write(password: str) -> None:
        file.write_text(form.format(password) + "\n")
        monkeypatch.setenv("SHOP_PASSWORD", password)

    write("first")
    if kept == "url":
        config = RedisConfig(endpoints=f"file:{file}")
    else:
        ways: dict[str, str | Callable[[], str]] = {
            "file": f"file:{file}",
            "variable": "env:SHOP_PASSWORD",
            "function": lambda: file.read_text().strip(),
        }
        config = RedisConfig(endpoints=guarded.address, password=ways[kept])
    one = Face(connector(config))
    client = await one.connect()
    write("second")
    guarded.want("second")
    await one.run(client.connection_pool.disconnect)
    await one.run(lambda: client.set("a", "b"))
    await one.close()
    other = Face(one.connector.fresh())
    await other.connect()
    await other.close()
    assert not any(secret in repr(config) + str(config.key()) for secret in ("first", "second"))


@REDIS
async def test_an_error_shows_no_secret_of_a_file(
    guarded: GuardedRedis, connector: Any, tmp_path: Path
) -> None:
    """What was read where a secret is kept is masked in errors; a file that vanished is named."""
    file = tmp_path / "password"
    file.write_text("wrong-password")
    one = Face(connector(RedisConfig(endpoints=guarded.address, password=f"file:{file}")))
    with pytest.raises(ConnectFailed) as caught:
        await one.connect()
    assert "wrong-password" not in str(caught.value)
    assert one.connector.config.masked("is wrong-password right?") == "is *** right?"
    file.unlink()
    with pytest.raises(ConnectFailed, match="file that can be read, not 'file:"):
        await one.connect()
    await one.close()


@REDIS
async def test_a_credential_provider(guarded: GuardedRedis, connector: Any) -> None:
    """One of redis-py's own is asked for the credentials of each connection."""
    provider = UsernamePasswordCredentialProvider(password="first")
    one = Face(connector(RedisConfig(endpoints=guarded.address, credential_provider=provider)))
    await one.connect()
    await one.close()
    assert "first" not in repr(one.connector.config)


UNKNOWN: list[tuple[Any, Any, dict[str, Any], str]] = [
    (RedisConnector, RedisConfig, {"health_chek_interval": 1}, "'health_check_interval'"),
    (HttpConnector, HttpConfig, {"parms": {}}, "'params'"),
    (
        GrpcConnector,
        GrpcConfig,
        {"grpc.max_send_mesage_length": 1},
        "'grpc.max_send_message_length'",
    ),
    (EtcdConnector, EtcdConfig, {"api_pth": "/v3"}, "'api_path'"),
    (AsyncEtcdConnector, EtcdConfig, {"rpc_max_attempt": 1}, "'rpc_max_attempts'"),
]


@pytest.mark.parametrize(("connector", "config", "options", "near"), UNKNOWN)
def test_an_unknown_option_is_refused_before_anything_is_opened(
    connector: Any, config: Any, options: dict[str, Any], near: str
) -> None:
    """By the library's own names, with the nearest of them."""
    endpoints = "http://h:1" if config is HttpConfig else "h:1"
    with pytest.raises(InvalidConfig) as caught:
        connector(config(endpoints=endpoints, options=options))
    assert caught.value.field == f"options.{next(iter(options))}"
    assert f"did you mean {near}?" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "name", "field"),
    [
        (RedisConfig, "db", "database"),
        (RedisConfig, "ssl_ca_certs", "tls.ca_file"),
        (HttpConfig, "verify", "tls"),
        (GrpcConfig, "grpc.keepalive_time_ms", "keepalive_time"),
        (EtcdConfig, "host", "endpoints"),
        (MilvusConfig, "db_name", "database"),
    ],
)
def test_what_a_field_says_no_option_may_say(config: Any, name: str, field: str) -> None:
    """An argument that a field stands for is refused among the options, by the field's name and without its value."""
    endpoints = "http://h:1" if config is HttpConfig else "h:1"
    with pytest.raises(InvalidConfig, match=f"given as the field '{field}'"):
        config(endpoints=endpoints, options={name: 1})


def test_options_of_the_other_client_are_refused() -> None:
    """What only the client for threads takes is allowed in a config, and refused by the connector for tasks."""
    config = RedisConfig(endpoints="h:1", options={"cache": None})
    RedisConnector(config)
    with pytest.raises(InvalidConfig, match=r"option of redis\.asyncio\.Redis 'options\.cache'"):
        AsyncRedisConnector(config)


def test_an_etcd_client_has_the_options(server: GuardedRedis) -> None:
    """Both libraries of etcd are given what the config says, in the place of what we would say."""
    connector = EtcdConnector(
        EtcdConfig(endpoints=server.address, options={"api_path": "/v3alpha/"})
    )
    client = connector.open_client(server.address, 1.0)
    assert client.api_path == "/v3alpha/"
    connector.close_client(client)


def test_milvus_has_the_options() -> None:
    """Channel arguments go beside ours."""
    config = MilvusConfig(
        endpoints="https://ann:pw@h/shop", options={"grpc_options": {"grpc.enable_retries": 0}}
    )
    arguments = config.client_arguments(config.endpoints[0], 1.0)
    assert (arguments["uri"], arguments["user"], arguments["password"]) == (
        *("https://h:19530", "ann", "pw"),
    )
    assert arguments["db_name"] == "shop"
    assert arguments["grpc_options"] == {
        "grpc.enable_retries": 0,
        "grpc.use_local_subchannel_pool": 1,
    }


class Asked(HttpServer):
    """Keeps what it was asked for, and lets in who has the present password or token."""

    def __init__(self, wanted: str = "") -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.wanted = wanted
        super().__init__()

    def status_of(self, path: str, authorization: str | None) -> int:
        self.asked.append((path, authorization))
        return 401 if self.wanted and authorization != self.wanted else 200


@HTTP
async def test_a_token_that_changes(connector: Any, tmp_path: Path) -> None:
    """After an answer 401 it is read anew, and the request goes again with it if it has changed; else not."""
    file = tmp_path / "token"
    file.write_text("first")
    with Asked("Bearer first") as web:
        one = Face(connector(HttpConfig(endpoints=web.address, token=f"file:{file}")))
        client = await one.connect()
        web.wanted = "Bearer second"
        before = len(web.asked)
        assert (await one.run(lambda: client.get("/a"))).status_code == 401
        assert len(web.asked) == before + 1
        file.write_text("second")
        assert (await one.run(lambda: client.get("/a"))).status_code == 200
        assert len(web.asked) == before + 3
        await one.close()


@HTTP
async def test_a_header_that_changes(connector: Any, tmp_path: Path) -> None:
    """A header that is kept elsewhere is read for each request; it is shown as little as others."""
    file = tmp_path / "key"
    file.write_text("Key first")
    headers = {"authorization": f"file:{file}", "x-plain": "1", "x-made": lambda: "2"}
    with Asked("Key first") as web:
        one = Face(connector(HttpConfig(endpoints=web.address, headers=headers)))
        client = await one.connect()
        web.wanted = "Key second"
        file.write_text("Key second")
        answer = await one.run(lambda: client.get("/"))
        assert answer.status_code == 200
        sent = answer.request.headers
        assert (sent["x-plain"], sent["x-made"]) == ("1", "2")
        assert one.connector.config.masked("a Key second b") == "a *** b"
        assert "Key" not in repr(one.connector.config)
        await one.close()


@HTTP
async def test_a_user_in_the_url(connector: Any) -> None:
    """User and password of a URL are for basic authentication, and no part of the address."""
    with Asked("Basic YW5uOmhlci9wYXNz") as web:
        url = web.address.replace("://", "://ann:her%2Fpass@")
        one = Face(connector(url))
        await one.connect()
        assert one.connector.config.endpoints == (web.address,)
        await one.close()


@HTTP
async def test_hooks_proxies_and_options(connector: Any) -> None:
    """Hooks see each request and response, requests go through the proxy, and options reach the client."""
    seen: list[str] = []

    def plain(message: httpx.Request | httpx.Response) -> None:
        seen.append(type(message).__name__)

    async def coroutine(message: httpx.Request | httpx.Response) -> None:
        plain(message)

    own, other = (plain, coroutine) if connector is HttpConnector else (coroutine, plain)
    with Asked() as proxy:
        given = {
            "endpoints": "http://shop.test",
            "proxy": proxy.address.replace("://", "://ann:hunter2@"),
            "options": {"params": {"v": "1"}},
        }
        config = HttpConfig(**given, event_hooks={"request": [own], "response": own})
        assert "hunter2" not in repr(config)
        one = Face(connector(config))
        await one.connect()
        assert proxy.asked == [("http://shop.test/?v=1", None)]
        assert seen == ["Request", "Response"]
        await one.close()
        with pytest.raises(InvalidConfig, match=r"event_hooks\.request must be"):
            connector(HttpConfig(**given, event_hooks={"request": other}))


@HTTP
async def test_a_transport_of_ones_own(connector: Any) -> None:
    """A transport is made for each client with the numbers of the config."""
    made: list[dict[str, Any]] = []
    transport = httpx.HTTPTransport if connector is HttpConnector else httpx.AsyncHTTPTransport

    def make(**given: Any) -> Any:
        made.append(given)
        return transport(**given)

    with Asked() as web:
        config = HttpConfig(endpoints=web.address, transport=make, max_connections=3)
        one = Face(connector(config))
        await one.connect()
        assert made[0]["limits"].max_connections == 3
        await one.close()


def test_http2(authority: trustme.CA, ca_file: Path) -> None:
    """With `http2` a client speaks it; without the package for it the config is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connpool_runtime.connectors.http.find_spec", lambda _: None)
        with pytest.raises(InvalidConfig, match="http2 must be false, or the package h2"):
            HttpConfig(endpoints="https://h", http2=True)
    pytest.importorskip("h2")
    cert = authority.issue_cert("127.0.0.1")
    pair = (cert.private_key_pem.bytes(), cert.cert_chain_pems[0].bytes())
    with GreeterServer(credentials=grpc.ssl_server_credentials([pair])) as server:
        config = HttpConfig(
            endpoints=f"https://{server.address}", http2=True, tls={"ca_file": ca_file}
        )
        connector = HttpConnector(config)
        client = connector.open_client(config.endpoints[0], 5.0)
        call = {
            "content-type": "application/grpc",
            "te": "trailers",
        }  # what speaks HTTP/2 here is gRPC
        assert client.post("/a.B/C", headers=call, content=bytes(5)).http_version == "HTTP/2"
        connector.close_client(client)


class Recorder(grpc.GenericRpcHandler):
    """Answers every call, and keeps its metadata."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.seen.append(dict(context.invocation_metadata()))
            return b"\x08\x01" if details.method.endswith("Health/Check") else b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def recorder() -> Iterator[tuple[Recorder, Callable[..., int]]]:
    """A gRPC server that keeps what it gets, and what binds it."""
    found = Recorder()
    server = grpc.server(ThreadPoolExecutor(2), handlers=(found,))

    def bind(address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
        server.start()
        return port

    yield found, bind
    server.stop(None).wait()


class Caller(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Says who calls."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=[("caller", "shop")]), request)


class AsyncCaller(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Says who calls, for tasks."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(
            details._replace(metadata=grpc.aio.Metadata(("caller", "shop"))), request
        )


@GRPC
async def test_interceptors_and_channel_options(
    connector: Any, recorder: tuple[Recorder, Callable[..., int]]
) -> None:
    """Interceptors run around each call, checks too; channel arguments hold."""
    server, bind = recorder
    port = bind("127.0.0.1:0")
    own, other = (Caller, AsyncCaller) if connector is GrpcConnector else (AsyncCaller, Caller)
    config = GrpcConfig(
        endpoints=f"grpc://127.0.0.1:{port}",
        interceptors=[own],
        compression="gzip",
        options={"grpc.max_send_message_length": 100, "grpc.service_config": {"methodConfig": []}},
    )
    one = Face(connector(config, GreeterStub))
    stub = await one.connect()
    await one.run(lambda: stub.SayHello(HelloRequest(name="Ann")))
    assert [each.get("caller") for each in server.seen] == ["shop", "shop"]
    with pytest.raises(grpc.RpcError) as caught:
        await one.run(lambda: stub.SayHello(HelloRequest(name="A" * 1000)))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await one.close()
    with pytest.raises(InvalidConfig, match="interceptors must be client interceptors of grpc"):
        connector(GrpcConfig(endpoints="h:1", interceptors=[other()]))


@GRPC
async def test_a_grpc_token_that_changes(
    connector: Any,
    recorder: tuple[Recorder, Callable[..., int]],
    authority: trustme.CA,
    ca_file: Path,
    tmp_path: Path,
) -> None:
    """Each call has the token that its file holds by then."""
    server, bind = recorder
    cert = authority.issue_cert("localhost")
    pair = (cert.private_key_pem.bytes(), cert.cert_chain_pems[0].bytes())
    port = bind("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    file = tmp_path / "token"
    file.write_text("first")
    config = GrpcConfig(
        endpoints=f"grpcs://localhost:{port}", token=f"file:{file}", tls={"ca_file": ca_file}
    )
    one = Face(connector(config, GreeterStub))
    stub = await one.connect()
    file.write_text("second")
    await one.run(lambda: stub.SayHello(HelloRequest(name="Ann")))
    assert [each["authorization"] for each in server.seen] == ["Bearer first", "Bearer second"]
    await one.close()


@GRPC
async def test_grpc_on_a_socket(
    connector: Any, recorder: tuple[Recorder, Callable[..., int]], tmp_path: Path
) -> None:
    """A socket of this machine is an endpoint like any other; credentials may be the program's own."""
    server, bind = recorder
    bind(f"unix:{tmp_path}/s", grpc.local_server_credentials(grpc.LocalConnectionType.UDS))
    config = GrpcConfig(
        endpoints=f"unix://{tmp_path}/s",
        channel_credentials=lambda: grpc.local_channel_credentials(grpc.LocalConnectionType.UDS),
    )
    one = Face(connector(config))
    await one.connect()
    await one.close()
    assert len(server.seen) == 1


async def test_a_function_that_blocks_does_not_stop_the_loop(guarded: GuardedRedis) -> None:
    """For tasks a function that returns a secret is called in a thread of its own."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def secret() -> str:
        before, patience = turns, time.monotonic() + 5
        while turns == before:  # as long as the loop does not go on
            if time.monotonic() > patience:
                return "too late"
        return "first"

    turning = asyncio.create_task(turn())
    one = AsyncRedisConnector(RedisConfig(endpoints=guarded.address, password=secret))
    await one.connect()
    await one.close()
    turning.cancel()


def test_the_kind_of_a_mapping_with_a_url(server: GuardedRedis) -> None:
    """Plain data may have a URL wherever it has endpoints."""
    config = config_of({"kind": "redis", "endpoints": f"redis://{server.address}/2"})
    assert isinstance(config, RedisConfig)
    assert config == RedisConfig(endpoints=server.address, database=2)
