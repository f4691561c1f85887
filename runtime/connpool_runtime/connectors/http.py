"""HTTP servers through httpx (extra `http`): sync and asyncio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from connpool_runtime.connectors.async_base import AsyncBaseConnector
from connpool_runtime.connectors.base import BaseConnector
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import FailureKind, InvalidConfig
from connpool_runtime.connectors.config.fields import (
    Count,
    Duration,
    Flag,
    Secret,
    Text,
    TextsByName,
)
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.tls import TLS

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncHttpConnector", "HttpConfig", "HttpConnector"]


@dataclass(kw_only=True)
class HttpConfig(ConnectorConfig):
    """Where an HTTP API is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        endpoints: base URLs: `https://host:port/path`.
        headers: sent with each request.
        username: for basic authentication; together with `password`.
        password: for basic authentication.
        token: sent as `authorization: Bearer ...`; instead of username and password.
        call_timeout: for one request; 0 waits for ever.
        max_connections: of one client; a request beyond that waits for one.
        health_path: what a health check asks for, below the base URL. Given, it must be answered by a
            status below 400; else any answer from `/` counts that is no server error and wants no
            credentials.
        follow_redirects: whether requests go where the server sends them.
        trust_env: whether proxies and .netrc of the environment apply; never its certificates.
        tls: how the two sides prove who they are; None is what the system trusts.
    """

    kind: ClassVar[str] = "http"

    endpoints: Endpoints = Endpoints("http", "https")
    headers: TextsByName = TextsByName()
    username: Text = Text()
    password: Secret = Secret()
    token: Secret = Secret()
    call_timeout: Duration = Duration(5.0)
    max_connections: Count = Count(100, least=1)
    health_path: Text = Text()
    follow_redirects: Flag = Flag(False)
    trust_env: Flag = Flag(False)
    tls: Section[TLS] = Section(TLS)

    def check(self) -> None:
        """Refuse half of a pair, two kinds of credentials, and TLS for nothing."""
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            raise InvalidConfig(missing, "None", f"given together with {given}")
        if self.token is not None and self.username is not None:
            raise InvalidConfig("token", "'***'", "left out when username and password are given")
        plain = [endpoint for endpoint in self.endpoints if endpoint.startswith("http://")]
        if self.tls is not None and plain:
            raise InvalidConfig("endpoints", repr(plain[0]), "https://host:port when tls is on")

    def options(self, endpoint: str, connect_timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of httpx's clients."""
        import httpx

        headers = dict(self.headers)
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        verify = (self.tls or TLS()).context() if endpoint.startswith("https://") else False
        return {
            "base_url": endpoint,
            "headers": headers,
            "auth": (self.username, self.password) if self.username else None,
            "timeout": httpx.Timeout(self.call_timeout or None, connect=connect_timeout),
            "limits": httpx.Limits(max_connections=int(self.max_connections)),
            "verify": verify,
            "follow_redirects": self.follow_redirects,
            "trust_env": self.trust_env,
        }

    def name_server(self, request: httpx.Request) -> None:
        """Make a request expect the certificate to have the server's other name."""
        if self.tls is not None and self.tls.server_name is not None:
            named = {"sni_hostname": self.tls.server_name}
            request.extensions = {**request.extensions, **named}

    def judge(self, response: httpx.Response) -> None:
        """Raise httpx's own error for an answer that no healthy server gives."""
        limit = 500 if self.health_path is None else 400
        if response.status_code >= limit or response.status_code in (401, 403, 407):
            import httpx

            text = f"{response.status_code} {response.reason_phrase} from {response.url}"
            raise httpx.HTTPStatusError(text, request=response.request, response=response)


class HttpConnector(BaseConnector["httpx.Client", HttpConfig]):
    """Opens, checks and closes an `httpx.Client`."""

    _library = ("httpx", "http")

    def open_client(self, endpoint: str, timeout: float) -> httpx.Client:
        """Make a client; it connects with its first request."""
        import httpx

        options = self.config.options(endpoint, timeout)
        return httpx.Client(**options, event_hooks={"request": [self.config.name_server]})

    def check_client(self, client: httpx.Client, timeout: float) -> None:
        """Ask for the health path."""
        self.config.judge(client.get(self.config.health_path or "/", timeout=timeout))

    def close_client(self, client: httpx.Client) -> None:
        """Close the client's connections."""
        client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of httpx apart."""
        return _failure_kind(error)


class AsyncHttpConnector(AsyncBaseConnector["httpx.AsyncClient", HttpConfig]):
    """Opens, checks and closes an `httpx.AsyncClient`."""

    _library = ("httpx", "http")

    async def open_client(self, endpoint: str, timeout: float) -> httpx.AsyncClient:
        """Make a client; it connects with its first request."""
        import httpx

        options = self.config.options(endpoint, timeout)

        async def name_server(request: httpx.Request) -> None:
            self.config.name_server(request)

        return httpx.AsyncClient(**options, event_hooks={"request": [name_server]})

    async def check_client(self, client: httpx.AsyncClient, timeout: float) -> None:
        """Ask for the health path."""
        self.config.judge(await client.get(self.config.health_path or "/", timeout=timeout))

    async def close_client(self, client: httpx.AsyncClient) -> None:
        """Close the client's connections."""
        await client.aclose()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Tell errors of httpx apart."""
        return _failure_kind(error)


def _failure_kind(error: BaseException) -> FailureKind | None:
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        wanted = error.response.status_code in (401, 403, 407)
        return FailureKind.AUTHENTICATION if wanted else FailureKind.OTHER
    if isinstance(error, httpx.TimeoutException):
        return FailureKind.TIMEOUT
    return None
