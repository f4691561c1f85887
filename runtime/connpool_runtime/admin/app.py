"""The routes of the admin application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Protocol, Unpack, cast

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from connpool_runtime._extras import install
from connpool_runtime.admin.access_control import Guard
from connpool_runtime.admin.actions import Actions
from connpool_runtime.admin.event_history import EventFeed
from connpool_runtime.admin.health import Health
from connpool_runtime.admin.pool_owners import OwnedPools, PoolOwner
from connpool_runtime.admin.problems import Problem, problem_response
from connpool_runtime.admin.settings import AdminOptions, AdminSettings, check_token
from connpool_runtime.admin.stats_cache import StatsCache
from connpool_runtime.admin.stats_document import Document
from connpool_runtime.admin.stats_from_document import pool_stats_of
from connpool_runtime.options.validation import nearest

__all__ = ["Access", "Admin", "admin_app", "admin_of", "guarded_app", "settings_of"]

_POLL = 0.2  # seconds between looks at the event history
_BEAT = 15.0  # seconds after which a quiet stream sends a keep-alive
_LOOP_ANSWERS = 2.0  # seconds after which an event loop that does not respond counts as hanging


class ShowsNumbers(Protocol):
    """Provides the stats of this process, or of several workers. A request may take milliseconds."""

    def document(self) -> Document:
        """Return the document of `/stats`; it must not be changed."""
        ...

    def text(self) -> bytes:
        """Return the document of `/stats` as JSON."""
        ...

    def forget(self) -> None:
        """Drop cached stats, so that the next request reads new ones."""
        ...

    def health(self, required: tuple[str, ...] | None) -> Health:
        """Return the health of the services."""
        ...


class ShowsEvents(Protocol):
    """Provides events."""

    @property
    def closed(self) -> bool:
        """Whether streams have to end."""
        ...

    def follow(self) -> None:
        """Look for new pools or workers; does not wait."""
        ...

    def after(self, sequence: int) -> tuple[int, list[Document]]:
        """Return how many events after a number are lost, and those that are not."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


Doing = Callable[[Document], Awaitable[Document]]


class Acts(Protocol):
    """Carries out changes."""

    @property
    def by_path(self) -> Mapping[str, Doing]:
        """The actions by the path of their route."""
        ...

    async def config(self) -> Document:
        """Return the config in force, with secrets masked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """What the routes of one application share."""

    stats: ShowsNumbers
    feed: ShowsEvents
    actions: Acts
    settings: AdminSettings
    required: tuple[str, ...] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    streams: set[object] = field(default_factory=set[object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may connect, and under which host names; the tokens have been checked."""

    token: str | None
    read_token: str | None
    hosts: tuple[str, ...]

    def __post_init__(self) -> None:
        check_token("token", self.token)
        check_token("read_token", self.read_token)


def admin_app(
    owner: PoolOwner,
    *,
    token: str | None = None,
    read_token: str | None = None,
    allowed_hosts: Iterable[str] = (),
    required: Iterable[str] | None = None,
    name: str = "",
    **options: Unpack[AdminOptions],
) -> Starlette:
    """Return an application that shows and controls the pools of this process, to be mounted in another one.

    Asynchronous pools have to belong to the event loop that runs the application.

    Arguments:
        owner: a `Manager` or `AsyncManager`, a `Registry` or `AsyncRegistry`, or a mapping of names to
            pools and generated wrappers.
        token: lets its bearer read and change; without it nothing can be changed, and nothing can be read
            from other machines. At least 16 characters.
        read_token: lets its bearer read, for a Prometheus for example.
        allowed_hosts: names by which the application is addressed; IP addresses and localhost need not
            be named.
        required: services without which the process is not ready; each that has a pool if not given.
        name: of the process, shown where several are listed; the manager's or registry's if not given.
        options: see `AdminSettings`.

    Raises:
        TypeError: `owner` is none of these, or there is no such option.
        ValueError: a token is too short, or an option is not allowed.
    """
    access = Access(token=token, read_token=read_token, hosts=tuple(allowed_hosts))
    return guarded_app(admin_of(owner, name, required, None, options), access)


