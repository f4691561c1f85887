"""Serves the admin application in a thread of its own, with its own event loop."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event, current_thread
from types import TracebackType
from typing import Any, Self, Unpack

import uvicorn
from anyio.to_thread import run_sync
from starlette.applications import Starlette

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.threads import background_thread
from connpool_runtime._log import extra, log_failure, runtime_logger
from connpool_runtime.admin.access_control import is_loopback
from connpool_runtime.admin.app import Access, Admin, admin_of, guarded_app, settings_of
from connpool_runtime.admin.client import import_all_of_httpx
from connpool_runtime.admin.ended_workers import EndedWorkers, keep_counts
from connpool_runtime.admin.header_timeout import timely
from connpool_runtime.admin.pool_owners import OwnedPools, PoolOwner
from connpool_runtime.admin.run_folder import (
    RunningProcess,
    check_name,
    default_run_folder,
    open_run_folder,
    running,
)
from connpool_runtime.admin.settings import AdminOptions
from connpool_runtime.admin.sockets import listen_on_tcp, listen_on_unix
from connpool_runtime.admin.workers import WorkerActions, WorkerEvents, WorkerNumbers, Workers

__all__ = ["AdminServer", "ServerTLS", "serve_admin", "serve_workers"]

_FOLLOW = 0.5  # seconds between looks for new pools
_MAX_CONNECTIONS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTLS:
    """The certificate of the admin server.

    Arguments:
        cert_file: the certificate, and those between it and the root.
        key_file: its private key.
        key_password: what the private key is encrypted with.
        client_ca_file: certificates that clients must have one from; None if they need none.
    """

    cert_file: str | Path
    key_file: str | Path
    key_password: str | None = field(default=None, repr=False)
    client_ca_file: str | Path | None = None


def serve_admin(
    owner: PoolOwner,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    unix_socket: str | Path | None = None,
    run_folder: str | Path | bool = False,
    token: str | None = None,
    read_token: str | None = None,
    tls: ServerTLS | None = None,
    allowed_hosts: Iterable[str] = (),
    required: Iterable[str] | None = None,
    name: str = "",
    loop: asyncio.AbstractEventLoop | None = None,
    **options: Unpack[AdminOptions],
) -> AdminServer:
    """Serve the admin application in a thread of its own until it is closed; safe for threads.

    Arguments:
        owner: a `Manager` or `AsyncManager`, a `Registry` or `AsyncRegistry`, or a mapping of names to
            pools and generated wrappers.
        host: the address to listen on; any but this machine's own asks for a token.
        port: 0 for one that is free.
        unix_socket: listen on this Unix socket instead of host and port; only its owner may connect.
        run_folder: listen on a socket in this folder, where `connpoolctl` finds the process by its name; True
            for the usual folder, see `default_run_folder`. If no token is given, one is generated and stored
            there.
        token: lets its bearer read and change; without it nothing can be changed.
        read_token: lets its bearer read.
        tls: the certificate, for HTTPS.
        allowed_hosts: names by which the server is addressed; IP addresses, localhost and `host` need
            not be named.
        required: services without which the process is not ready; each that has a pool if not given.
        name: of the process, which workers of one kind share; "connpool" in a run folder if not given.
        loop: the event loop that asynchronous pools belong to; the running one if not given.
        options: see `AdminSettings`.

    Returns:
        The running server, which has the `url` and a method `close`.

    Raises:
        ValueError: `host` can be reached from elsewhere and there is no token; or an option is not allowed.
        TypeError: `owner` is none of these; or its pools are asynchronous and no event loop is running.
        OSError: the address is taken, or not this machine's; or a file of `tls` cannot be read.
    """
    if run_folder is not False and unix_socket is not None:
        raise ValueError("run_folder and unix_socket are two places: give one of them")
    process: RunningProcess | None = None
    if run_folder is not False:
        name = name or str(getattr(owner, "name", "") or "connpool")
        process = _register(run_folder, name)
        unix_socket = process.socket
        token = token or secrets.token_urlsafe(32)
    if unix_socket is None:
        _check_reach(host, token)
    loop = _loop_of(owner, loop)
    access = Access(token=token, read_token=read_token, hosts=(*allowed_hosts, host))
    keep = None if process is None else partial(keep_counts, process)
    admin = admin_of(owner, name, required, loop, options, keep)
    path = None if unix_socket is None else Path(unix_socket)
    # Who finds the socket of a process finds its token.
    prepare = None if process is None or token is None else partial(process.write_token, token)
    listening = listen_on_tcp(host, port) if path is None else listen_on_unix(path, prepare)
    try:
        if path is None and not is_loopback(host) and tls is None:
            runtime_logger().warning(
                "admin: %s is served without TLS, so that its token can be read on the network",
                host,
                extra=extra(event_name="admin_without_tls"),
            )
        return AdminServer(admin, access, listening, tls, path, process)
    except BaseException:
        listening.close()
        if process is not None:
            process.forget()
        raise


def serve_workers(
    name: str,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    run_folder: str | Path | None = None,
    token: str | None = None,
    read_token: str | None = None,
    tls: ServerTLS | None = None,
    allowed_hosts: Iterable[str] = (),
    **options: Unpack[AdminOptions],
) -> AdminServer:
    """Serve all worker processes of one name on this host as one, until it is closed.

    Counters are added up, those of workers that have ended included; each member is shown in the worst state
    that any worker reports. A change is made in all workers. Safe for threads.

    Arguments:
        name: which the workers share: each calls `serve_admin(..., run_folder=True, name=name)`.
        host: the address to listen on; any but this machine's own asks for a token.
        port: 0 for one that is free.
        run_folder: where the workers are registered; the usual folder if not given.
        token: lets its bearer read and change; without it nothing can be changed.
        read_token: lets its bearer read.
        tls: the certificate, for HTTPS.
        allowed_hosts: names by which the server is addressed.
        options: see `AdminSettings`.

    Returns:
        The running server, which has the `url` and a method `close`.

    Raises:
        ValueError: `host` can be reached from elsewhere and there is no token; or an option is not allowed.
        OSError: the address is taken, or not this machine's.
    """
    _check_reach(host, token)
    access = Access(token=token, read_token=read_token, hosts=(*allowed_hosts, host))
    settings = settings_of(options)
    folder = default_run_folder() if run_folder is None else Path(run_folder)
    workers = Workers(open_run_folder(folder), check_name(name))
    # What looking for workers and asking them imports is imported now, see `AdminServer._serve`.
    running(folder, name)
    import_all_of_httpx()
    admin = Admin(
        stats=WorkerNumbers(workers, settings.stats_age),
        feed=WorkerEvents(workers, settings.event_history),
        actions=WorkerActions(workers),
        settings=settings,
    )
    listening = listen_on_tcp(host, port)
    try:
        return AdminServer(admin, access, listening, tls)
    except BaseException:
        listening.close()
        raise


def _check_reach(host: str, token: str | None) -> None:
    if not is_loopback(host) and token is None:
        raise ValueError(
            f"{host} can be reached from elsewhere: give it a token=, so that not everybody can read and"
            " change this process, or host='127.0.0.1'"
        )


def _register(folder: str | Path | bool, name: str) -> RunningProcess:
    """Return the entry of this process in a run folder, after removing those of ended processes."""
    place = default_run_folder() if isinstance(folder, bool) else Path(folder)
    open_run_folder(place)
    running(place)
    EndedWorkers(place, check_name(name)).begin()
    pid = os.getpid()
    return RunningProcess(check_name(name), pid, place / f"{name}.{pid}.sock")


def _loop_of(
    owner: PoolOwner, loop: asyncio.AbstractEventLoop | None
) -> asyncio.AbstractEventLoop | None:
    if loop is not None:
        return loop
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    if OwnedPools(owner).has_tasks:
        raise TypeError(
            "these pools belong to an event loop, and none runs here: call serve_admin in a coroutine,"
            " or give it loop="
        )
    return None


class AdminServer:
    """A running admin server. Safe for threads; made by `serve_admin`.

    In a child process of a fork it is closed; a worker serves its own.
    """

    def __init__(
        self,
        admin: Admin,
        access: Access,
        listening: socket.socket,
        tls: ServerTLS | None,
        path: Path | None = None,
        process: RunningProcess | None = None,
    ) -> None:
        self._process = process
        self._admin = admin
        self._socket = listening
        self._path = path
        self._address: Any = listening.getsockname()
        self._tls = tls is not None
        self._pid = os.getpid()
        self._ready = Event()
        self._failure: BaseException | None = None
        self._closed = False
        self._server = uvicorn.Server(
            _config(guarded_app(admin, access), admin.settings.body_timeout, tls)
        )
        self._thread = background_thread("connpool admin", self._run)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        renew_after_fork(self)

    @property
    def url(self) -> str:
        """The URL; for a Unix socket its path, after `unix:`."""
        if self._path is not None:
            return f"unix:{self._path}"
        host, port = self._address[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"http{'s' * self._tls}://{shown}:{port}"

    @property
    def port(self) -> int:
        """The port; 0 for a Unix socket."""
        return 0 if self._path is not None else int(self._address[1])

    @property
    def closed(self) -> bool:
        """Whether the server was closed, or belongs to the parent of this process."""
        return self._closed

    def close(self, timeout: float = 5.0) -> None:
        """Stop answering, and wait for the thread to end; calling it again does nothing.

        Arguments:
            timeout: seconds to wait; the thread does not keep the process from ending.
        """
        if self._closed:
            return
        self._closed = True
        self._admin.feed.close()
        self._server.should_exit = True
        if current_thread() is not self._thread:
            self._thread.join(timeout)
        if self._process is not None:
            self._admin.stats.forget()
            self._admin.stats.text()  # the folder keeps its counters
        self._remove_file()

    def after_fork(self) -> None:
        """Leave the address to the parent process: the thread that serves it does not exist in the child."""
        self._closed = True
        self._socket.close()
        self._admin.feed.close()

    def _remove_file(self) -> None:
        if self._path is not None and self._pid == os.getpid():
            with suppress(OSError):
                self._path.unlink()
            if self._process is not None:
                self._process.forget()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                log_failure("admin: the server has ended", event_name="admin_ended")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        # No request may be the first to import something: a worker that is forked meanwhile would have half a module, and could
        # not answer as long as it lives. anyio imports half of itself with its first call.
        await run_sync(int)
        with suppress(ImportError):
            import_module("connpool_runtime.admin.exposition")
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        # uvicorn offers nothing to wait for
        while not (self._server.started or serving.done()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._ready.set()
        following = asyncio.create_task(self._follow())
        try:
            await serving
        finally:
            following.cancel()

    async def _follow(self) -> None:
        keep_at = 0.0
        while True:
            self._admin.feed.follow()
            if self._process is not None and time.monotonic() >= keep_at:
                keep_at = time.monotonic() + self._admin.settings.counts_every
                await asyncio.to_thread(self._admin.stats.text)
            await asyncio.sleep(min(_FOLLOW, self._admin.settings.counts_every))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<AdminServer {self.url}{' closed' * self._closed}>"


def _config(app: Starlette, seconds: float, tls: ServerTLS | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=timely(seconds),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the peer is the real client, without a proxy
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=16_384,
        ssl_certfile=None if tls is None else tls.cert_file,
        ssl_keyfile=None if tls is None else tls.key_file,
        ssl_keyfile_password=None if tls is None else tls.key_password,
        ssl_ca_certs=None if tls is None or tls.client_ca_file is None else str(tls.client_ca_file),
        ssl_cert_reqs=(
            ssl.CERT_NONE if tls is None or tls.client_ca_file is None else ssl.CERT_REQUIRED
        ),
    )
    config.load()  # loaded here, so that an unreadable file raises in the caller
    return config
