"""Milvus through pymilvus (extra `milvus`): sync and asyncio, each client with a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Flag, Text
from connpool_runtime.connectors.config.library_options import LibraryOptions
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.secrets import Credential, reveal
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.config.urls import UrlRules, UrlScheme

if TYPE_CHECKING:
    # It ships no reliable types: mypy takes its classes for Any, pyright reads its source.
    from pymilvus import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # as above
        AsyncMilvusClient,
        MilvusClient,
    )

__all__ = ["AsyncMilvusConnector", "MilvusConfig", "MilvusConnector"]


_URLS = UrlRules(
    schemes={
        "http": UrlScheme(port=19530),
        "https": UrlScheme(port=19530, tls=True),
        "milvus": UrlScheme(port=19530),
        "tcp": UrlScheme(port=19530),
    },
    path="database",
    names={"db_name": "database", "user": "username"},
)
_BY_FIELD = {
    "ca_pem_path": "tls.ca_file",
    "client_key_path": "tls.key_file",
    "client_pem_path": "tls.cert_file",
    "db_name": "database",
    "dedicated": "dedicated",
    "host": "endpoints",
    "password": "password",
    "port": "endpoints",
    "secure": "tls",
    "server_name": "tls.server_name",
    "server_pem_path": "tls.ca_file",
    "timeout": "connect_timeout",
    "token": "token",
    "uri": "endpoints",
    "user": "username",
}
_TAKEN = {name: f"given as the field {field!r}" for name, field in _BY_FIELD.items()}
_LOCAL_POOL = "grpc.use_local_subchannel_pool"


@dataclass(kw_only=True)
class MilvusConfig(ConnectorConfig):
    """Where a Milvus is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        endpoints: `host:port` of each server, or URLs: `http://user:password@host:port/database`, `https://`
            with TLS.
        username: of a Milvus user; together with `password`.
        password: the user's.
        token: an API key; instead of username and password.
        database: the name of the database; None is Milvus' own default.
        dedicated: whether the client has a connection of its own. Otherwise pymilvus shares one connection
            between clients of equal addresses, and there is nothing to balance.
        tls: TLS settings; TLS that is on verifies certificates.
        options: other arguments of `pymilvus.MilvusClient`, by name, such as `grpc_options`. It takes any
            name, so that none is refused.
    """

    kind: ClassVar[str] = "milvus"
    variables: ClassVar[Mapping[str, str]] = {"MILVUS_URI": "endpoints", "MILVUS_TOKEN": "token"}

    endpoints: Endpoints = Endpoints(urls=_URLS)
    username: Text = Text()
    password: Credential = Credential()
    token: Credential = Credential()
    database: Text = Text()
    dedicated: Flag = Flag(True)
    tls: Section[TLS] = Section(TLS)
    options: LibraryOptions = LibraryOptions(taken=_TAKEN)

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield errors for incomplete pairs, two kinds of credentials, and settings that pymilvus does not support."""
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            yield InvalidConfig(missing, "None", f"given together with {given}")
        if self.token is not None and self.username is not None:
            yield InvalidConfig("token", "'***'", "left out when username and password are given")
        if self.tls is not None and not self.tls.verify:
            yield InvalidConfig("tls.verify", "False", "true: grpcio always verifies")
        if self.tls is not None and self.tls.key_password is not None:
            yield InvalidConfig("tls.key_password", "'***'", "left out: grpcio takes plain keys")
        if not isinstance(self.options.get("grpc_options", {}), Mapping):
            yield InvalidConfig("options.grpc_options", "'***'", "a mapping of channel arguments")

    def client_arguments(self, endpoint: str, timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of pymilvus' clients."""
        options: dict[str, Any] = {
            "uri": f"{'http' if self.tls is None else 'https'}://{endpoint}",
            "user": self.username or "",
            "password": reveal(self.password) or "",
            "token": reveal(self.token) or "",
            "db_name": self.database or "",
            "timeout": timeout,
            "dedicated": self.dedicated,
            **self.options,
        }
        if self.dedicated:
            # gRPC shares one TCP connection between equal targets unless told not to.
            options["grpc_options"] = {**self.options.get("grpc_options", {}), _LOCAL_POOL: 1}
        if self.tls is not None:
            options |= {"secure": True, "server_name": self.tls.server_name or ""}
            mutual = self.tls.cert_file is not None
            options["ca_pem_path" if mutual else "server_pem_path"] = self.tls.ca_file or ""
            if mutual:
                options |= {
                    "client_pem_path": self.tls.cert_file,
                    "client_key_path": self.tls.key_file,
                }
        return options


class MilvusConnector(BaseConnector["MilvusClient", MilvusConfig]):
    """Opens, checks and closes a `pymilvus.MilvusClient`. The client is safe for threads."""

    _library = ("pymilvus", "milvus")
    config_class = MilvusConfig

    def open_client(self, endpoint: str, timeout: float) -> MilvusClient:
        """Open a client, which connects at once."""
        return import_module("pymilvus").MilvusClient(
            **self.config.client_arguments(endpoint, timeout)
        )

    def check_client(self, client: MilvusClient, timeout: float) -> None:
        """Request the server's version."""
        _version(client, timeout)

    def close_client(self, client: MilvusClient) -> None:
        """Close the client's connection, unless it is shared."""
        client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of pymilvus and grpcio to kinds of failures."""
        return _failure_kind(error, self.config)


class AsyncMilvusConnector(AsyncBaseConnector["AsyncMilvusClient", MilvusConfig]):
    """Opens, checks and closes a `pymilvus.AsyncMilvusClient`."""

    _library = ("pymilvus", "milvus")
    config_class = MilvusConfig

    async def open_client(self, endpoint: str, timeout: float) -> AsyncMilvusClient:
        """Open a client; it connects with its first call."""
        return import_module("pymilvus").AsyncMilvusClient(
            **self.config.client_arguments(endpoint, timeout)
        )

    async def check_client(self, client: AsyncMilvusClient, timeout: float) -> None:
        """Request the server's version."""
        await _version(client, timeout)

    async def close_client(self, client: AsyncMilvusClient) -> None:
        """Close the client's connection, unless it is shared."""
        await client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of pymilvus and grpcio to kinds of failures."""
        return _failure_kind(error, self.config)


def _version(client: Any, timeout: float) -> Any:
    return client.get_server_version(timeout=timeout, retry_times=1)


def _failure_kind(error: BaseException, config: MilvusConfig) -> FailureKind | None:
    from connpool_runtime.connectors.grpc import grpc_failure

    if type(error).__name__ == "MilvusException" and "auth check failure" in str(error):
        return FailureKind.AUTHENTICATION
    return grpc_failure(error, secure=config.tls is not None)