_ALSO = ("token", "read_token", "allowed_hosts", "required", "name")


def settings_of(options: AdminOptions) -> AdminSettings:
    """Return the settings; an unknown option is refused with the nearest name."""
    return AdminSettings.of(cast("dict[str, object]", options), also=_ALSO)


def admin_of(
    owner: PoolOwner,
    name: str,
    required: Iterable[str] | None,
    loop: asyncio.AbstractEventLoop | None,
    options: AdminOptions,
    keep: Callable[[bytes], None] | None = None,
) -> Admin:
    """Return what the routes need to show and control the pools of this process.

    Arguments:
        owner: see `admin_app`.
        name: of the process.
        required: see `admin_app`.
        loop: the event loop that asynchronous pools belong to; None for the one that runs the application.
        options: see `AdminSettings`.
        keep: called with each document of `/stats` before the document is sent.
    """
    settings = settings_of(options)
    pools = OwnedPools(owner)
    feed = EventFeed(pools, settings.event_history)
    feed.follow()
    return Admin(
        stats=StatsCache(
            pools, name or str(getattr(owner, "name", "")), settings.stats_age, keep=keep
        ),
        feed=feed,
        actions=Actions(pools, feed, loop),
        settings=settings,
        required=None if required is None else tuple(required),
        loop=loop,
    )


def guarded_app(admin: Admin, access: Access) -> Starlette:
    """Return the application."""
    guard = Middleware(
        Guard,
        settings=admin.settings,
        token=access.token,
        read_token=access.read_token,
        hosts=access.hosts,
    )
    return Starlette(
        routes=_routes(admin),
        middleware=[guard],
        exception_handlers={Problem: _refuse, HTTPException: _refuse_route},
    )


async def _refuse(_request: Request, error: Exception) -> Response:
    return problem_response(cast("Problem", error))


async def _refuse_route(request: Request, error: Exception) -> Response:
    status = cast("HTTPException", error).status_code
    detail = f"{request.method} of this path is not supported: docs/admin.md lists the paths"
    return problem_response(Problem(status, detail))


def _routes(admin: Admin) -> list[Route]:
    page = files("connpool_runtime.admin") / "page"
    texts = {
        "/": (page / "index.html", "text/html; charset=utf-8"),
        "/admin.css": (page / "admin.css", "text/css; charset=utf-8"),
        "/admin.js": (page / "admin.js", "text/javascript; charset=utf-8"),
        "/icon.svg": (page / "icon.svg", "image/svg+xml"),
        "/schema/stats.json": (
            files("connpool_runtime.admin") / "stats.schema.json",
            "application/schema+json",
        ),
    }
    reads = {
        "/stats": _stats,
        "/metrics": _metrics,
        "/health": _health,
        "/health/live": _live,
        "/health/ready": _ready,
        "/events": _events,
        "/config": _config,
    }
    return [
        *(Route(path, _text(file.read_bytes(), kind)) for path, (file, kind) in texts.items()),
        *(Route(path, _read(admin, answer)) for path, answer in reads.items()),
        *(
            Route(path, _write(admin, do), methods=["POST"])
            for path, do in admin.actions.by_path.items()
        ),
    ]


Answering = Callable[[Request], Awaitable[Response]]


def _text(content: bytes, media_type: str) -> Answering:
    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _read(admin: Admin, ask: Callable[[Admin, Request], Awaitable[Response]]) -> Answering:
    async def answer(request: Request) -> Response:
        admin.feed.follow()
        return await ask(admin, request)

    return answer


def _write(admin: Admin, do: Callable[[Document], Awaitable[Document]]) -> Answering:
    async def answer(request: Request) -> Response:
        admin.feed.follow()
        given = _object_in(await request.body())
        done = await do(given)
        admin.stats.forget()
        return JSONResponse(done, 422 if done.get("applied") is False else 200)

    return answer


def _object_in(body: bytes) -> Document:
    try:
        given: object = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(given, dict):
        raise Problem(422, "the body must be a JSON object")
    return cast("Document", given)


