"""gRPC channels and stubs through grpcio (extra `grpc`): TLS, mTLS, keep-alive, the health protocol; sync and aio."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, overload

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Choice, Count, Duration, Flag, Text
from connpool_runtime.connectors.config.library_options import LibraryOptions
from connpool_runtime.connectors.config.objects import Object, Objects, title_of
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.secrets import Credential, SecretSource
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.config.urls import UrlRules, UrlScheme

if TYPE_CHECKING:
    import grpc
    import grpc.aio

__all__ = ["AsyncGrpcConnector", "GrpcConfig", "GrpcConnector", "grpc_failure"]

C = TypeVar("C")

_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # HealthCheckResponse(status=SERVING) on the wire
_MEGABYTE = 1024 * 1024


_URLS = UrlRules(
    schemes={
        "grpc": UrlScheme(),
        "grpcs": UrlScheme(port=443, tls=True),
        "http": UrlScheme(port=80),
        "https": UrlScheme(port=443, tls=True),
        "unix": UrlScheme(socket=True),
    },
)
_TAKEN = {
    "grpc.default_compression_algorithm": "given as the field 'compression'",
    "grpc.http2.max_pings_without_data": "left out: keepalive_time sets it",
    "grpc.keepalive_permit_without_calls": "left out: keepalive_time sets it",
    "grpc.keepalive_time_ms": "given as the field 'keepalive_time'",
    "grpc.keepalive_timeout_ms": "given as the field 'keepalive_timeout'",
    "grpc.max_receive_message_length": "given as the field 'max_receive_megabytes'",
    "grpc.ssl_target_name_override": "given as the field 'tls.server_name'",
    "grpc.use_local_subchannel_pool": "left out: each client has a connection of its own",
}
_CHANNEL_ARGUMENT = re.compile(rb"grpc\.[a-z0-9_]+(?:\.[a-z0-9_]+)*(?=\0)")


class _ChannelArguments(frozenset[str]):
    """The names of channel arguments; those of external filters and balancers have other prefixes and are unknown."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or not str(name).startswith("grpc.")


@cache
def _accepted() -> frozenset[str] | None:
    """Return the names that grpcio knows: it ignores others, and only its binary lists them."""
    try:
        library = import_module("grpc._cython.cygrpc").__file__
        names = set(_CHANNEL_ARGUMENT.findall(Path(str(library)).read_bytes()))
    except (ImportError, OSError):
        return None  # connecting reports the missing library
    if b"grpc.max_send_message_length" not in names:
        return None
    return _ChannelArguments(name.decode() for name in names if not name.startswith(b"grpc._"))


def _is_credentials(given: object) -> bool:
    return callable(given) or type(given).__name__.endswith("Credentials")


