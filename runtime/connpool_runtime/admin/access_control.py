"""Checks every admin request before routing: address, host, origin, token, rate, size and time."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connpool_runtime._log import log_failure
from connpool_runtime.admin.problems import Problem, problem_response
from connpool_runtime.admin.settings import AdminSettings
from connpool_runtime.middleware.rate_limit import TokenBucket

__all__ = ["HEALTH", "Guard", "is_loopback"]

HEALTH = frozenset({"/health", "/health/live", "/health/ready"})
# Paths whose answers hold nothing about this process.
PAGE = frozenset({"", "/", "/admin.css", "/admin.js", "/icon.svg", "/schema/stats.json"})

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ADDRESSES = 1024  # addresses whose request rates are tracked at a time

Buckets = OrderedDict[tuple[str, str], TokenBucket]


class Guard:
    """An ASGI middleware around the whole admin application. For one event loop.

    Arguments:
        app: what is guarded.
        settings: what is allowed.
        token: lets its bearer read and change everything; without one nothing can be changed.
        read_token: lets its bearer read.
        hosts: names by which the application may be addressed, beside IP addresses and localhost.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: AdminSettings,
        token: str | None,
        read_token: str | None,
        hosts: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._settings = settings
        self._token = token
        self._read_token = read_token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._clock = clock
        self._buckets: Buckets = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        begun = False

        async def send_hardened(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            receive = await self._admit(scope, receive)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send_hardened)
            return
        try:
            await self._app(scope, receive, send_hardened)
        except Exception:
            log_failure("admin: %s %s", scope["method"], scope["path"], event_name="admin_failed")
            if begun:
                raise
            await problem_response(Problem(500, "see the log of the process"))(
                scope, receive, send_hardened
            )

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        self._check_host(headers)
        _check_origin(headers)
        bearer = self._bearer(headers)
        write = scope["method"] not in ("GET", "HEAD")
        self._check_rate(_peer(scope), bearer, write)
        path = _path(scope)
        if not write:
            if bearer is None and not self._may_read(scope, headers, path):
                raise _unauthorized("reading needs a token: send `Authorization: Bearer ...`")
            # The health answer gives reasons only to those who may read them.
            scope.setdefault("state", {})["reasons"] = bearer is not None or self._trusts(
                scope, headers
            )
            return receive
        if self._token is None:
            detail = "changes are switched off: this application was created without a token, see docs/admin.md"
            raise Problem(403, detail)
        if bearer is None:
            raise _unauthorized("a change needs a token: send `Authorization: Bearer ...`")
        if bearer != "write":
            raise Problem(403, "this token only allows reading")
        _check_media_type(headers)
        return await self._whole_body(headers, receive)

    # Authentication

    def _bearer(self, headers: Headers) -> str | None:
        """Return what the request's token allows, "read" or "write"; None if it brings none.

        Raises:
            Problem: it brings a wrong one.
        """
        given = headers.get("authorization")
        if given is None:
            return None
        kind, _, token = given.partition(" ")
        # Both tokens are always compared, so that the time taken reveals nothing.
        writes = _equal(token.strip(), self._token)
        reads = _equal(token.strip(), self._read_token)
        if kind.lower() != "bearer" or not (writes or reads):
            raise _unauthorized("this token is not known here")
        return "write" if writes else "read"

    def _may_read(self, scope: Scope, headers: Headers, path: str) -> bool:
        if path in PAGE or (path in HEALTH and self._settings.health_without_token):
            return True
        return self._trusts(scope, headers)

    def _trusts(self, scope: Scope, headers: Headers) -> bool:
        """Return whether a request without a token may read, because it comes from this machine."""
        if self._settings.token_for_reads or any(name in headers for name in _FORWARDED):
            return False
        client, server = scope.get("client"), scope.get("server")
        if client is None:  # a Unix socket, whose file permissions say who may connect
            return server is None or server[1] is None
        return is_loopback(client[0]) and is_loopback(_host_of(headers))

    def _check_host(self, headers: Headers) -> None:
        """Refuse unknown host names: a foreign web page could point its own name at this machine (DNS rebinding)."""
        host = _host_of(headers)
        if host in self._hosts or host == "localhost" or _is_address(host):
            return
        raise Problem(421, "this host name is not served here: add it to `allowed_hosts`")

    def _check_rate(self, peer: str, bearer: str | None, write: bool) -> None:
        settings = self._settings
        rate = settings.writes_per_second if write else settings.reads_per_second
        key = (peer, f"{bearer} {write}")
        bucket = self._buckets.pop(key, None) or TokenBucket(rate, max(1, int(rate * 4)))
        # moved to the end: the least recently used one is dropped first
        self._buckets[key] = bucket
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        there, wait = bucket.take(self._clock(), 0.0)
        if not there:
            seconds = max(1, round(wait))
            raise Problem(
                429, f"too many requests: try again in {seconds} s", {"Retry-After": str(seconds)}
            )

    # Request bodies

    async def _whole_body(self, headers: Headers, receive: Receive) -> Receive:
        """Read the whole body within its limits; return a `receive` that replays it to the application."""
        limit = self._settings.body_limit
        # The rest of the body is discarded for a while: a client that is still sending could not read the
        # answer.
        too_long = Problem(413, f"a body may have at most {limit} bytes")
        stated = headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > limit:
            raise too_long
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                while True:
                    message = await receive()
                    parts.append(message.get("body", b""))
                    if sum(map(len, parts)) > limit:
                        raise too_long
                    if message["type"] != "http.request" or not message.get("more_body"):
                        break
        except TimeoutError:
            raise Problem(408, "the body did not arrive in time", {"Connection": "close"}) from None
        given: Message | None = {
            "type": "http.request",
            "body": b"".join(parts),
            "more_body": False,
        }

        async def replay() -> Message:
            nonlocal given
            if given is not None:
                message, given = given, None
                return message
            return await receive()

        return replay


def _equal(given: str, expected: str | None) -> bool:
    wanted = expected if expected is not None else ""
    return hmac.compare_digest(given.encode(), wanted.encode()) and expected is not None


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="connpool"'})


def _check_origin(headers: Headers) -> None:
    """Refuse requests that a page of another site makes a browser send."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Problem(403, "this request comes from another site's page")
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise Problem(403, "this request comes from another site's page")


def _check_media_type(headers: Headers) -> None:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise Problem(415, "a change is sent as `Content-Type: application/json`")


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return "unix" if client is None else str(client[0])


def _path(scope: Scope) -> str:
    """Return the path relative to where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(root) else path


def _host_of(headers: Headers) -> str:
    try:
        return (urlsplit(f"//{headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: Any) -> bool:
    """Return whether a host is this machine, over IPv4 or IPv6."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