async def _stats(admin: Admin, request: Request) -> Response:
    wanted = request.query_params.get("service")
    if wanted is None:
        return Response(await run_sync(admin.stats.text), media_type="application/json")
    document = await run_sync(admin.stats.document)
    services = document["services"]
    if wanted not in services:
        hint = nearest(wanted, services) if services else "there is none"
        raise Problem(404, f"there is no pool of a service {wanted!r}: {hint}")
    return JSONResponse({**document, "services": {wanted: services[wanted]}})


async def _metrics(admin: Admin, request: Request) -> Response:
    try:
        from connpool_runtime.admin.exposition import exposed
    except ImportError:
        detail = f"metrics need prometheus-client: {install('prometheus')}"
        raise Problem(501, detail) from None
    accept = request.headers.get("accept", "")

    def look() -> tuple[bytes, str]:
        document = admin.stats.document()
        return exposed(
            [pool_stats_of(name, service) for name, service in document["services"].items()], accept
        )

    content, media_type = await run_sync(look)
    return Response(content, headers={"Content-Type": media_type})


async def _health(admin: Admin, request: Request) -> Response:
    """Answer both liveness and readiness, for a person."""
    alive = await _is_alive(admin)
    health = await run_sync(admin.stats.health, admin.required)
    reasons = [*([] if alive else ["the event loop of the pools does not answer"]), *health.reasons]
    status = health.status if alive else "unavailable"
    return _healthy(request, status != "unavailable", status, reasons)


async def _live(admin: Admin, request: Request) -> Response:
    alive = await _is_alive(admin)
    reasons = [] if alive else ["the event loop of the pools does not answer"]
    return _healthy(request, alive, "ok" if alive else "unavailable", reasons)


async def _ready(admin: Admin, request: Request) -> Response:
    health = await run_sync(admin.stats.health, admin.required)
    return _healthy(request, health.status != "unavailable", health.status, list(health.reasons))


def _healthy(request: Request, well: bool, status: str, reasons: list[str]) -> Response:
    body: Document = {"status": status}
    if request.state.reasons:
        body["reasons"] = reasons
    return JSONResponse(body, 200 if well else 503)


async def _is_alive(admin: Admin) -> bool:
    """Return whether the event loop of asynchronous pools responds; threads always do."""
    loop = admin.loop
    if loop is None or loop is asyncio.get_running_loop():
        return True
    answered = asyncio.Event()
    here = asyncio.get_running_loop()
    try:
        loop.call_soon_threadsafe(lambda: here.call_soon_threadsafe(answered.set))
        async with asyncio.timeout(_LOOP_ANSWERS):
            await answered.wait()
    except (RuntimeError, TimeoutError):
        return False
    return True


async def _config(admin: Admin, _request: Request) -> Response:
    return JSONResponse(await admin.actions.config())


async def _events(admin: Admin, request: Request) -> Response:
    if len(admin.streams) >= admin.settings.max_streams:
        detail = f"{len(admin.streams)} readers follow the events already, and no more may"
        raise Problem(503, detail, {"Retry-After": "5"})
    known = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    if not known.isdecimal() or len(known) > 18:
        raise Problem(422, "`Last-Event-ID` and `after` are the number of an event")
    follow = request.query_params.get("follow", "true") != "false"
    stream = _stream(admin, request, int(known), follow)
    return StreamingResponse(stream, media_type="text/event-stream")


async def _stream(admin: Admin, request: Request, known: int, follow: bool) -> AsyncIterator[bytes]:
    me = object()
    admin.streams.add(me)
    quiet = 0.0
    try:
        yield b"retry: 2000\n\n"
        while not admin.feed.closed:
            missed, told = admin.feed.after(known)
            if missed:
                yield _event("lost", {"count": missed})
            for one in told:
                yield _event("pool", one)
            known = told[-1]["id"] if told else known
            if not follow or await request.is_disconnected():
                break
            quiet = 0.0 if told else quiet + _POLL
            if quiet >= _BEAT:
                quiet = 0.0
                yield b": nothing happened\n\n"
            await asyncio.sleep(_POLL)
            admin.feed.follow()
    finally:
        admin.streams.discard(me)


def _event(kind: str, data: Document) -> bytes:
    number = f"id: {data['id']}\n" if "id" in data else ""
    return f"{number}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
