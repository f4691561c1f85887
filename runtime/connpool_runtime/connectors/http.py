"""HTTP servers through httpx (extra `http`): sync and asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
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
    Text,
)
from connpool_runtime.connectors.config.library_options import (
    LibraryOptions,
    parameters_of,
    refuse_unknown,
)
from connpool_runtime.connectors.config.objects import FunctionsByName, Object, title_of
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.secrets import (
    Credential,
    CredentialsByName,
    SecretSource,
    is_coroutine_function,
    reveal,
)
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.config.urls import UrlRules, UrlScheme

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncHttpConnector", "HttpConfig", "HttpConnector"]


# Their paths and queries belong to the address; credentials do not.
_URLS = UrlRules(schemes={"http": UrlScheme(), "https": UrlScheme()})
_BY_FIELD = {
    "auth": "auth",
    "base_url": "endpoints",
    "cert": "tls.cert_file",
    "event_hooks": "event_hooks",
    "follow_redirects": "follow_redirects",
    "headers": "headers",
    "http2": "http2",
    "limits": "max_connections",
    "proxy": "proxy",
    "timeout": "call_timeout",
    "transport": "transport",
    "trust_env": "trust_env",
    "verify": "tls",
}
_TAKEN = {name: f"given as the field {field!r}" for name, field in _BY_FIELD.items()}


@cache
def _accepted() -> frozenset[str] | None:
    try:
        import httpx
    except ImportError:
        return None  # connecting reports the missing library
    return parameters_of(httpx.Client, httpx.AsyncClient)


@dataclass(kw_only=True)
class HttpConfig(ConnectorConfig):
    """Where an HTTP API is; the fields that every config has are those of `ConnectorConfig`.

    Arguments:
        endpoints: base URLs: `https://host:port/path`; a user and a password in them are for basic
            authentication.
        headers: sent with each request. One that is kept elsewhere is read for each.
        username: for basic authentication; together with `password`.
        password: for basic authentication. Kept elsewhere, it is read when a client is opened, and again
            after an answer 401.
        token: sent as `authorization: Bearer ...`; instead of username and password. Read as these.
        auth: one of httpx's own, an `httpx.Auth` or a function of a request; instead of all of these.
        call_timeout: for one request; 0 waits for ever.
        max_connections: of one client; a request beyond that waits for one.
        http2: whether HTTP/2 is spoken with servers that know it; needs the package h2.
        proxy: the URL of the proxy that all requests go through; with a user and a password if it wants
            them.
        event_hooks: functions that are called with each request or response, under `request` and
            `response`; coroutine functions for tasks.
        transport: what makes the transport of a client: `httpx.HTTPTransport`, or a function that is
            called as that is, with `verify`, `http2`, `limits` and `trust_env`, and returns what wraps
            one; for tasks `httpx.AsyncHTTPTransport`.
        health_path: what a health check asks for, below the base URL. Given, it must be answered by a
            status below 400; else any answer from `/` counts that is no server error and wants no
            credentials.
        follow_redirects: whether requests go where the server sends them.
        trust_env: whether proxies and .netrc of the environment apply; never its certificates.
        tls: TLS settings; None is what the system trusts.
        options: other arguments of `httpx.Client`, by name, such as `params`.
    """

    kind: ClassVar[str] = "http"

    endpoints: Endpoints = Endpoints("http", "https", urls=_URLS)
    headers: CredentialsByName = CredentialsByName()
    username: Text = Text()
    password: Credential = Credential()
    token: Credential = Credential()
    auth: Object = Object("an httpx.Auth or a function of a request")
    call_timeout: Duration = Duration(5.0)
    max_connections: Count = Count(100, least=1)
    http2: Flag = Flag(False)
    proxy: Credential = Credential()
    event_hooks: FunctionsByName = FunctionsByName("request", "response")
    transport: Object = Object("a class or function that makes a transport of httpx")
    health_path: Text = Text()
    follow_redirects: Flag = Flag(False)
    trust_env: Flag = Flag(False)
    tls: Section[TLS] = Section(TLS)
    options: LibraryOptions = LibraryOptions(_accepted, _TAKEN)

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield errors for incomplete pairs, two kinds of credentials, and TLS settings without TLS."""
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            yield InvalidConfig(missing, "None", f"given together with {given}")
        if self.token is not None and self.username is not None:
            yield InvalidConfig("token", "'***'", "left out when username and password are given")
        if self.auth is not None and (self.token is not None or self.username is not None):
            allowed = "left out when token, or username and password, are given"
            yield InvalidConfig("auth", title_of(self.auth), allowed)
        if self.proxy is not None and self.transport is not None:
            allowed = "left out when transport is given: the proxy is that of the transport"
            yield InvalidConfig("proxy", "'***'", allowed)
        if self.http2 and find_spec("h2") is None:
            yield InvalidConfig(
                "http2", "True", "false, or the package h2 installed (httpx[http2])"
            )
        plain = [endpoint for endpoint in self.endpoints if endpoint.startswith("http://")]
        if self.tls is not None and plain:
            yield InvalidConfig("endpoints", repr(plain[0]), "https://host:port when tls is on")

    def client_arguments(self, endpoint: str, connect_timeout: float) -> dict[str, Any]:
        """Return the keyword arguments of httpx's clients, without hooks."""
        import httpx

        verify = (self.tls or TLS()).context() if endpoint.startswith("https://") else False
        transport: dict[str, Any] = {
            "verify": verify,
            "http2": self.http2,
            "limits": httpx.Limits(max_connections=int(self.max_connections)),
            "trust_env": self.trust_env,
        }
        made: dict[str, Any] = {}
        if self.transport is not None:
            made["transport"] = self.transport(**transport)
        return {
            **transport,
            **made,
            "base_url": endpoint,
            "headers": {
                name: value for name, value in self.headers.items() if isinstance(value, str)
            },
            "auth": self._auth(),
            "timeout": httpx.Timeout(self.call_timeout or None, connect=connect_timeout),
            "follow_redirects": self.follow_redirects,
            "proxy": reveal(self.proxy),
            **self.options,
        }

    def _auth(self) -> Any:
        secret = self.token if self.username is None else self.password
        if self.auth is not None or secret is None:
            return self.auth
        return _auth_of(self.username, secret)

    def hooks(self, first: Any) -> dict[str, list[Any]]:
        """Return the event hooks of a client, ours before the given ones."""
        given = {name: list(functions) for name, functions in self.event_hooks.items()}
        return {**given, "request": [first, *given.get("request", ())]}

    def refuse_hooks(self, *, coroutines: bool) -> None:
        """Refuse hooks for the other kind of client."""
        for name, functions in self.event_hooks.items():
            for function in functions:
                if is_coroutine_function(function) is not coroutines:
                    allowed = "coroutine functions for tasks" if coroutines else "plain functions"
                    raise InvalidConfig(f"event_hooks.{name}", title_of(function), allowed)

    def current_headers(self) -> dict[str, str]:
        """Return the headers that are stored elsewhere, with their current values."""
        return {
            name: value() for name, value in self.headers.items() if isinstance(value, SecretSource)
        }

    def name_server(self, request: httpx.Request) -> None:
        """Make a request expect another server name in the certificate."""
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


