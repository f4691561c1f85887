"""etcd: synchronous through etcd3gw (extra `etcd`), asynchronous through etcd3aio (extra `etcd-aio`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import Endpoints, host_and_port
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import Duration, Text
from connpool_runtime.connectors.config.library_options import LibraryOptions, refuse_unknown
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.secrets import Credential, reveal
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.config.urls import UrlRules, UrlScheme

if TYPE_CHECKING:
    import etcd3aio
    from etcd3gw.client import Etcd3Client

__all__ = ["AsyncEtcdConnector", "EtcdConfig", "EtcdConnector"]

# Reading it needs a leader and, with authentication, a user; whether the key exists does not matter.
_PROBE_KEY = "connpool/health"
_WANTS_USER = re.compile(
    r"user name is empty|invalid auth token|authentication failed|unauthenticated", re.IGNORECASE
)
_FORBIDDEN = re.compile(r"permission denied", re.IGNORECASE)


_URLS = UrlRules(
    schemes={
        "etcd": UrlScheme(port=2379),
        "http": UrlScheme(port=2379),
        "https": UrlScheme(port=2379, tls=True),
    },
)
_BY_FIELD = {
    "ca_cert": "tls.ca_file",
    "cert_cert": "tls.cert_file",
    "cert_chain": "tls.cert_file",
    "cert_key": "tls.key_file",
    "endpoints": "endpoints",
    "host": "endpoints",
    "port": "endpoints",
    "protocol": "tls",
    "timeout": "call_timeout",
    "tls_server_name": "tls.server_name",
    "token": "username",
}
_TAKEN = {name: f"given as the field {field!r}" for name, field in _BY_FIELD.items()} | {
    "session": "left out: TLS and the login are in the session",
}


@dataclass(kw_only=True)
class EtcdConfig(ConnectorConfig):
    """Where an etcd cluster is; the fields that every config has are those of `ConnectorConfig`.

    A client belongs to one endpoint: the first that answers, so that a pool can have a member for
    each and none of them hides the fault of another.

    Arguments:
        endpoints: `host:port` of each server, or URLs as etcdctl takes them: `http://host:port`, `https://`
            with TLS, also with a user and a password.
        username: of an etcd user; together with `password`.
        password: the user's. Kept elsewhere, it is read anew for each login.
        call_timeout: for one call of a synchronous client; 0 waits for ever.
        tls: TLS settings; TLS that is on verifies certificates.
        options: other arguments of the library's client, by name: of `etcd3gw` or of `etcd3aio`. What it
            does not take is refused when a connector is made.
    """

    kind: ClassVar[str] = "etcd"
    variables: ClassVar[Mapping[str, str]] = {
        "ETCDCTL_ENDPOINTS": "endpoints",
        "ETCDCTL_USER": "username",
        "ETCDCTL_PASSWORD": "password",
        "ETCDCTL_CACERT": "tls.ca_file",
        "ETCDCTL_CERT": "tls.cert_file",
        "ETCDCTL_KEY": "tls.key_file",
    }

    endpoints: Endpoints = Endpoints(urls=_URLS)
    username: Text = Text()
    password: Credential = Credential()
    call_timeout: Duration = Duration(5.0)
    tls: Section[TLS] = Section(TLS)
    # Two clients of etcd cannot be imported in one process, so the library is not imported before it is used.
    options: LibraryOptions = LibraryOptions(taken=_TAKEN)

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield errors for fields that need each other."""
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            yield InvalidConfig(missing, "None", f"given together with {given}")