@dataclass(kw_only=True)
class GrpcConfig(ConnectorConfig):
    """Where a gRPC server is; the fields that every config has are those of `ConnectorConfig`.

    Each client has a TCP connection of its own: otherwise gRPC would share one connection between all
    channels of equal targets, and there would be nothing to balance.

    Arguments:
        endpoints: `host:port` of each server, or URLs: `grpc://host:port`, `grpcs://` and `https://` with TLS,
            `unix:///path/of/a/socket`.
        token: sent as `authorization: Bearer ...` with each call; over TLS only. Kept elsewhere, it is read
            anew for each call.
        call_credentials: a `grpc.CallCredentials`, or a function that makes one for each client; in the place of
            `token`.
        channel_credentials: a `grpc.ChannelCredentials`, such as those of ALTS or xDS, or a function that makes
            one for each client; in the place of `tls`.
        interceptors: the outermost first, those of `grpc.aio` for tasks; a class makes one for each client.
        compression: of what is sent.
        keepalive_time: between pings on an idle connection; 0 is never. Servers may refuse less
            than 5 minutes.
        keepalive_timeout: for the answer to such a ping.
        max_receive_megabytes: the largest message accepted.
        health_protocol: whether health checks ask `grpc.health.v1.Health`; a server that does not
            know it counts as healthy. Off: a connection is enough.
        health_service: the service that health checks ask about; None is the server as a whole.
        tls: TLS settings; TLS that is on verifies certificates.
        options: other channel arguments, by name, such as `grpc.max_send_message_length`; a mapping is
            written as JSON, as `grpc.service_config` has it.
    """

    kind: ClassVar[str] = "grpc"

    endpoints: Endpoints = Endpoints(urls=_URLS)
    token: Credential = Credential()
    call_credentials: Object = Object("a grpc.CallCredentials or a function", _is_credentials)
    channel_credentials: Object = Object("a grpc.ChannelCredentials or a function", _is_credentials)
    interceptors: Objects = Objects("interceptors")
    compression: Choice = Choice("none", "deflate", "gzip")
    keepalive_time: Duration = Duration(0.0)
    keepalive_timeout: Duration = Duration(20.0)
    max_receive_megabytes: Count = Count(4, least=1)
    health_protocol: Flag = Flag(True)
    health_service: Text = Text()
    tls: Section[TLS] = Section(TLS)
    options: LibraryOptions = LibraryOptions(_accepted, _TAKEN)

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield errors for settings that gRPC does not support."""
        is_plain = self.tls is None and self.channel_credentials is None
        for name in ("token", "call_credentials"):
            if getattr(self, name) is not None and is_plain:
                yield InvalidConfig("tls", "None", f"on when {name} is given")
        if self.token is not None and self.call_credentials is not None:
            yield InvalidConfig("token", "'***'", "left out when call_credentials is given")
        if self.tls is not None and self.channel_credentials is not None:
            shown = title_of(self.channel_credentials)
            yield InvalidConfig("channel_credentials", shown, "left out when tls is given")
        if self.tls is not None and not self.tls.verify:
            yield InvalidConfig("tls.verify", "False", "true: grpcio always verifies")
        if self.tls is not None and self.tls.key_password is not None:
            yield InvalidConfig("tls.key_password", "'***'", "left out: grpcio takes plain keys")
        for name, value in self.options.items():
            if not isinstance(value, (str, bytes, int, Mapping)):
                shown = type(value).__name__
                yield InvalidConfig(
                    f"options.{name}", shown, "a whole number, a string or a mapping"
                )

    def channel_options(self) -> list[tuple[str, Any]]:
        """Return the options of a channel; of equal names the last one counts."""
        options: list[tuple[str, Any]] = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", int(self.max_receive_megabytes) * _MEGABYTE),
        ]
        if self.keepalive_time:
            options += [
                ("grpc.keepalive_time_ms", int(self.keepalive_time * 1000)),
                ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout * 1000)),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.max_pings_without_data", 0),
            ]
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return [*options, *{**_RECONNECTING, **self._own_options()}.items()]

    def _own_options(self) -> dict[str, Any]:
        import json

        return {
            name: (
                json.dumps(dict(cast("Mapping[str, Any]", value)))
                if isinstance(value, Mapping)
                else value
            )
            for name, value in self.options.items()
        }

    def compression_of(self) -> grpc.Compression | None:
        """Return the compression of a channel; None for none."""
        import grpc

        found = {"deflate": grpc.Compression.Deflate, "gzip": grpc.Compression.Gzip}
        return found.get(self.compression)

    def new_interceptors(self) -> list[Any]:
        """Return the interceptors of a client."""
        return [each() if isinstance(each, type) else each for each in self.interceptors]

    def refuse_interceptors(self, *allowed: type) -> None:
        """Refuse interceptors of the other kind of channel."""
        for each in self.interceptors:
            if not (
                issubclass(each, allowed) if isinstance(each, type) else isinstance(each, allowed)
            ):
                place = allowed[0].__module__.partition("._")[0]
                raise InvalidConfig(
                    "interceptors", title_of(each), f"client interceptors of {place}"
                )

    @property
    def is_secure(self) -> bool:
        """Whether channels use TLS or other credentials."""
        return self.tls is not None or self.channel_credentials is not None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return the credentials of a secure channel; None for a plain one."""
        import grpc

        channel = self._channel_credentials()
        call = self._call_credentials()
        if channel is None or call is None:
            return channel
        return grpc.composite_channel_credentials(channel, call)

    def _channel_credentials(self) -> grpc.ChannelCredentials | None:
        import grpc

        if self.channel_credentials is not None:
            return cast("grpc.ChannelCredentials", _made(self.channel_credentials))
        if self.tls is None:
            return None
        ca, key, cert = (
            Path(file).read_bytes() if file is not None else None
            for file in (self.tls.ca_file, self.tls.key_file, self.tls.cert_file)
        )
        return grpc.ssl_channel_credentials(ca, key, cert)

    def _call_credentials(self) -> grpc.CallCredentials | None:
        import grpc

        if self.call_credentials is not None:
            return cast("grpc.CallCredentials", _made(self.call_credentials))
        if isinstance(self.token, SecretSource):
            return grpc.metadata_call_credentials(_current_token(self.token))
        return None if self.token is None else grpc.access_token_call_credentials(self.token)

    def health_request(self) -> bytes:
        """Return HealthCheckRequest(service=...) on the wire."""
        service = (self.health_service or "").encode()
        if len(service) > 127:
            raise InvalidConfig("health_service", repr(self.health_service), "at most 127 bytes")
        return b"\x0a" + bytes([len(service)]) + service if service else b""