def _auth_of(username: str | None, secret: str | SecretSource) -> Any:
    """Return the authentication of each request: a bearer token, or a user if there is one."""
    import asyncio
    import base64

    import httpx

    def header() -> str:
        text = reveal(secret)
        if username is None:
            return f"Bearer {text}"
        return f"Basic {base64.b64encode(f'{username}:{text}'.encode()).decode()}"

    class CurrentSecret(httpx.Auth):
        def __init__(self) -> None:
            self._header = header()

        def sync_auth_flow(
            self, request: httpx.Request
        ) -> Generator[httpx.Request, httpx.Response, None]:
            sent = request.headers["authorization"] = self._header
            response = yield request
            if response.status_code == 401 and isinstance(secret, SecretSource):
                self._header = header()
                if self._header != sent:  # it was changed meanwhile: try once more
                    request.headers["authorization"] = self._header
                    yield request

        async def async_auth_flow(
            self, request: httpx.Request
        ) -> AsyncGenerator[httpx.Request, httpx.Response]:
            sent = request.headers["authorization"] = self._header
            response = yield request
            if response.status_code == 401 and isinstance(secret, SecretSource):
                # A user's function may do I/O, and must not block the event loop meanwhile.
                self._header = await asyncio.to_thread(header)
                if self._header != sent:
                    request.headers["authorization"] = self._header
                    yield request

    return CurrentSecret()


