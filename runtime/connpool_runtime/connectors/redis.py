"""Redis and what speaks its protocol, through redis-py (extra `redis`): one server, Sentinel, TLS; sync and asyncio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import host_and_port
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Count, Duration, Secret, Text
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.tls import TLS

if TYPE_CHECKING:
    import ssl

    import redis
    import redis.asyncio

__all__ = ["AsyncRedisConnector", "RedisConfig", "RedisConnector"]

_TRUTH = "left out: redis-py checks the certificate against the endpoint's host"


@dataclass(kw_only=True)
class RedisConfig(ConnectorConfig):
    """Where a Redis is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        username: of an ACL user; together with `password`.
        password: what AUTH takes.
        database: the number that SELECT takes.
        sentinel: the name of the service that the endpoints, Sentinels then, are asked for; the
            client follows its primary.
        sentinel_password: what the Sentinels themselves want.
        call_timeout: for the answer to one command; 0 waits for ever.
        max_connections: of one client; a call beyond that fails.
        retries: how often redis-py itself repeats a command whose connection broke. None by default,
            for it repeats what is not idempotent too; the pool's own retries do not.
        tls: how the two sides prove who they are; on means verified.
    """

    kind: ClassVar[str] = "redis"

    username: Text = Text()
    password: Secret = Secret()
    database: Count = Count(0)
    sentinel: Text = Text()
    sentinel_password: Secret = Secret()
    call_timeout: Duration = Duration(5.0)
    max_connections: Count = Count(100, least=1)
    retries: Count = Count(0)
    tls: Section[TLS] = Section(TLS)

    def check(self) -> None:
        """Refuse half of a pair, and what redis-py cannot do."""
        if self.username is not None and self.password is None:
            raise InvalidConfig("password", "None", "given together with username")
        if self.sentinel_password is not None and self.sentinel is None:
            raise InvalidConfig("sentinel", "None", "given together with sentinel_password")
        if self.tls is not None and self.tls.server_name is not None:
            raise InvalidConfig("tls.server_name", repr(self.tls.server_name), _TRUTH)

    def options(self, connect_timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of redis-py's client, but for the address."""
        options: dict[str, Any] = {
            "db": self.database,
            "username": self.username,
            "password": self.password,
            "socket_connect_timeout": connect_timeout,
            # While it connects: `settle` puts the time for calls in its place.
            "socket_timeout": connect_timeout,
            "max_connections": self.max_connections,
        }
        if self.tls is not None:
            options |= {
                "ssl": True,
                "ssl_cert_reqs": "required" if self.tls.verify else "none",
                "ssl_check_hostname": self.tls.verify,
                "ssl_ca_certs": self.tls.ca_file,
                "ssl_certfile": self.tls.cert_file,
                "ssl_keyfile": self.tls.key_file,
                "ssl_password": self.tls.key_password,
            }
        return options

    def settle(self, client: Any) -> None:
        """Give the connections of a client that was verified the time that calls have."""
        client.connection_pool.connection_kwargs["socket_timeout"] = self.call_timeout or None

    def trust(self, client: Any, trusting: Callable[[Any, ssl.SSLContext], Any]) -> None:
        """Let connections trust the explicit CA alone: redis-py adds it to those of the environment."""
        if self.tls is not None and self.tls.ca_file is not None:
            for each in (client, *_sentinels(client)):
                pool = each.connection_pool
                pool.connection_class = trusting(pool.connection_class, self.tls.context())

    def primary(self, sentinel: Any, connect_timeout: float, options: Mapping[str, Any]) -> Any:
        """Return a client of the primary, through redis-py's class for Sentinels."""
        left_out = ("db", "username", "password", "max_connections", "retry")
        kept = {name: value for name, value in options.items() if name not in left_out}
        kept |= {"socket_timeout": connect_timeout, "password": self.sentinel_password}
        addresses = [host_and_port(endpoint) for endpoint in self.endpoints]
        return sentinel(addresses, sentinel_kwargs=kept, **options).master_for(self.sentinel)