# A channel that could not connect returns the old error until it tries again. Its own back-off grows to
# minutes, which would outlast the breaker's cooldown, and the probe would fail.
_RECONNECTING = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1000}


def _made(given: Any) -> Any:
    return given() if callable(given) else given


def _current_token(token: SecretSource) -> Any:
    """Return a plugin that gives gRPC the current token for each call; it runs in gRPC's own threads."""
    import grpc

    class CurrentToken(grpc.AuthMetadataPlugin):
        def __call__(self, context: Any, callback: Any) -> None:
            del context
            try:
                callback((("authorization", f"Bearer {token()}"),), None)
            except Exception as error:
                callback((), error)

    return CurrentToken()


class GrpcConnector(BaseConnector[C, GrpcConfig], Generic[C]):
    """Opens, checks and closes a channel, or a stub on a channel of its own.

    Args:
        config: what to connect to: a config, or its URL.
        stub: makes the client from a channel: the stub's class; None: the client is the channel.
        name: what logs and errors call it.
    """

    _library = ("grpc", "grpc")
    config_class = GrpcConfig

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: GrpcConnector[grpc.Channel], config: GrpcConfig | str, *, name: str | None = None
        ) -> None: ...
        @overload
        def __init__(
            self,
            config: GrpcConfig | str,
            stub: Callable[[grpc.Channel], C],
            *,
            name: str | None = None,
        ) -> None: ...

    def __init__(
        self, config: GrpcConfig | str, stub: Any = None, *, name: str | None = None
    ) -> None:
        super().__init__(config, name=name)
        self._stub = stub
        self._channels: dict[int, grpc.Channel] = {}

    def prepare(self) -> None:
        """Refuse interceptors of the other kind of channel."""
        if self.config.interceptors:
            import grpc

            self.config.refuse_interceptors(
                grpc.UnaryUnaryClientInterceptor,
                grpc.UnaryStreamClientInterceptor,
                grpc.StreamUnaryClientInterceptor,
                grpc.StreamStreamClientInterceptor,
            )

    def open_client(self, endpoint: str, timeout: float) -> C:
        """Open a channel; it connects with its first call."""
        import grpc

        del timeout
        config = self.config
        credentials, options = config.credentials(), config.channel_options()
        if credentials is None:
            plain = grpc.insecure_channel(endpoint, options, config.compression_of())
        else:
            plain = grpc.secure_channel(endpoint, credentials, options, config.compression_of())
        interceptors = config.new_interceptors()
        channel = grpc.intercept_channel(plain, *interceptors) if interceptors else plain
        try:
            client = channel if self._stub is None else self._stub(channel)
        except BaseException:
            channel.close()
            raise
        self._channels[id(client)] = channel
        return cast("C", client)

    def check_client(self, client: C, timeout: float) -> None:
        """Call the health service, or only wait for a connection."""
        import grpc

        channel = self._channels[id(client)]
        if not self.config.health_protocol:
            grpc.channel_ready_future(channel).result(timeout)
            return
        try:
            answer = _health(channel)(self.config.health_request(), timeout=timeout)
        except grpc.RpcError as error:
            if cast("grpc.Call", error).code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        else:
            require_serving(answer)

    def close_client(self, client: C) -> None:
        """Close the channel; calls that still run are cancelled."""
        channel = self._channels.pop(id(client), None)
        if channel is not None:
            channel.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of grpcio to kinds of failures."""
        return grpc_failure(error, secure=self.config.is_secure)


class AsyncGrpcConnector(AsyncBaseConnector[C, GrpcConfig], Generic[C]):
    """Opens, checks and closes a channel of grpc.aio, or a stub on a channel of its own.

    Args:
        config: what to connect to: a config, or its URL.
        stub: makes the client from a channel: the stub's class; None: the client is the channel.
        name: what logs and errors call it.
    """

    _library = ("grpc", "grpc")
    config_class = GrpcConfig

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: AsyncGrpcConnector[grpc.aio.Channel],
            config: GrpcConfig | str,
            *,
            name: str | None = None,
        ) -> None: ...
        @overload
        def __init__(
            self,
            config: GrpcConfig | str,
            stub: Callable[[grpc.aio.Channel], C],
            *,
            name: str | None = None,
        ) -> None: ...

    def __init__(
        self, config: GrpcConfig | str, stub: Any = None, *, name: str | None = None
    ) -> None:
        super().__init__(config, name=name)
        self._stub = stub
        self._channels: dict[int, grpc.aio.Channel] = {}

    def prepare(self) -> None:
        """Refuse interceptors of the other kind of channel."""
        if self.config.interceptors:
            import grpc.aio

            self.config.refuse_interceptors(grpc.aio.ClientInterceptor)

    async def open_client(self, endpoint: str, timeout: float) -> C:
        """Open a channel; it connects with its first call."""
        import grpc.aio

        del timeout
        config = self.config
        credentials, options = config.credentials(), config.channel_options()
        further = (options, config.compression_of(), config.new_interceptors() or None)
        if credentials is None:
            channel = grpc.aio.insecure_channel(endpoint, *further)
        else:
            channel = grpc.aio.secure_channel(endpoint, credentials, *further)
        try:
            client = channel if self._stub is None else self._stub(channel)
        except BaseException:
            await channel.close()
            raise
        self._channels[id(client)] = channel
        return cast("C", client)

    async def check_client(self, client: C, timeout: float) -> None:
        """Call the health service, or only wait for a connection."""
        import grpc.aio

        channel = self._channels[id(client)]
        if not self.config.health_protocol:
            await channel.channel_ready()
            return
        try:
            answer = await _health(channel)(self.config.health_request(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
        else:
            require_serving(answer)

    async def close_client(self, client: C) -> None:
        """Close the channel; calls that still run are cancelled."""
        channel = self._channels.pop(id(client), None)
        if channel is not None:
            await channel.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of grpcio to kinds of failures."""
        return grpc_failure(error, secure=self.config.is_secure)


