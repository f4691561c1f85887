"""Milvus through pymilvus (extra `milvus`): sync and asyncio, each client with a connection of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Flag, Secret, Text
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.tls import TLS

if TYPE_CHECKING:
    # It has no types that others may rely on: mypy takes its classes for Any, pyright reads its source.
    from pymilvus import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
        AsyncMilvusClient,
        MilvusClient,
    )

__all__ = ["AsyncMilvusConnector", "MilvusConfig", "MilvusConnector"]


@dataclass(kw_only=True)
class MilvusConfig(ConnectorConfig):
    """Where a Milvus is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        username: of a Milvus user; together with `password`.
        password: the user's.
        token: an API key; instead of username and password.
        database: the name of the database; None is Milvus' own default.
        dedicated: whether the client has a connection of its own. Without it pymilvus hands out one
            and the same for equal addresses, and a pool is none.
        tls: how the two sides prove who they are; on means verified.
    """

    kind: ClassVar[str] = "milvus"

    username: Text = Text()
    password: Secret = Secret()
    token: Secret = Secret()
    database: Text = Text()
    dedicated: Flag = Flag(True)
    tls: Section[TLS] = Section(TLS)

    def check(self) -> None:
        """Refuse half of a pair, two kinds of credentials, and what pymilvus cannot do."""
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            raise InvalidConfig(missing, "None", f"given together with {given}")
        if self.token is not None and self.username is not None:
            raise InvalidConfig("token", "'***'", "left out when username and password are given")
        if self.tls is not None and not self.tls.verify:
            raise InvalidConfig("tls.verify", "False", "true: grpcio always verifies")
        if self.tls is not None and self.tls.key_password is not None:
            raise InvalidConfig("tls.key_password", "'***'", "left out: grpcio takes plain keys")

    def options(self, endpoint: str, timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of pymilvus' clients."""
        options: dict[str, Any] = {
            "uri": f"{'http' if self.tls is None else 'https'}://{endpoint}",
            "user": self.username or "",
            "password": self.password or "",
            "token": self.token or "",
            "db_name": self.database or "",
            "timeout": timeout,
            "dedicated": self.dedicated,
        }
        if self.dedicated:
            # gRPC shares one TCP connection between equal targets unless told not to.
            options["grpc_options"] = {"grpc.use_local_subchannel_pool": 1}
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

    def open_client(self, endpoint: str, timeout: float) -> MilvusClient:
        """Make a client, which connects at once."""
        return import_module("pymilvus").MilvusClient(**self.config.options(endpoint, timeout))

    def check_client(self, client: MilvusClient, timeout: float) -> None:
        """Ask for the server's version."""
        _version(client, timeout)

    def close_client(self, client: MilvusClient) -> None:
        """Close the client's connection, if nobody shares it."""
        client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of pymilvus and of grpcio apart."""
        return _failure_kind(error, self.config)


class AsyncMilvusConnector(AsyncBaseConnector["AsyncMilvusClient", MilvusConfig]):
    """Opens, checks and closes a `pymilvus.AsyncMilvusClient`."""

    _library = ("pymilvus", "milvus")

    async def open_client(self, endpoint: str, timeout: float) -> AsyncMilvusClient:
        """Make a client; it connects with its first call."""
        return import_module("pymilvus").AsyncMilvusClient(**self.config.options(endpoint, timeout))

    async def check_client(self, client: AsyncMilvusClient, timeout: float) -> None:
        """Ask for the server's version."""
        await _version(client, timeout)

    async def close_client(self, client: AsyncMilvusClient) -> None:
        """Close the client's connection, if nobody shares it."""
        await client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of pymilvus and of grpcio apart."""
        return _failure_kind(error, self.config)


def _version(client: Any, timeout: float) -> Any:
    return client.get_server_version(timeout=timeout, retry_times=1)


def _failure_kind(error: BaseException, config: MilvusConfig) -> FailureKind | None:
    from connpool_runtime.connectors.grpc import grpc_failure

    if type(error).__name__ == "MilvusException" and "auth check failure" in str(error):
        return FailureKind.AUTHENTICATION
    return grpc_failure(error, secure=config.tls is not None)