class HttpConnector(BaseConnector["httpx.Client", HttpConfig]):
    """Opens, checks and closes an `httpx.Client`."""

    _library = ("httpx", "http")
    config_class = HttpConfig

    def prepare(self) -> None:
        """Refuse options that only the client for tasks takes."""
        self.config.refuse_hooks(coroutines=False)
        if self.config.options:
            import httpx

            refuse_unknown(self.config.options, httpx.Client, _TAKEN)

    def open_client(self, endpoint: str, timeout: float) -> httpx.Client:
        """Open a client; it connects with its first request."""
        import httpx

        config = self.config
        is_static = all(isinstance(value, str) for value in config.headers.values())

        def prepare(request: httpx.Request) -> None:
            config.name_server(request)
            if not is_static:
                request.headers.update(config.current_headers())

        arguments = config.client_arguments(endpoint, timeout)
        return httpx.Client(**arguments, event_hooks=config.hooks(prepare))

    def check_client(self, client: httpx.Client, timeout: float) -> None:
        """Request the health path."""
        self.config.judge(client.get(self.config.health_path or "/", timeout=timeout))

    def close_client(self, client: httpx.Client) -> None:
        """Close the client's connections."""
        client.close()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of httpx to kinds of failures."""
        return _failure_kind(error)


class AsyncHttpConnector(AsyncBaseConnector["httpx.AsyncClient", HttpConfig]):
    """Opens, checks and closes an `httpx.AsyncClient`."""

    _library = ("httpx", "http")
    config_class = HttpConfig

    def prepare(self) -> None:
        """Refuse options that only the client for threads takes."""
        self.config.refuse_hooks(coroutines=True)
        if self.config.options:
            import httpx

            refuse_unknown(self.config.options, httpx.AsyncClient, _TAKEN)

    async def open_client(self, endpoint: str, timeout: float) -> httpx.AsyncClient:
        """Open a client; it connects with its first request."""
        import asyncio

        import httpx

        config = self.config
        is_static = all(isinstance(value, str) for value in config.headers.values())

        async def prepare(request: httpx.Request) -> None:
            config.name_server(request)
            if not is_static:
                request.headers.update(await asyncio.to_thread(config.current_headers))

        arguments = config.client_arguments(endpoint, timeout)
        return httpx.AsyncClient(**arguments, event_hooks=config.hooks(prepare))

    async def check_client(self, client: httpx.AsyncClient, timeout: float) -> None:
        """Request the health path."""
        self.config.judge(await client.get(self.config.health_path or "/", timeout=timeout))

    async def close_client(self, client: httpx.AsyncClient) -> None:
        """Close the client's connections."""
        await client.aclose()

    def failure_kind(self, error: BaseException) -> FailureKind | None:
        """Map errors of httpx to kinds of failures."""
        return _failure_kind(error)


def _failure_kind(error: BaseException) -> FailureKind | None:
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        wanted = error.response.status_code in (401, 403, 407)
        return FailureKind.AUTHENTICATION if wanted else FailureKind.OTHER
    if isinstance(error, httpx.TimeoutException):
        return FailureKind.TIMEOUT
    return None