class RedisConnector(BaseConnector["redis.Redis", RedisConfig]):
    """Opens, checks and closes a `redis.Redis`."""

    _library = ("redis", "redis")

    def places(self) -> tuple[str, ...]:
        """All Sentinels at once, else one server after the other."""
        return _places(self.config)

    def open_client(self, endpoint: str, timeout: float) -> redis.Redis:
        """Make a client and try it."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        from redis.sentinel import Sentinel

        options = self.config.options(timeout)
        options["retry"] = Retry(NoBackoff(), int(self.config.retries))
        if self.config.sentinel is None:
            host, port = host_and_port(endpoint)
            client = redis.Redis(host=host.strip("[]"), port=port, **options)
        else:
            client = cast("redis.Redis", self.config.primary(Sentinel, timeout, options))
        self.config.trust(client, _trusting)
        try:
            _ping(client)
        except BaseException:
            self.close_client(client)
            raise
        self.config.settle(client)
        client.connection_pool.disconnect()  # the connection that has the time for connecting
        return client

    def check_client(self, client: redis.Redis, timeout: float) -> None:
        """PING, on a connection of the client."""
        del timeout
        _ping(client)

    def close_client(self, client: redis.Redis) -> None:
        """Close the client's connections, those to the Sentinels too."""
        client.close()
        for sentinel in _sentinels(client):
            sentinel.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of redis-py apart."""
        return _failure_kind(error)


class AsyncRedisConnector(AsyncBaseConnector["redis.asyncio.Redis", RedisConfig]):
    """Opens, checks and closes a `redis.asyncio.Redis`."""

    _library = ("redis", "redis")

    def places(self) -> tuple[str, ...]:
        """All Sentinels at once, else one server after the other."""
        return _places(self.config)

    async def open_client(self, endpoint: str, timeout: float) -> redis.asyncio.Redis:
        """Make a client and try it."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff

        options = self.config.options(timeout)
        options["retry"] = Retry(NoBackoff(), int(self.config.retries))
        if self.config.sentinel is None:
            host, port = host_and_port(endpoint)
            client = redis.asyncio.Redis(host=host.strip("[]"), port=port, **options)
        else:
            client = cast("redis.asyncio.Redis", self.config.primary(Sentinel, timeout, options))
        self.config.trust(client, _trusting_aio)
        try:
            await _ping(client)
        except BaseException:
            await self.close_client(client)
            raise
        self.config.settle(client)
        await client.connection_pool.disconnect()  # the connection that has the time for connecting
        return client

    async def check_client(self, client: redis.asyncio.Redis, timeout: float) -> None:
        """PING, on a connection of the client."""
        del timeout
        await _ping(client)

    async def close_client(self, client: redis.asyncio.Redis) -> None:
        """Close the client's connections, those to the Sentinels too."""
        await client.aclose()
        for sentinel in _sentinels(client):
            await sentinel.aclose()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of redis-py apart."""
        return _failure_kind(error)


def _trusting(connection: Any, context: ssl.SSLContext) -> Any:
    """Return a class of connections with a TLS context of ours."""

    def wrap(self: Any, sock: Any) -> Any:
        return context.wrap_socket(sock, server_hostname=self.host)

    return type(connection.__name__, (connection,), {"_wrap_socket_with_ssl": wrap})


def _trusting_aio(connection: Any, context: ssl.SSLContext) -> Any:
    """Do the same for asyncio, where a connection keeps the context that it was given."""

    def init(self: Any, *args: Any, **options: Any) -> None:
        connection.__init__(self, *args, **options)
        self.ssl_context.context = context

    return type(connection.__name__, (connection,), {"__init__": init})


def _ping(client: Any) -> Any:
    return client.ping()


def _sentinels(client: Any) -> list[Any]:
    """Return the clients of the Sentinels that a client asks, which redis-py leaves open."""
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    return [] if manager is None else list(manager.sentinels)


def _places(config: RedisConfig) -> tuple[str, ...]:
    return config.endpoints if config.sentinel is None else (",".join(config.endpoints),)


def _failure_kind(error: BaseException) -> FailureKind | None:
    from redis.exceptions import AuthenticationError, NoPermissionError
    from redis.exceptions import TimeoutError as RedisTimeout

    if isinstance(error, (AuthenticationError, NoPermissionError)):
        return FailureKind.AUTHENTICATION
    if isinstance(error, RedisTimeout):
        return FailureKind.TIMEOUT
    return None
