"""Redis and servers of its protocol, through redis-py (extra `redis`): one server, Sentinel, TLS; sync and asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import Endpoints, host_and_port, socket_path
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Count, Duration, Flag, Number, Text
from connpool_runtime.connectors.config.library_options import (
    LibraryOptions,
    parameters_of,
    refuse_unknown,
)
from connpool_runtime.connectors.config.objects import Object
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.secrets import Credential, SecretSource, reveal
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.config.urls import UrlRules, UrlScheme

if TYPE_CHECKING:
    import ssl

    import redis
    import redis.asyncio

__all__ = ["AsyncRedisConnector", "RedisConfig", "RedisConnector"]

_TRUTH = "left out: redis-py checks the certificate against the endpoint's host"
_OWN_CONTEXT = "left out: with tls.ca_file connections have a TLS context of their own"
# Options that connections to Sentinels have, or do not have.
_OF_THE_PRIMARY = (
    *("credential_provider", "db", "decode_responses", "max_connections", "password", "retry"),
    "username",
)


# Names in the URLs of redis-py.
_URLS = UrlRules(
    schemes={
        "redis": UrlScheme(port=6379),
        "rediss": UrlScheme(port=6379, tls=True),
        "unix": UrlScheme(socket=True),
        "valkey": UrlScheme(port=6379),
        "valkeys": UrlScheme(port=6379, tls=True),
    },
    path="database",
    names={
        "db": "database",
        "socket_connect_timeout": "connect_timeout",
        "socket_timeout": "call_timeout",
        "ssl_ca_certs": "tls.ca_file",
        "ssl_cert_reqs": "tls.verify",
        "ssl_certfile": "tls.cert_file",
        "ssl_keyfile": "tls.key_file",
        "ssl_password": "tls.key_password",
    },
)
_BY_FIELD = {
    "client_name": "client_name",
    "credential_provider": "credential_provider",
    "db": "database",
    "decode_responses": "decode_responses",
    "host": "endpoints",
    "max_connections": "max_connections",
    "password": "password",
    "port": "endpoints",
    "protocol": "protocol",
    "retry": "retries",
    "socket_connect_timeout": "connect_timeout",
    "socket_timeout": "call_timeout",
    "ssl": "tls",
    "ssl_ca_certs": "tls.ca_file",
    "ssl_cert_reqs": "tls.verify",
    "ssl_certfile": "tls.cert_file",
    "ssl_check_hostname": "tls.verify",
    "ssl_keyfile": "tls.key_file",
    "ssl_password": "tls.key_password",
    "unix_socket_path": "endpoints",
    "username": "username",
}
_OWN_POOL = "left out: each member has connections of its own, for many calls at once"
_TAKEN = {name: f"given as the field {field!r}" for name, field in _BY_FIELD.items()} | {
    "auto_close_connection_pool": _OWN_POOL,
    "connection_pool": _OWN_POOL,
    "single_connection_client": _OWN_POOL,
}


@cache
def _accepted() -> frozenset[str] | None:
    try:
        import redis.asyncio
    except ImportError:
        return None  # connecting reports the missing library
    return parameters_of(redis.Redis, redis.asyncio.Redis)


def _is_provider(given: object) -> bool:
    return callable(getattr(given, "get_credentials", None))


@dataclass(kw_only=True)
class RedisConfig(ConnectorConfig):
    """Where a Redis is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        endpoints: `host:port` of each server, or URLs as redis-py takes them:
            `redis://user:password@host:port/database`, `rediss://` with TLS, `unix:///path/of/a/socket`.
        username: of an ACL user; together with `password`.
        password: what AUTH takes. Kept elsewhere, it is read anew for each connection.
        credential_provider: one of redis-py's, such as those for the identities of a cloud; in the place of
            `username` and `password`.
        database: the number that SELECT takes.
        sentinel: the name of the service that the endpoints, Sentinels then, are asked for; the
            client follows its primary.
        sentinel_password: what the Sentinels themselves want.
        call_timeout: for the answer to one command; 0 waits for ever.
        max_connections: of one client; a call beyond that fails.
        retries: how often redis-py itself repeats a command whose connection broke. None by default,
            for it repeats what is not idempotent too; the pool's own retries do not.
        decode_responses: whether answers are texts, not bytes.
        protocol: the version of RESP, 2 or 3; redis-py's own default if not given.
        client_name: what the server calls our connections, as in CLIENT LIST.
        tls: TLS settings; TLS that is on verifies certificates.
        options: other arguments of `redis.Redis`, by name, such as `health_check_interval`.
    """

    kind: ClassVar[str] = "redis"
    variables: ClassVar[Mapping[str, str]] = {"REDIS_URL": "endpoints", "VALKEY_URL": "endpoints"}

    endpoints: Endpoints = Endpoints(urls=_URLS)
    username: Text = Text()
    password: Credential = Credential()
    credential_provider: Object = Object("an object with get_credentials", _is_provider)
    database: Count = Count(0)
    sentinel: Text = Text()
    sentinel_password: Credential = Credential()
    call_timeout: Duration = Duration(5.0)
    max_connections: Count = Count(100, least=1)
    retries: Count = Count(0)
    decode_responses: Flag = Flag(False)
    protocol: Number = Number(2, 3)
    client_name: Text = Text()
    tls: Section[TLS] = Section(TLS)
    options: LibraryOptions = LibraryOptions(_accepted, _TAKEN)

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield errors for incomplete pairs, two kinds of credentials, and settings that redis-py does not support."""
        if self.username is not None and self.password is None:
            yield InvalidConfig("password", "None", "given together with username")
        if self.credential_provider is not None and self.password is not None:
            allowed = "left out when credential_provider is given"
            yield InvalidConfig("password", "'***'", allowed)
        if self.sentinel_password is not None and self.sentinel is None:
            yield InvalidConfig("sentinel", "None", "given together with sentinel_password")
        if self.sentinel is not None and any(map(socket_path, self.endpoints)):
            yield InvalidConfig("endpoints", "sockets", "host:port of Sentinels")
        yield from self._conflicts_of_tls()

    def _conflicts_of_tls(self) -> Iterator[InvalidConfig]:
        if self.tls is not None and self.tls.server_name is not None:
            yield InvalidConfig("tls.server_name", repr(self.tls.server_name), _TRUTH)
        for name in self.options:
            if name.startswith("ssl_") and (self.tls is None or self.tls.ca_file is not None):
                allowed = "left out, or tls on" if self.tls is None else _OWN_CONTEXT
                yield InvalidConfig(f"options.{name}", "'***'", allowed)

    def client_arguments(self, connect_timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of redis-py's client, without the address."""
        arguments: dict[str, Any] = {
            "db": self.database,
            **self._credentials(),
            "socket_connect_timeout": connect_timeout,
            # While connecting; `settle` then sets the timeout for calls.
            "socket_timeout": connect_timeout,
            "max_connections": self.max_connections,
            "decode_responses": self.decode_responses,
            "protocol": self.protocol,
            "client_name": self.client_name,
        }
        if self.tls is not None:
            arguments |= {
                "ssl": True,
                "ssl_cert_reqs": "required" if self.tls.verify else "none",
                "ssl_check_hostname": self.tls.verify,
                "ssl_ca_certs": self.tls.ca_file,
                "ssl_certfile": self.tls.cert_file,
                "ssl_keyfile": self.tls.key_file,
                "ssl_password": reveal(self.tls.key_password),
            }
        # Values that are not given are left out: which arguments exist depends on the version of redis-py.
        given = {name: value for name, value in arguments.items() if value is not None}
        return {**given, **self.options}

    def _credentials(self) -> dict[str, Any]:
        if self.credential_provider is not None:
            return {"credential_provider": self.credential_provider}
        if isinstance(self.password, SecretSource):
            return {"credential_provider": _provider_of(self.username, self.password)}
        return {"username": self.username, "password": self.password}

    def settle(self, client: Any) -> None:
        """Set the timeout for calls on the connections of a verified client."""
        client.connection_pool.connection_kwargs["socket_timeout"] = self.call_timeout or None

    def trust(self, client: Any, trusting: Callable[[Any, ssl.SSLContext], Any]) -> None:
        """Make connections trust only the explicit CA: redis-py adds it to those of the environment."""
        if self.tls is not None and self.tls.ca_file is not None:
            for each in (client, *_sentinels(client)):
                pool = each.connection_pool
                pool.connection_class = trusting(pool.connection_class, self.tls.context())

    def primary(self, sentinel: Any, connect_timeout: float, options: Mapping[str, Any]) -> Any:
        """Return a client of the primary, through redis-py's class for Sentinels."""
        left_out = {*self.options, *_OF_THE_PRIMARY}
        kept = {name: value for name, value in options.items() if name not in left_out}
        kept["socket_timeout"] = connect_timeout
        if isinstance(self.sentinel_password, SecretSource):
            kept["credential_provider"] = _provider_of(None, self.sentinel_password)
        else:
            kept["password"] = self.sentinel_password
        addresses = [host_and_port(endpoint) for endpoint in self.endpoints]
        return sentinel(addresses, sentinel_kwargs=kept, **options).master_for(self.sentinel)


def _provider_of(username: str | None, password: SecretSource) -> Any:
    """Return a provider that gives redis-py a password whenever it opens a connection."""
    import asyncio

    from redis.credentials import CredentialProvider

    class CurrentPassword(CredentialProvider):
        def get_credentials(self) -> tuple[str] | tuple[str, str]:
            return (password(),) if username is None else (username, password())

        async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
            # A user's function may do I/O, and must not block the event loop meanwhile.
            return await asyncio.to_thread(self.get_credentials)

    return CurrentPassword()


class RedisConnector(BaseConnector["redis.Redis", RedisConfig]):
    """Opens, checks and closes a `redis.Redis`."""

    _library = ("redis", "redis")
    config_class = RedisConfig

    def prepare(self) -> None:
        """Refuse options that only the client for tasks takes."""
        if self.config.options:
            import redis

            refuse_unknown(self.config.options, redis.Redis, _TAKEN)

    def places(self) -> tuple[str, ...]:
        """Return all Sentinels as one place, else one server after the other."""
        return _places(self.config)

    def open_client(self, endpoint: str, timeout: float) -> redis.Redis:
        """Open a client and verify it."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        from redis.sentinel import Sentinel

        options = self.config.client_arguments(timeout)
        options["retry"] = Retry(NoBackoff(), int(self.config.retries))
        if self.config.sentinel is None:
            client = redis.Redis(**_address(endpoint), **options)
        else:
            client = cast("redis.Redis", self.config.primary(Sentinel, timeout, options))
        self.config.trust(client, _trusting)
        try:
            _ping(client)
        except BaseException:
            self.close_client(client)
            raise
        self.config.settle(client)
        client.connection_pool.disconnect()  # the connection that has the timeout for connecting
        return client

    def check_client(self, client: redis.Redis, timeout: float) -> None:
        """Send PING on a connection of the client."""
        del timeout
        _ping(client)

    def close_client(self, client: redis.Redis) -> None:
        """Close the client's connections, including those to Sentinels."""
        client.close()
        for sentinel in _sentinels(client):
            sentinel.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of redis-py to kinds of failures."""
        return _failure_kind(error)


class AsyncRedisConnector(AsyncBaseConnector["redis.asyncio.Redis", RedisConfig]):
    """Opens, checks and closes a `redis.asyncio.Redis`."""

    _library = ("redis", "redis")
    config_class = RedisConfig

    def prepare(self) -> None:
        """Refuse options that only the client for threads takes."""
        if self.config.options:
            import redis.asyncio

            refuse_unknown(self.config.options, redis.asyncio.Redis, _TAKEN)

    def places(self) -> tuple[str, ...]:
        """Return all Sentinels as one place, else one server after the other."""
        return _places(self.config)

    async def open_client(self, endpoint: str, timeout: float) -> redis.asyncio.Redis:
        """Open a client and verify it."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.asyncio.sentinel import Sentinel
        from redis.backoff import NoBackoff

        options = self.config.client_arguments(timeout)
        options["retry"] = Retry(NoBackoff(), int(self.config.retries))
        if self.config.sentinel is None:
            client = redis.asyncio.Redis(**_address(endpoint), **options)
        else:
            client = cast("redis.asyncio.Redis", self.config.primary(Sentinel, timeout, options))
        self.config.trust(client, _trusting_aio)
        try:
            await _ping(client)
        except BaseException:
            await self.close_client(client)
            raise
        self.config.settle(client)
        # the connection that has the timeout for connecting
        await client.connection_pool.disconnect()
        return client

    async def check_client(self, client: redis.asyncio.Redis, timeout: float) -> None:
        """Send PING on a connection of the client."""
        del timeout
        await _ping(client)

    async def close_client(self, client: redis.asyncio.Redis) -> None:
        """Close the client's connections, including those to Sentinels."""
        await client.aclose()
        for sentinel in _sentinels(client):
            await sentinel.aclose()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of redis-py to kinds of failures."""
        return _failure_kind(error)


def _trusting(connection: Any, context: ssl.SSLContext) -> Any:
    """Return a class of connections that uses our TLS context."""

    def wrap(self: Any, sock: Any) -> Any:
        return context.wrap_socket(sock, server_hostname=self.host)

    return type(connection.__name__, (connection,), {"_wrap_socket_with_ssl": wrap})


def _trusting_aio(connection: Any, context: ssl.SSLContext) -> Any:
    """Do the same for asyncio, where a connection keeps the context it was given."""

    def init(self: Any, *args: Any, **options: Any) -> None:
        connection.__init__(self, *args, **options)
        self.ssl_context.context = context

    return type(connection.__name__, (connection,), {"__init__": init})


def _ping(client: Any) -> Any:
    return client.ping()


def _sentinels(client: Any) -> list[Any]:
    """Return the clients of a client's Sentinels, which redis-py leaves open."""
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    return [] if manager is None else list(manager.sentinels)


def _address(endpoint: str) -> dict[str, Any]:
    path = socket_path(endpoint)
    if path is not None:
        return {"unix_socket_path": path}
    host, port = host_and_port(endpoint)
    return {"host": host.strip("[]"), "port": port}


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
