"""The HTTP session of a synchronous etcd client: its certificates and its login."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from connpool_runtime.connectors.config.tls import TLS

if TYPE_CHECKING:
    from etcd3gw.client import Etcd3Client

__all__ = ["log_in", "session_of"]


def session_of(tls: TLS | None) -> Session:
    """Return a session that ignores the environment, whose CA variables would override an explicit CA."""
    session = Session()
    session.trust_env = False
    if tls is not None:
        session.verify = tls.ca_file or tls.verify
        session.mount("https://", _Adapter(tls))
    return session


class _Adapter(HTTPAdapter):
    """Connections with a client certificate, whose key may be encrypted, and another server name."""

    def __init__(self, tls: TLS) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Pass the TLS settings to the pool of connections."""
        kwargs["ssl_context"] = self._tls.context()
        if self._tls.server_name is not None:
            kwargs["server_hostname"] = kwargs["assert_hostname"] = self._tls.server_name
        super().init_poolmanager(*args, **kwargs)


def log_in(client: Etcd3Client, username: str, password: Callable[[], str]) -> None:
    """Get a token for a client's session, and renew it when etcd has forgotten it.

    Arguments:
        client: whose session it is.
        username: of the user.
        password: returns the user's as it is now; called for each token.
    """
    login = _Login(client, username, password)
    login.renew()
    client.session.auth = login


class _Login(AuthBase):
    def __init__(self, client: Etcd3Client, username: str, password: Callable[[], str]) -> None:
        self._client = client
        self._username = username
        self._password = password
        self._token = ""

    def renew(self) -> None:
        """Request a token, without sending one."""
        url = self._client.get_url("/auth/authenticate")
        user = {"name": self._username, "password": self._password()}
        self._token = self._client.post(url, json=user, auth=_nobody)["token"]

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._token
        request.register_hook("response", self._again_if_forgotten)
        return request

    def _again_if_forgotten(self, response: Response, **options: Any) -> Response:
        if (
            response.status_code != 401
            or response.request.headers.get("Authorization") != self._token
        ):
            return response
        self.renew()
        request = response.request.copy()
        request.headers["Authorization"] = self._token
        request.hooks = {"response": []}
        return self._client.session.send(request, **options)


def _nobody(request: PreparedRequest) -> PreparedRequest:
    return request
