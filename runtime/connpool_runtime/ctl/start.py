"""Runs processes of their own: a manager of the services of a file, or the admin of all workers."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import typer

from connpool_runtime.admin import serve_admin, serve_workers
from connpool_runtime.admin.pool_owners import Reloadable
from connpool_runtime.admin.sockets import has_unix_sockets
from connpool_runtime.manager import Manager
from connpool_runtime.manager.services import open_pool
from connpool_runtime.pool.pool import Pool

__all__ = ["run_manager", "run_workers"]


def run_manager(
    file: Path,
    section: str,
    *,
    host: str,
    port: int,
    token: str | None,
    name: str,
    run_folder: Path | None,
    say: Callable[[str], None],
) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP, where the system has it, reloads the config.

    Arguments:
        file: what `Manager.from_file` reads.
        section: where in the file the services are.
        host: address of the admin.
        port: its port; 0 for a free one.
        token: of the admin; None for a new one, which only the run folder has.
        name: of the process.
        run_folder: where to register, if the system has Unix sockets; None for the usual place.
        say: prints a line for the user.

    Raises:
        typer.Exit: it could not be started; what was wrong has been said.
    """
    ended, reloading = Event(), Event()
    places: list[dict[str, Any]] = [{"host": host, "port": port}]
    if has_unix_sockets():
        places.append({"run_folder": True if run_folder is None else run_folder})
    with ExitStack() as stack:
        manager = stack.enter_context(_manager_of(file, section, name, say))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: ended.set())
        if hangup := getattr(signal, "SIGHUP", None):  # Windows has none
            signal.signal(hangup, lambda _number, _frame: reloading.set())
        _start(manager, say)
        try:
            served = [
                stack.enter_context(serve_admin(manager, token=token, name=name, **place))
                for place in places
            ]
        except (OSError, ValueError) as error:
            say(str(error))
            raise typer.Exit(1) from None
        say(
            f"{name}: {', '.join(manager.started) or 'no service'};"
            f" admin at {' and '.join(one.url for one in served)}"
        )
        while not ended.wait(0.2):
            if reloading.is_set():
                reloading.clear()
                _reload(manager, say)
        say(f"{name}: draining")


def _manager_of(
    file: Path, section: str, name: str, say: Callable[[str], None]
) -> Manager[Pool[Any]]:
    """Return the manager of the services of a file, or end the command with what is wrong with the file."""
    try:
        return Manager[Pool[Any]].from_file(file, open_pool, section=section, name=name)
    except (ValueError, TypeError, OSError) as error:
        say(f"{file}: {error}")
        raise typer.Exit(1) from None


def _start(manager: Manager[Pool[Any]], say: Callable[[str], None]) -> None:
    """Open all pools; those that cannot be opened are tried again when they are needed."""
    try:
        manager.start()
    except ExceptionGroup as group:
        for one in group.exceptions:
            say(f"not started: {one}")


def run_workers(
    name: str,
    run_folder: Path | None,
    *,
    host: str,
    port: int,
    token: str | None,
    say: Callable[[str], None],
) -> None:
    """Serve all workers of a name as one, until SIGTERM or SIGINT.

    Arguments:
        name: which the workers share.
        run_folder: where they are registered; None for the usual place.
        host: address of the admin.
        port: its port; 0 for a free one.
        token: of the admin; without it nothing can be changed.
        say: prints a line for the user.

    Raises:
        typer.Exit: it could not be started; what was wrong has been said.
    """
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        server = serve_workers(name, host, port, run_folder=run_folder, token=token)
    except (OSError, ValueError) as error:
        say(str(error))
        raise typer.Exit(1) from None
    with server:
        say(f"workers of {name}: {server.url}")
        while not ended.wait(0.2):
            pass


def _reload(manager: object, say: Callable[[str], None]) -> None:
    if not isinstance(manager, Reloadable):
        say("this manager was not made from a config that can be reloaded")
        return
    result: Any = manager.reload()
    for line in (*result.changes, *result.errors):
        say(line)