def _health(channel: Any) -> Callable[..., Any]:
    return cast("Callable[..., Any]", channel.unary_unary(_HEALTH))


def require_serving(answer: bytes) -> None:
    """Refuse every answer of the health service but SERVING."""
    if answer != _SERVING:
        raise ConnectionError("the health service says that the server is not serving")


_REFUSED = re.compile(r"refused|unreachable|no route|dns|name resolution|not known", re.IGNORECASE)
_LATE = re.compile(r"timed? ?out|deadline", re.IGNORECASE)
_TLS = re.compile(r"certificate|handshake|ssl|tls", re.IGNORECASE)


def grpc_failure(error: BaseException, *, secure: bool) -> FailureKind | None:
    """Return the kind of failure of a grpcio error: by its code, and for UNAVAILABLE by its text."""
    import grpc

    if isinstance(error, grpc.FutureTimeoutError):
        return FailureKind.TIMEOUT
    if not isinstance(error, grpc.RpcError):
        return None
    call: Any = error
    code, text = call.code(), str(call.details())
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return FailureKind.AUTHENTICATION
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return FailureKind.TIMEOUT
    if code is not grpc.StatusCode.UNAVAILABLE:
        return FailureKind.OTHER
    if _REFUSED.search(text):
        return FailureKind.REFUSED
    if _TLS.search(text):
        return FailureKind.CERTIFICATE
    if _LATE.search(text):
        return FailureKind.TIMEOUT
    # A server that requires a client certificate closes the connection without a reason.
    return FailureKind.CERTIFICATE if secure else FailureKind.OTHER
