"""gRPC channels and stubs through grpcio (extra `grpc`): TLS, mTLS, keep-alive, the health protocol; sync and aio."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, overload

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Count, Duration, Flag, Secret, Text
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.tls import TLS

if TYPE_CHECKING:
    import grpc
    import grpc.aio

__all__ = ["AsyncGrpcConnector", "GrpcConfig", "GrpcConnector", "grpc_failure"]

C = TypeVar("C")

_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"  # HealthCheckResponse(status=SERVING) on the wire
_MEGABYTE = 1024 * 1024


@dataclass(kw_only=True)
class GrpcConfig(ConnectorConfig):
    """Where a gRPC server is; the fields that every config has are those of `ConnectorConfig`.

    Each client has a TCP connection of its own: without that, gRPC shares one between all channels
    of equal targets, and a pool of them is none.

    Arguments:
        token: sent as `authorization: Bearer ...` with each call; over TLS only.
        keepalive_time: between pings on an idle connection; 0 is never. Servers may refuse less
            than 5 minutes.
        keepalive_timeout: for the answer to such a ping.
        max_receive_megabytes: the largest message accepted.
        health_protocol: whether health checks ask `grpc.health.v1.Health`; a server that does not
            know it counts as healthy. Off: a connection is enough.
        health_service: the service that health checks ask about; None is the server as a whole.
        tls: how the two sides prove who they are; on means verified.
    """

    kind: ClassVar[str] = "grpc"

    token: Secret = Secret()
    keepalive_time: Duration = Duration(0.0)
    keepalive_timeout: Duration = Duration(20.0)
    max_receive_megabytes: Count = Count(4, least=1)
    health_protocol: Flag = Flag(True)
    health_service: Text = Text()
    tls: Section[TLS] = Section(TLS)

    def check(self) -> None:
        """Refuse what gRPC cannot do."""
        if self.token is not None and self.tls is None:
            raise InvalidConfig("tls", "None", "on when token is given")
        if self.tls is not None and not self.tls.verify:
            raise InvalidConfig("tls.verify", "False", "true: grpcio always verifies")
        if self.tls is not None and self.tls.key_password is not None:
            raise InvalidConfig("tls.key_password", "'***'", "left out: grpcio takes plain keys")

    def options(self) -> list[tuple[str, Any]]:
        """Return the options of a channel."""
        options: list[tuple[str, Any]] = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", int(self.max_receive_megabytes) * _MEGABYTE),
            # A channel that could not connect answers with the old error until it tries again. Its own
            # waits, which grow to minutes, would outlast the breaker's cooldown, and the probe would fail.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
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
        return options

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return what a secure channel takes; None for a plain one."""
        import grpc

        if self.tls is None:
            return None
        ca, key, cert = (
            Path(file).read_bytes() if file is not None else None
            for file in (self.tls.ca_file, self.tls.key_file, self.tls.cert_file)
        )
        channel = grpc.ssl_channel_credentials(ca, key, cert)
        if self.token is None:
            return channel
        call = grpc.access_token_call_credentials(self.token)
        return grpc.composite_channel_credentials(channel, call)

    def health_request(self) -> bytes:
        """Return HealthCheckRequest(service=...) on the wire."""
        service = (self.health_service or "").encode()
        if len(service) > 127:
            raise InvalidConfig("health_service", repr(self.health_service), "at most 127 bytes")
        return b"\x0a" + bytes([len(service)]) + service if service else b""


class GrpcConnector(BaseConnector[C, GrpcConfig], Generic[C]):
    """Opens, checks and closes a channel, or a stub on a channel of its own.

    Args:
        config: what to connect to.
        stub: makes the client from a channel: the stub's class; None: the client is the channel.
        name: what logs and errors call it.
    """

    _library = ("grpc", "grpc")

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: GrpcConnector[grpc.Channel], config: GrpcConfig, *, name: str | None = None
        ) -> None: ...
        @overload
        def __init__(
            self, config: GrpcConfig, stub: Callable[[grpc.Channel], C], *, name: str | None = None
        ) -> None: ...

    def __init__(self, config: GrpcConfig, stub: Any = None, *, name: str | None = None) -> None:
        super().__init__(config, name=name)
        self._stub = stub
        self._channels: dict[int, grpc.Channel] = {}

    def open_client(self, endpoint: str, timeout: float) -> C:
        """Make a channel; it connects with its first call."""
        import grpc

        del timeout
        credentials, options = self.config.credentials(), self.config.options()
        if credentials is None:
            channel = grpc.insecure_channel(endpoint, options)
        else:
            channel = grpc.secure_channel(endpoint, credentials, options)
        try:
            client = channel if self._stub is None else self._stub(channel)
        except BaseException:
            channel.close()
            raise
        self._channels[id(client)] = channel
        return cast("C", client)

    def check_client(self, client: C, timeout: float) -> None:
        """Ask the health service, or for a connection only."""
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
        """Tell errors of grpcio apart."""
        return grpc_failure(error, secure=self.config.tls is not None)


class AsyncGrpcConnector(AsyncBaseConnector[C, GrpcConfig], Generic[C]):
    """Opens, checks and closes a channel of grpc.aio, or a stub on a channel of its own.

    Args:
        config: what to connect to.
        stub: makes the client from a channel: the stub's class; None: the client is the channel.
        name: what logs and errors call it.
    """

    _library = ("grpc", "grpc")

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: AsyncGrpcConnector[grpc.aio.Channel],
            config: GrpcConfig,
            *,
            name: str | None = None,
        ) -> None: ...
        @overload
        def __init__(
            self,
            config: GrpcConfig,
            stub: Callable[[grpc.aio.Channel], C],
            *,
            name: str | None = None,
        ) -> None: ...

    def __init__(self, config: GrpcConfig, stub: Any = None, *, name: str | None = None) -> None:
        super().__init__(config, name=name)
        self._stub = stub
        self._channels: dict[int, grpc.aio.Channel] = {}

    async def open_client(self, endpoint: str, timeout: float) -> C:
        """Make a channel; it connects with its first call."""
        import grpc.aio

        del timeout
        credentials, options = self.config.credentials(), self.config.options()
        if credentials is None:
            channel = grpc.aio.insecure_channel(endpoint, options)
        else:
            channel = grpc.aio.secure_channel(endpoint, credentials, options)
        try:
            client = channel if self._stub is None else self._stub(channel)
        except BaseException:
            await channel.close()
            raise
        self._channels[id(client)] = channel
        return cast("C", client)

    async def check_client(self, client: C, timeout: float) -> None:
        """Ask the health service, or for a connection only."""
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
        """Tell errors of grpcio apart."""
        return grpc_failure(error, secure=self.config.tls is not None)


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
    """Tell what an error of grpcio stands for: by its code, and for UNAVAILABLE by its text."""
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
    # A server that wants our certificate hangs up without a word.
    return FailureKind.CERTIFICATE if secure else FailureKind.OTHER