class EtcdConnector(BaseConnector["Etcd3Client", EtcdConfig]):
    """Opens, checks and closes an `etcd3gw.client.Etcd3Client`. The client is safe for threads."""

    _library = ("etcd3gw", "etcd")
    config_class = EtcdConfig

    def prepare(self) -> None:
        """Refuse options that etcd3gw does not take."""
        if self.config.options:
            from etcd3gw.client import Etcd3Client

            refuse_unknown(self.config.options, Etcd3Client, _TAKEN)

    def open_client(self, endpoint: str, timeout: float) -> Etcd3Client:
        """Open a client of etcd's JSON gateway, logged in if the config has a user."""
        from etcd3gw.client import Etcd3Client

        from connpool_runtime.connectors import etcd_session

        config = self.config
        host, port = host_and_port(endpoint)
        client = Etcd3Client(
            host=host,
            port=port,
            protocol="https" if config.tls is not None else "http",
            timeout=timeout,
            session=etcd_session.session_of(config.tls),
            **config.options,
        )
        try:
            if config.username is not None and config.password is not None:
                password = config.password
                etcd_session.log_in(client, config.username, lambda: reveal(password) or "")
        except BaseException:
            client.session.close()
            raise
        client.timeout = config.call_timeout or None
        return client

    def check_client(self, client: Etcd3Client, timeout: float) -> None:
        """Read a key, which needs a leader; a refused permission is an answer too."""
        body = {"key": _encoded(_PROBE_KEY)}
        response = client.session.post(client.get_url("/kv/range"), json=body, timeout=timeout)
        if response.status_code >= 400 and not _FORBIDDEN.search(response.text):
            from etcd3gw.exceptions import Etcd3Exception

            raise Etcd3Exception(response.text, f"{response.status_code} {response.text[:200]}")

    def close_client(self, client: Etcd3Client) -> None:
        """Close the session's connections."""
        client.session.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of etcd3gw and requests to kinds of failures."""
        from etcd3gw.exceptions import ConnectionTimeoutError, Etcd3Exception
        from requests.exceptions import SSLError, Timeout

        if isinstance(error, Etcd3Exception) and _WANTS_USER.search(f"{error.detail_text} {error}"):
            return FailureKind.AUTHENTICATION
        if isinstance(error, SSLError):
            return FailureKind.CERTIFICATE
        if isinstance(error, (ConnectionTimeoutError, Timeout)):
            return FailureKind.TIMEOUT
        return None


class AsyncEtcdConnector(AsyncBaseConnector["etcd3aio.Etcd3Client", EtcdConfig]):
    """Opens, checks and closes an `etcd3aio.Etcd3Client`, whose token is renewed while it is open.

    etcd3aio cannot be imported beside another client of etcd that is made from protobuf files.
    """

    _library = ("etcd3aio", "etcd-aio")
    config_class = EtcdConfig

    def _begin(self, config: EtcdConfig, name: str | None) -> None:
        super()._begin(config, name)
        self._refreshers: dict[int, Any] = {}

    def prepare(self) -> None:
        """Refuse settings that etcd3aio does not support, and options that it does not take."""
        tls = self.config.tls
        if tls is not None and tls.ca_file is None:
            allowed = "given: etcd3aio knows no other way to trust"
            raise InvalidConfig("tls.ca_file", "None", allowed)
        if tls is not None and tls.key_password is not None:
            raise InvalidConfig("tls.key_password", "'***'", "left out: grpcio takes plain keys")
        if self.config.options:
            import etcd3aio

            refuse_unknown(self.config.options, etcd3aio.Etcd3Client, _TAKEN)

    async def open_client(self, endpoint: str, timeout: float) -> etcd3aio.Etcd3Client:
        """Open a client, logged in if the config has a user."""
        import asyncio

        import etcd3aio

        config = self.config
        tls = config.tls or TLS()
        further: dict[str, Any] = {"rpc_max_attempts": 1, **config.options}
        client = etcd3aio.Etcd3Client(
            [endpoint],
            tls_server_name=tls.server_name,
            ca_cert=_bytes_of(tls.ca_file),
            cert_key=_bytes_of(tls.key_file),
            cert_chain=_bytes_of(tls.cert_file),
            **further,
        )
        # Equal channels share a connection, and with it gRPC's back-off after a failure: a server that has come
        # up would be refused without being asked. etcd3aio has no parameter for channel options.
        cast("Any", client)._manager.grpc_options.append(("grpc.use_local_subchannel_pool", 1))
        await client.connect()
        try:
            if config.username is not None and config.password is not None:
                password = await asyncio.to_thread(reveal, config.password)
                refresher = client.token_refresher(config.username, password or "")
                await refresher.__aenter__()
                self._refreshers[id(client)] = refresher
        except BaseException:
            await client.close()
            raise
        return client

    async def check_client(self, client: etcd3aio.Etcd3Client, timeout: float) -> None:
        """Read a key, which needs a leader; a refused permission is an answer too."""
        import etcd3aio

        try:
            await cast("Any", client.kv).get(_PROBE_KEY, timeout=timeout)
        except etcd3aio.EtcdPermissionDeniedError:
            return

    async def close_client(self, client: etcd3aio.Etcd3Client) -> None:
        """Stop renewing the token, then close the channel."""
        refresher = self._refreshers.pop(id(client), None)
        try:
            if refresher is not None:
                await refresher.__aexit__(None, None, None)
        finally:
            await client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of etcd3aio and grpcio to kinds of failures."""
        import etcd3aio

        from connpool_runtime.connectors.grpc import grpc_failure

        if isinstance(error, etcd3aio.EtcdConnectionError):
            return (
                # the cause says more; the text may contain UNAUTHENTICATED because of a certificate
                None
            )
        kind = grpc_failure(error, secure=self.config.tls is not None)
        if kind in (None, FailureKind.OTHER) and _WANTS_USER.search(f"{error!r} {error}"):
            return FailureKind.AUTHENTICATION
        return kind


def _bytes_of(file: str | None) -> bytes | None:
    return Path(file).read_bytes() if file is not None else None


def _encoded(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()
